//! The spine: which door a request knocks at, and what answers it.
//!
//! Route, authenticate, authorise, dispatch. OCI requests are planned here and forwarded by the listener; everything
//! else is answered by a function of the request, with no socket in sight.

mod access_log;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tracing::Instrument;

use crate::admin::Api;
use crate::app::App;
use crate::audit::{self, Decided, Kind, Record};
use crate::error::{self, Code, Error, RequestId};
use crate::listener::{Gateway, Routed, Summary};
use crate::rest::{self, Exposure};
use crate::{logout, oci, s3, sts, telemetry};

/// What can go wrong with a body on its way.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request's or a response's body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What is known of a request besides what the client said; travels in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's id.
    pub request_id: RequestId,
    /// The client's address.
    pub peer: Option<std::net::SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// What the request turned out to ask for, such as `PutObject`: set once by whoever finds out, for metrics and logs.
    pub operation: Arc<OnceLock<&'static str>>,
}

/// Who answers a path (design: one port, four APIs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `/v2` and below: the OCI distribution API, forwarded.
    Oci,
    /// `/-/` and below: probes, metrics, management.
    Rest,
    /// `/-/token`: tokens for clients of the registry.
    Token,
    /// `/-/backchannel-logout`: issuers say who has logged out.
    Logout,
    /// `POST /`: AWS STS.
    Sts,
    /// Everything else: S3.
    S3,
}

impl Door {
    /// The door of a raw request path, where the host is not a bucket's.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Self {
        if path == "/v2" || path.starts_with("/v2/") {
            Self::Oci
        } else if path == oci::TOKEN_PATH {
            Self::Token
        } else if path == logout::PATH {
            Self::Logout
        } else if path == "/-" || path.starts_with("/-/") {
            Self::Rest
        } else if sts::owns(method, path) {
            Self::Sts
        } else {
            Self::S3
        }
    }
}

/// What stands between the listener and the doors.
pub struct Gate {
    app: Arc<App>,
    s3: s3::Service,
    sts: sts::Service,
    admin: Api,
    domains: s3::Domains,
    exposure: Exposure,
}

impl Gate {
    /// All doors, for everybody.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let domains = s3::Domains::new(&app.config.s3.domains);
        Self {
            s3: s3::service(app.clone()),
            sts: sts::service(app.clone()),
            admin: Api::new(app.clone()),
            domains,
            app,
            exposure: Exposure::Public,
        }
    }

    /// `/-/` only, for operators.
    #[must_use]
    pub fn probes_and_metrics(app: Arc<App>) -> Self {
        Self { exposure: Exposure::Operators, ..Self::new(app) }
    }

    /// On the host of a bucket every path is a key, `/v2/x` and `/-/x` too.
    fn door(&self, parts: &Parts) -> Door {
        let header = || parts.headers.get(header::HOST)?.to_str().ok();
        // HTTP/2 has it in the request target.
        let host = header().or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        if host.is_some_and(|host| self.domains.is_bucket(host)) {
            Door::S3
        } else {
            Door::of(&parts.method, parts.uri.path())
        }
    }

    /// Whether the address of a request is listened to; and for tokens and sessions, whether it asks too often.
    fn check_rates(&self, door: Door, context: &RequestContext) -> Result<(), Error> {
        let Some(peer) = context.peer else { return Ok(()) };
        self.app.rates.check_address(peer.ip())?;
        match door {
            Door::Token | Door::Sts | Door::Logout => self.app.rates.check_token_request(peer.ip()),
            Door::Oci | Door::Rest | Door::S3 => Ok(()),
        }
    }

    /// Counts wrong credentials by address, and puts them on record. That the rate keeps a flood out of the log is why they may be.
    ///
    /// # Errors
    /// `SlowDown` where that takes too long: nothing else may be answered then.
    async fn note_failure(
        &self,
        api: audit::Api,
        code: Code,
        shown: &Shown,
        context: &RequestContext,
    ) -> Result<(), Error> {
        // Whoever shows nothing has not failed: clients ask so what is wanted.
        if !is_wrong_credential(code) || (code == Code::Unauthenticated && !shown.has_authorization) {
            return Ok(());
        }
        let address = context.peer.map(|peer| peer.ip());
        if let Some(address) = address {
            self.app.rates.failed(address);
        }
        let user_agent = shown.user_agent.as_ref().and_then(|value| value.to_str().ok());
        let record = Record::new(Kind::Login)
            .api(api)
            .request(context.request_id.as_str())
            .client(address, user_agent, context.secure)
            .decided(&Decided::default())
            .answered(code.row().status, Some(code));
        self.app.journal.record(record).await
    }

    async fn answer_rest(&self, parts: &Parts, context: &RequestContext) -> Routed {
        let label = rest::operation(parts.uri.path());
        let response = match rest::answer(&self.app, parts, context, self.exposure).await {
            Ok(response) => response,
            Err(error) => refuse(&error, label, context, error::our_json(&error, &context.request_id)),
        };
        Routed::Respond { response: Box::new(response), label }
    }

    async fn serve_s3(&self, request: Request<Body>) -> Response<Body> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let response = s3::call(&self.s3, request).await;
        if let (Some(context), Some(name)) = (context, response.extensions().get::<s3::OperationName>()) {
            let _ = context.operation.set(name.0);
        }
        response
    }

    async fn answer_oci(&self, parts: &Parts, context: &RequestContext) -> Routed {
        match oci::route(&self.app, parts, context).await {
            Ok(routed) => routed,
            Err(error) => {
                let shown = Shown::of(parts);
                let noted = self.note_failure(audit::Api::Oci, error.code(), &shown, context).await;
                let error = noted.err().unwrap_or(error);
                let label = oci::operation(parts);
                let response = refuse(&error, label, context, oci::refusal(&self.app.config, parts, context, &error));
                Routed::Respond { response: Box::new(response), label }
            }
        }
    }
}

