//! An issuer for tests: metadata and keys over HTTP, on an address of its own, with keys that rotate and faults on demand; and beside
//! it what a Keycloak says of its people ([`People`]).

mod people;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{Directory, Issuer, IssuerClient, Secret, TokenAlgorithm};
use crate::gateway::BoxError;

pub use people::{CLIENT, CLIENT_SECRET, People, Person};

/// The audience of its tokens.
pub const AUDIENCE: &str = "zas";

/// An issuer that runs until it is dropped.
#[derive(Debug)]
pub struct MockIssuer {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What can be changed while it runs.
#[derive(Debug, Default)]
pub struct Shared {
    keys: Mutex<Vec<SigningKey>>,
    /// Whether every question is answered 503.
    pub is_down: AtomicBool,
    /// Whether the metadata names another issuer.
    pub names_another: AtomicBool,
    /// How often the keys were asked for.
    pub asked: AtomicUsize,
    /// The token without which metadata and keys are not told.
    pub wants: Mutex<Option<String>>,
    /// The tokens that it was shown with questions for metadata and keys.
    pub shown: Mutex<Vec<String>>,
    /// Where the metadata says that the keys are, if not here.
    pub keys_at: Mutex<Option<String>>,
    /// What it says of every token that it is asked about; none: that it is not active.
    told: Mutex<Option<Value>>,
    /// How often it was asked about tokens.
    pub introspected: AtomicUsize,
    /// The people of its directory.
    pub people: People,
    number: AtomicUsize,
}

impl Shared {
    /// What is said of every token from now on; none: that it is not active.
    pub fn tells(&self, claims: Option<Value>) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = claims;
    }
}

#[derive(Debug, Clone)]
struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Jwk,
}

