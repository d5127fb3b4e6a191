//! A server under load: where it is, and requests as it wants them.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::{
    Arguments,
    connection::Connection,
    content::Payload,
    phase::Phase,
    signature::{self, Hash},
};

/// One server.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `A` or `B`.
    pub(super) name: &'static str,
    /// `http://HOST:PORT`.
    origin: String,
    /// `HOST:PORT`.
    authority: String,
    key: String,
    secret: String,
}

impl Target {
    /// The servers that the command line names.
    pub(super) fn all(arguments: &Arguments) -> Result<Vec<Self>> {
        let mut targets = vec![Self::new("A", &arguments.a, &arguments.a_key, &arguments.a_secret)?];
        if let Some(url) = &arguments.b {
            targets.push(Self::new("B", url, &arguments.b_key, &arguments.b_secret)?);
        }
        Ok(targets)
    }

    fn new(name: &'static str, url: &str, key: &str, secret: &str) -> Result<Self> {
        let origin = url.trim_end_matches('/').to_owned();
        // TLS would measure the client's cryptography as much as the server's.
        let authority = origin.strip_prefix("http://").with_context(|| format!("{url:?} is not an http:// URL"))?;
        ensure!(!authority.contains('/'), "{url:?} has a path: only http://HOST:PORT can be loaded");
        let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { name, origin, authority, key: key.to_owned(), secret: secret.to_owned() })
    }

    /// A new connection to it.
    pub(super) fn connection(&self) -> Connection {
        Connection::new(&self.authority)
    }

    /// Makes what the phases need: the bucket. It also shows early that the server is there and takes the key.
    pub(super) async fn prepare(&self, arguments: &Arguments) -> Result<()> {
        if !arguments.phases.iter().any(|phase| phase.is_s3()) {
            return Ok(());
        }
        let path = format!("/{}", arguments.bucket);
        let head = self.s3(Method::HEAD, &path, Payload::empty(), Hash::Unsigned)?;
        if self.connection().send(head, StatusCode::OK).await.is_ok() {
            return Ok(());
        }
        let create = self.s3(Method::PUT, &path, Payload::empty(), Hash::Unsigned)?;
        self.connection().send(create, StatusCode::OK).await.context("the bucket cannot be made")?;
        Ok(())
    }

    /// An S3 request of `path`, which is encoded already, query included.
    pub(super) fn s3(&self, method: Method, path: &str, body: Payload, hash: Hash) -> Result<Request<Payload>> {
        let mut request = self.request(method, path, body)?;
        if !self.key.is_empty() {
            signature::add(&mut request, &self.origin, &self.key, &self.secret, hash)?;
        }
        Ok(request)
    }

    /// An OCI request of `path`.
    pub(super) fn oci(&self, method: Method, path: &str, body: Payload) -> Result<Request<Payload>> {
        let mut request = self.request(method, path, body)?;
        if request.body().len() > 0 {
            let kind = HeaderValue::from_static("application/octet-stream");
            request.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        if !self.key.is_empty() {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.key, self.secret));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// The path of a `Location`, which may be a whole URL of this server.
    pub(super) fn path_of<'a>(&self, location: &'a str) -> Result<&'a str> {
        let path = location.strip_prefix(&self.origin).unwrap_or(location);
        ensure!(path.starts_with('/'), "the server sends uploads elsewhere: {location}");
        Ok(path)
    }

    fn request(&self, method: Method, path: &str, body: Payload) -> Result<Request<Payload>> {
        let sends = matches!(method, Method::PUT | Method::POST | Method::PATCH);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        if sends {
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        Ok(request.body(body)?)
    }
}

impl Phase {
    /// Whether it needs a bucket.
    fn is_s3(self) -> bool {
        !matches!(self, Self::Push | Self::Pull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target> {
        Target::new("A", url, "key", "secret")
    }

    #[test]
    fn only_a_plain_http_url_of_a_host_is_a_target() {
        assert_eq!(target("http://127.0.0.1:9800/").unwrap().authority, "127.0.0.1:9800");
        assert_eq!(target("http://localhost").unwrap().authority, "localhost:80");
        assert!(target("https://127.0.0.1:9800").is_err());
        assert!(target("http://127.0.0.1:9800/bucket").is_err());
    }

    #[test]
    fn an_upload_location_may_be_a_path_or_a_url_of_the_same_server() {
        let target = target("http://127.0.0.1:9800").unwrap();
        assert_eq!(target.path_of("/v2/x/1").unwrap(), "/v2/x/1");
        assert_eq!(target.path_of("http://127.0.0.1:9800/v2/x/1").unwrap(), "/v2/x/1");
        assert!(target.path_of("http://elsewhere/v2/x/1").is_err());
    }

    #[test]
    fn oci_requests_carry_the_key_as_basic_credentials() {
        let request = target("http://127.0.0.1:9800").unwrap().oci(Method::GET, "/v2/", Payload::empty()).unwrap();
        assert_eq!(request.headers()["authorization"], "Basic a2V5OnNlY3JldA==");
    }
}