/// What is kept of a request's header until it is known whether its credentials were wrong.
struct Shown {
    has_authorization: bool,
    user_agent: Option<HeaderValue>,
    target: Uri,
}

impl Shown {
    fn of(parts: &Parts) -> Self {
        let headers = &parts.headers;
        let has_authorization = headers.contains_key(header::AUTHORIZATION);
        let user_agent = headers.get(header::USER_AGENT).cloned();
        Self { has_authorization, user_agent, target: parts.uri.clone() }
    }
}

/// Whether a refusal is for credentials that are wrong, not for such as are missing or late. A key that nobody knows yet may be new;
/// most are made up, so that whoever floods us with them is not listened to either.
const fn is_wrong_credential(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::InvalidAccessKeyId
            | Code::SignatureDoesNotMatch
            | Code::InvalidToken
            | Code::BearerTokenRejected
            | Code::TokenKeyUnknown
    )
}

/// The largest body on the wire for an object of `bytes`: signed chunks add their signatures to it. The object itself is
/// held to its own limit by S3.
const fn framed_limit(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 16).saturating_add(64 * 1024)
}

/// Logs and counts an error on its way to the client.
fn refuse(error: &Error, operation: &str, context: &RequestContext, response: Response<Bytes>) -> Response<Bytes> {
    error.log(context.request_id.as_str(), operation);
    telemetry::error(error.code());
    response
}