impl Drop for MockIssuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl MockIssuer {
    /// Starts with one ES256 key.
    ///
    /// # Errors
    /// No address, or no key.
    pub async fn start() -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/realms/zas", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        let state = (url.clone(), Arc::clone(&shared));
        let router = Router::new()
            .route("/realms/zas/.well-known/openid-configuration", get(metadata))
            .route("/realms/zas/keys", get(keys))
            .route("/realms/zas/protocol/openid-connect/token/introspect", post(introspect))
            .with_state(state)
            .merge(people::routes(Arc::clone(&shared)));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let issuer = Self { url, shared, serving };
        issuer.rotate(Algorithm::ES256)?;
        Ok(issuer)
    }

    /// Faults and counters.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The issuer, as tokens name it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A configuration for it, with the given prefix.
    #[must_use]
    pub fn config(&self, name: &str, prefix: &str) -> Issuer {
        let text = json!({
            "name": name, "url": self.url, "audiences": [AUDIENCE], "prefix": prefix, "allow_http": true,
            "allowed_networks": ["127.0.0.0/8"], "attributes": {"team": "/team"},
        });
        let mut config: Issuer = serde_json::from_value(text).unwrap_or_else(|_| unreachable_config());
        config.algorithms.push(TokenAlgorithm::RS384);
        config
    }

    /// As [`Self::config`], with its directory watched: every ten seconds.
    #[must_use]
    pub fn config_with_directory(&self, name: &str, prefix: &str) -> Issuer {
        let client = IssuerClient { id: CLIENT.into(), secret: Some(Secret::new(CLIENT_SECRET)), secret_file: None };
        let directory = Directory { interval: std::time::Duration::from_secs(10), ..Directory::default() };
        Issuer { client: Some(client), directory: Some(directory), ..self.config(name, prefix) }
    }

    /// A new key in place of all that there were.
    ///
    /// # Errors
    /// No key of this kind can be made.
    pub fn rotate(&self, algorithm: Algorithm) -> Result<(), BoxError> {
        self.lock().clear();
        self.add(algorithm)
    }

    /// A new key, which signs from now on.
    ///
    /// # Errors
    /// No key of this kind can be made.
    pub fn add(&self, algorithm: Algorithm) -> Result<(), BoxError> {
        let private = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref())
            }
            _ => {
                let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)?;
                let pkcs8 = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)?;
                EncodingKey::from_rsa_der(rsa_private_key(pkcs8.as_ref()).ok_or("not a PKCS#8 key")?)
            }
        };
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        let mut public = Jwk::from_encoding_key(&private, algorithm)?;
        let kid = format!("key-{number}");
        public.common.key_id = Some(kid.clone());
        self.lock().push(SigningKey { kid, algorithm, private, public });
        Ok(())
    }

    /// The public key that signs now, as a JWK.
    #[must_use]
    pub fn public_key(&self) -> Value {
        let key = self.lock().last().map(|key| serde_json::to_value(&key.public).unwrap_or_default());
        key.unwrap_or_default()
    }

    /// Claims of an access token for a user, as Keycloak has them, good for five minutes.
    #[must_use]
    pub fn claims(&self, user: &str) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": self.url, "aud": [AUDIENCE, "account"], "sub": format!("id-of-{user}"), "azp": "cli", "typ": "Bearer",
            "iat": now, "exp": now + 300, "jti": format!("{:016x}", rand::random::<u64>()), "preferred_username": user,
            "realm_access": {"roles": ["user"]}, "groups": ["/staff"],
        })
    }

    /// Signs claims with the newest key; `header` replaces fields of the header.
    ///
    /// # Errors
    /// There is no key.
    pub fn sign(&self, claims: &Value, header: &Value) -> Result<String, BoxError> {
        let key = self.lock().last().cloned().ok_or("no key")?;
        let mut head = serde_json::to_value(Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) })?;
        change(&mut head, header);
        sign_text(&head.to_string(), &claims.to_string(), &key)
    }

    /// As [`Self::sign`], of texts that need not be JSON.
    ///
    /// # Errors
    /// There is no key.
    pub fn sign_raw(&self, header: Option<&str>, claims: &str) -> Result<String, BoxError> {
        let key = self.lock().last().cloned().ok_or("no key")?;
        let own = serde_json::to_string(&Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) })?;
        sign_text(header.unwrap_or(&own), claims, &key)
    }

    /// A good token for a user, with further claims; null takes a claim away.
    ///
    /// # Errors
    /// There is no key.
    pub fn token(&self, user: &str, further: &Value) -> Result<String, BoxError> {
        let mut claims = self.claims(user);
        change(&mut claims, further);
        self.sign(&claims, &Value::Null)
    }

    /// A token that says that a user has logged out of the client `cli`, as Keycloak sends it; `further` and `header` replace
    /// claims and fields of the header, and null takes them away.
    ///
    /// # Errors
    /// There is no key.
    pub fn logout_token(&self, user: &str, further: &Value, header: &Value) -> Result<String, BoxError> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": self.url, "aud": "cli", "sub": format!("id-of-{user}"), "sid": format!("login-of-{user}"), "typ": "Logout",
            "iat": now, "exp": now + 120, "jti": format!("{:016x}", rand::random::<u64>()),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        change(&mut claims, further);
        self.sign(&claims, header)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SigningKey>> {
        self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The configuration above is a constant but for an address: there is no other.
fn unreachable_config() -> Issuer {
    std::process::abort()
}

/// The RSAPrivateKey inside a PKCS#8 document: the last OCTET STRING, which begins after a fixed header (RFC 5208, section 5).
fn rsa_private_key(pkcs8: &[u8]) -> Option<&[u8]> {
    pkcs8.get(26..)
}

/// Replaces fields of an object; null takes one away.
fn change(object: &mut Value, further: &Value) {
    let (Some(object), Some(further)) = (object.as_object_mut(), further.as_object()) else { return };
    for (name, value) in further {
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
}

fn sign_text(header: &str, claims: &str, key: &SigningKey) -> Result<String, BoxError> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.private, key.algorithm)?;
    Ok(format!("{message}.{signature}"))
}

type AppState = (String, Arc<Shared>);

impl Shared {
    /// Whether whoever asks is told; what was shown is noted.
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        lock(&self.shown).extend(shown.map(str::to_owned));
        lock(&self.wants).as_deref().is_none_or(|wanted| shown == Some(wanted))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn metadata(State((url, shared)): State<AppState>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    if shared.is_down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    if !shared.lets_in(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    let keys_at = lock(&shared.keys_at).clone().unwrap_or_else(|| format!("{url}/keys"));
    let issuer = if shared.names_another.load(Ordering::Relaxed) { "https://other.example".to_owned() } else { url };
    // As GitHub and Kubernetes tell it: there is nowhere to log in.
    let metadata = json!({
        "issuer": issuer, "jwks_uri": keys_at, "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    });
    (StatusCode::OK, Json(metadata))
}

async fn keys(State((_, shared)): State<AppState>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    if shared.is_down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    if !shared.lets_in(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    let keys: Vec<Jwk> =
        shared.keys.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|key| key.public.clone()).collect();
    (StatusCode::OK, Json(json!({ "keys": keys })))
}

async fn introspect(State((_, shared)): State<AppState>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    shared.introspected.fetch_add(1, Ordering::Relaxed);
    if shared.is_down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    if !people::is_client(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"})));
    }
    let told = shared.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let answer = match told {
        None => json!({"active": false}),
        Some(mut claims) => {
            change(&mut claims, &json!({"active": true}));
            claims
        }
    };
    (StatusCode::OK, Json(answer))
}
