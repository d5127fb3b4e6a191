//! What a request shows the registry: nothing, a user and a password, or a token of its own for its one repository.
//!
//! Tokens are signed with a key that serves nothing else, are good for a minute and a half, and name what the request may do there
//! (distribution, "Docker Registry v2 Bearer token specification"). So a Zot that believes this key serves the sidecar alone.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::sync::Cache;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::config;
use crate::error::{Error, Result};

/// Seconds that a token is good, and by which clocks may differ.
const LIFETIME: i64 = 90;
const SKEW: i64 = 30;

/// How long a token is used again, and how many are kept.
const REUSED: Duration = Duration::from_secs(30);
const KEPT: u64 = 10_000;

/// The SubjectPublicKeyInfo of an Ed25519 key, up to the key (RFC 8410, section 4).
const PUBLIC_KEY_START: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What requests show.
#[derive(Clone)]
pub(super) enum Credentials {
    Nothing,
    Basic(HeaderValue),
    Token(Arc<TokenSigner>),
}

/// Signs tokens.
pub(super) struct TokenSigner {
    key: EncodingKey,
    config: config::StoreToken,
    signed: Cache<String, HeaderValue>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    access: Vec<Access<'a>>,
}

#[derive(Serialize)]
struct Access<'a> {
    r#type: &'static str,
    name: &'a str,
    actions: &'static [&'static str],
}

impl Credentials {
    /// By configuration; the key is read now.
    pub(super) fn new(config: &config::Store) -> Result<Self> {
        match (&config.username, &config.token.key_file) {
            (None, None) => Ok(Self::Nothing),
            (Some(user), None) => basic(user, config.password.as_ref().map_or("", config::Secret::expose)),
            (None, Some(path)) => {
                let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("store.token.key_file: {error}"));
                let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
                let key =
                    EncodingKey::from_ed_pem(&pem).map_err(|_| wrong(&"it holds no Ed25519 private key in PKCS#8"))?;
                let signed = Cache::builder().max_capacity(KEPT).time_to_live(REUSED).build();
                Ok(Self::Token(Arc::new(TokenSigner { key, config: config.token.clone(), signed })))
            }
            (Some(_), Some(_)) => Err(Error::internal("give one of store.username and store.token.key_file")),
        }
    }

    /// The `Authorization` of a request with this path and query.
    pub(super) fn header(&self, method: &Method, target: &str) -> Result<Option<HeaderValue>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Basic(value) => Ok(Some(value.clone())),
            Self::Token(signer) => signer.header(method, target).map(Some),
        }
    }
}