#[async_trait]
impl Gateway for Gate {
    async fn route(&self, parts: &Parts, context: &RequestContext) -> Routed {
        let door = self.door(parts);
        // Probes are answered whoever asks.
        let is_probe = door == Door::Rest && !Api::owns(parts.uri.path());
        if !is_probe && let Err(error) = self.check_rates(door, context) {
            let response =
                refuse(&error, "unrouted", context, refusal_at(door, &error, parts.uri.path(), &context.request_id));
            return Routed::Respond { response: Box::new(response), label: "Unknown" };
        }
        match door {
            Door::Rest if self.exposure == Exposure::Public && Api::owns(parts.uri.path()) => {
                let body_limit = Api::body_limit(parts.uri.path(), &self.app.config);
                Routed::Serve { body_limit, label: "Unknown" }
            }
            Door::Rest => self.answer_rest(parts, context).await,
            _ if self.exposure == Exposure::Operators => self.answer_rest(parts, context).await,
            Door::Oci => self.answer_oci(parts, context).await,
            Door::Sts | Door::Token | Door::Logout => {
                Routed::Serve { body_limit: self.app.config.limits.document_bytes.as_u64(), label: "Unknown" }
            }
            Door::S3 => Routed::Serve {
                body_limit: framed_limit(self.app.config.limits.object_bytes.as_u64()),
                label: "Unknown",
            },
        }
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (door, shown) = (self.door(&parts), Shown::of(&parts));
        let request = Request::from_parts(parts, body);
        let route = match door {
            Door::Rest => "admin",
            Door::Sts => "sts",
            Door::Token => "token",
            Door::Logout => "logout",
            Door::Oci => "oci",
            Door::S3 => "s3",
        };
        let context = request.extensions().get::<RequestContext>().cloned();
        let span = telemetry::request_span(request.method(), route, request.headers());
        if let Some(context) = request.extensions().get::<RequestContext>() {
            telemetry::record_request_id(&span, &context.request_id);
        }
        async {
            let response = match door {
                Door::Rest => self.admin.call(request).await,
                Door::Sts => sts::call(self.sts.clone(), request).await,
                Door::Token => oci::issue_token(Arc::clone(&self.app), request).await,
                Door::Logout => logout::call(&self.app, request).await,
                Door::Oci => oci::serve(Arc::clone(&self.app), request).await,
                Door::S3 => self.serve_s3(request).await,
            };
            // Not borrowed while the record is waited for.
            let code = response.extensions().get::<Code>().copied();
            let noted = match (&context, code) {
                (Some(context), Some(code)) => self.note_failure(api_of(door), code, &shown, context).await,
                _ => Ok(()),
            };
            let response = match (noted, &context) {
                (Err(error), Some(context)) => {
                    let answer = refusal_at(door, &error, shown.target.path(), &context.request_id);
                    refuse(&error, route, context, answer).map(full)
                }
                _ => response,
            };
            telemetry::record_status(&tracing::Span::current(), response.status());
            response
        }
        .instrument(span)
        .await
    }

    fn ended(&self, summary: &Summary) {
        access_log::write(summary);
    }
}

/// An error as the clients of a door read it.
fn refusal_at(door: Door, error: &Error, path: &str, id: &RequestId) -> Response<Bytes> {
    match door {
        Door::Oci | Door::Token => error::oci_json(error, id),
        Door::Rest | Door::Logout => error::our_json(error, id),
        Door::S3 | Door::Sts => error::s3_xml(error, path, id),
    }
}

const fn api_of(door: Door) -> audit::Api {
    match door {
        Door::Rest | Door::Logout => audit::Api::Rest,
        Door::Sts => audit::Api::Sts,
        Door::Oci | Door::Token => audit::Api::Oci,
        Door::S3 => audit::Api::S3,
    }
}

/// A body that is held whole.
#[must_use]
pub fn full(bytes: Bytes) -> Body {
    http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secret};

    #[tokio::test]
    async fn on_the_host_of_a_bucket_every_path_is_a_key() {
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://zas@127.0.0.1:1/zas");
        config.s3.domains = vec!["s3.example.com".to_owned()];
        let gate = Gate::new(App::new(config, Vec::new()).unwrap());
        let door = |uri: &str, host: Option<&str>| {
            let mut request = Request::get(uri);
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            gate.door(&request.body(()).unwrap().into_parts().0)
        };
        for path in ["/v2/", "/v2/a/manifests/b", "/-/livez", "/key"] {
            assert_eq!(door(path, Some("photos.s3.example.com:9800")), Door::S3, "{path}");
            assert_eq!(door(&format!("https://photos.s3.example.com{path}"), None), Door::S3, "{path}");
            for host in ["s3.example.com:9800", "10.0.0.7:9800", "photos.example.com"] {
                assert_eq!(door(path, Some(host)), Door::of(&Method::GET, path), "{host} {path}");
            }
        }
    }

    #[test]
    fn paths_go_to_their_doors() {
        for (path, door) in [
            ("/v2", Door::Oci),
            ("/v2/", Door::Oci),
            ("/v2/a/tags/list", Door::Oci),
            ("/v2x/key", Door::S3),
            ("/-/livez", Door::Rest),
            ("/-/token", Door::Token),
            ("/-/backchannel-logout", Door::Logout),
            ("/-x", Door::S3),
            ("/", Door::S3),
            ("/bucket/v2/x", Door::S3),
        ] {
            assert_eq!(Door::of(&Method::GET, path), door, "{path}");
        }
        assert_eq!(Door::of(&Method::POST, "/"), Door::Sts);
    }
}