impl TokenSigner {
    fn header(&self, method: &Method, target: &str) -> Result<HeaderValue> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let name = repository(path);
        let mounted = url::form_urlencoded::parse(query.as_bytes()).find(|(parameter, _)| parameter == "from");
        let from = mounted.map(|(_, from)| from.into_owned());
        let actions = actions(method);
        let known =
            format!("{} {} {}", actions.join(","), name.unwrap_or_default(), from.as_deref().unwrap_or_default());
        self.signed
            .try_get_with(known, || self.sign(name, actions, from.as_deref()))
            .map_err(|error| Error::internal(&*error))
    }

    fn sign(&self, name: Option<&str>, actions: &'static [&'static str], from: Option<&str>) -> Result<HeaderValue> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let repository = |name, actions| Access { r#type: "repository", name, actions };
        let mut access = match name {
            Some(name) => vec![repository(name, actions)],
            // The catalog: Zot asks for a repository without a name.
            None => vec![repository("", &["pull"]), Access { r#type: "registry", name: "catalog", actions: &["*"] }],
        };
        access.extend(from.map(|from| repository(from, &["pull"])));
        let claims = Claims {
            iss: &self.config.issuer,
            sub: "zas-proxy",
            aud: &self.config.service,
            iat: now - SKEW,
            nbf: now - SKEW,
            exp: now + LIFETIME,
            jti: Uuid::new_v4(),
            access,
        };
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.key).map_err(Error::internal)?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(Error::internal)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What a method asks of a repository, as registries understand it. Who pushes asks first what is there.
fn actions(method: &Method) -> &'static [&'static str] {
    match *method {
        Method::GET | Method::HEAD => &["pull"],
        Method::DELETE => &["delete"],
        _ => &["pull", "push"],
    }
}

/// The repository in a path of the distribution API; read from the end, for names may hold any of its words.
fn repository(path: &str) -> Option<&str> {
    let path = path.strip_prefix("/v2/")?;
    let segments: Vec<&str> = path.split('/').collect();
    let ends = match segments.as_slice() {
        [_, .., "tags", "list"] => 2,
        [_, .., "blobs", "uploads", _] => 3,
        [_, .., "manifests" | "blobs" | "referrers", _] => 2,
        _ => return None,
    };
    let length: usize = segments.iter().rev().take(ends).map(|segment| segment.len() + 1).sum();
    path.get(..path.len().checked_sub(length)?).filter(|name| !name.is_empty())
}

fn basic(user: &str, password: &str) -> Result<Credentials> {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .map_err(|_| Error::internal("store.username or store.password cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Credentials::Basic(value))
}

/// The public key of a private one (PEM, PKCS#8), as PEM: what the registry is given to believe our tokens.
///
/// # Errors
/// The text holds no Ed25519 private key.
pub fn public_key(private: &str) -> Result<String> {
    let wrong = || Error::internal("there is no Ed25519 private key in PKCS#8");
    let body: String = private.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).map_err(|_| wrong())?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| wrong())?;
    let der = [&PUBLIC_KEY_START[..], pair.public_key().as_ref()].concat();
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::generate_key;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::{Value, json};

    fn token(method: &Method, target: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let pem = generate_key().unwrap();
        std::fs::write(&path, &pem).unwrap();
        let mut config = config::Store::default();
        config.token.key_file = Some(path);
        let credentials = Credentials::new(&config).unwrap();
        let header = credentials.header(method, target).unwrap().unwrap();
        assert!(header.is_sensitive());
        assert_eq!(credentials.header(method, target).unwrap().unwrap(), header, "used again");
        let token = header.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let key = DecodingKey::from_ed_pem(public_key(&pem).unwrap().as_bytes()).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["zot"]);
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims
    }

    #[test]
    fn a_token_is_for_the_requests_repository_and_for_what_it_does_there() {
        let claims = token(&Method::GET, "/v2/s3/b/0a/blobs/sha256:0");
        assert_eq!(claims["access"], json!([{"type": "repository", "name": "s3/b/0a", "actions": ["pull"]}]));
        assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= LIFETIME + SKEW);
        let claims = token(&Method::POST, "/v2/a/blobs/uploads/?mount=sha256:0&from=c%2Fd");
        assert_eq!(claims["access"][0]["actions"], json!(["pull", "push"]));
        assert_eq!(claims["access"][1], json!({"type": "repository", "name": "c/d", "actions": ["pull"]}));
        assert_eq!(token(&Method::DELETE, "/v2/a/manifests/x")["access"][0]["actions"], json!(["delete"]));
    }

    #[test]
    fn the_repository_is_what_stands_before_the_routes_own_words() {
        for (path, name) in [
            ("/v2/a/tags/list", Some("a")),
            ("/v2/a/blobs/b/blobs/uploads/", Some("a/blobs/b")),
            ("/v2/a/blobs/uploads/id", Some("a")),
            ("/v2/manifests/manifests/x", Some("manifests")),
            ("/v2/a/b/referrers/sha256:0", Some("a/b")),
            ("/v2/_catalog", None),
            ("/v2/", None),
            ("/v2/blobs/x", None),
        ] {
            assert_eq!(repository(path), name, "{path}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "nonsense").unwrap();
        let mut config = config::Store::default();
        config.token.key_file = Some(path);
        let error = Credentials::new(&config).err().unwrap();
        assert!(error.for_operator().contains("store.token.key_file"), "{error:?}");
        config.username = Some("user".into());
        assert!(Credentials::new(&config).err().unwrap().for_operator().contains("give one of"));
        assert!(public_key("nonsense").is_err());
    }
}
