//! How clients of the registry log in: tokens at `/-/token`, and what they are good for at `/v2/`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

mod logout;
mod revoked;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use zas_proxy::app::App;
use zas_proxy::config::{AccessKey, Config, Issuer, RingKey, Secret};
use zas_proxy::error::{Code, RequestId};
use zas_proxy::gateway::{RequestContext, full};
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::identity::{Issued, NewKey, ServiceAccount};
use zas_proxy::index::{AccessKeyChange, Attachment, DocumentKind, NewDocument};
use zas_proxy::oci;
use zas_proxy::postgres::testing::{TestDatabase, database};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SECRET: &str = "0123456789abcdef";

struct World {
    app: Arc<App>,
    issuer: MockIssuer,
    database: TestDatabase,
}

impl World {
    /// With an issuer whose people have no prefix.
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Issuer)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (database, issuer) = (database().await.unwrap(), MockIssuer::start().await.unwrap());
        let mut config = Config::default();
        config.database.url = Secret::new(database.url());
        // Nobody answers there: what is let through ends in a 503, which tells it from what is not.
        config.store.url = "http://127.0.0.1:1".to_owned();
        config.access_keys =
            vec![AccessKey { id: "AKIA".into(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        let secret = Some(Secret::new(zas_proxy::identity::generate_ring_key()));
        config.identity.key_ring = vec![RingKey { id: "test".into(), secret, secret_file: None }];
        let mut believed = issuer.config("kc", "");
        change(&mut believed);
        config.identity.issuers = vec![believed];
        let app = App::new(config, Vec::new()).unwrap();
        app.identity.revocations().unwrap().refresh(&app.index).await.unwrap();
        let world = Self { app, issuer, database };
        world.refresh().await;
        world
    }

    async fn refresh(&self) {
        self.app.authority.policies().refresh(&self.app.index).await.unwrap();
    }

    /// Lets the group `/staff` do something.
    async fn allow(&self, actions: &Value, resource: &str) {
        let document = json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}}).to_string();
        let new = NewDocument {
            kind: DocumentKind::Policy,
            name: "staff",
            document: &document,
            description: "",
            max_session: None,
            expected: None,
            by: "test",
            audit: &[],
        };
        self.app.index.put_policy_document(new).await.unwrap();
        let attachment = Attachment { policy: "staff".into(), target_kind: "group".into(), target: "/staff".into() };
        self.app.index.attach_policy(&attachment, "test", &[]).await.unwrap();
        self.refresh().await;
    }

    async fn service_account(&self) -> Issued {
        let new = NewKey {
            owner: "root/test".into(),
            service_account: Some(ServiceAccount::New),
            name: "service/ci".into(),
            groups: vec!["/staff".into()],
            created_by: "root/test".into(),
            ..NewKey::default()
        };
        self.app.identity.stored().unwrap().create(new, |_| None).await.unwrap()
    }

    async fn token(
        &self,
        method: Method,
        query: &str,
        authorization: Option<String>,
        form: &str,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("/-/token{query}"));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let request = request.body(full(form.to_owned().into())).unwrap();
        let answer = oci::issue_token(Arc::clone(&self.app), request).await;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// A token for these scopes, by GET with a user and a password.
    async fn login(&self, user: &str, password: &str, scopes: &[&str]) -> (StatusCode, Value) {
        let scopes: String = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
        let query = format!("?service=zot-artifact-store{scopes}");
        self.token(Method::GET, &query, Some(basic(user, password)), "").await
    }

    /// What becomes of a request with a token: forwarded (to nobody) or refused.
    async fn with_token(&self, method: &str, target: &str, token: &str) -> Code {
        shown_at(&self.app, method, target, token).await
    }
}

/// As [`World::with_token`], at any replica.
async fn shown_at(app: &Arc<App>, method: &str, target: &str, token: &str) -> Code {
    let request = Request::builder().method(method).uri(target).header("authorization", format!("Bearer {token}"));
    let parts = request.header("host", "store.example").body(()).unwrap().into_parts().0;
    let context =
        RequestContext { request_id: RequestId::generate(), peer: None, secure: true, operation: Arc::default() };
    oci::route(app, &parts, &context).await.map_or_else(|error| error.code(), |_| Code::NotModified)
}

/// What [`World::with_token`] says of a request that is let through.
const THROUGH: Code = Code::NotModified;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_token_is_for_what_the_policy_allows_of_what_was_asked_for() {
    let world = World::new().await;
    world.allow(&json!(["oci:Pull", "oci:Push"]), "team/*").await;
    let jwt = world.issuer.token("alice", &Value::Null).unwrap();
    let scopes = ["repository:team/app:pull,push,delete", "repository:other:pull", "repository:s3/x:pull", "nonsense"];
    let (status, answer) = world.login("alice", &jwt, &scopes).await;
    assert_eq!((status, &answer["token"]), (StatusCode::OK, &answer["access_token"]));
    // A second may have begun since it was made.
    assert!(matches!(answer["expires_in"].as_u64(), Some(298..=300)), "{answer}");
    assert!(answer["issued_at"].as_str().unwrap().ends_with('Z') && answer.get("refresh_token").is_none());
    let token = answer["token"].as_str().unwrap();
    assert_eq!(world.with_token("GET", "/v2/team/app/manifests/v1", token).await, THROUGH);
    assert_eq!(world.with_token("GET", "/v2/", token).await, THROUGH);
    // Who may is sent for another token, who may not is told so.
    for (method, target, code) in [
        ("GET", "/v2/team/other/manifests/v1", Code::InsufficientScope),
        ("POST", "/v2/team/other/blobs/uploads/", Code::InsufficientScope),
        ("DELETE", "/v2/team/app/manifests/v1", Code::AccessDenied),
        ("GET", "/v2/team/app/tags/list", Code::AccessDenied),
        ("GET", "/v2/other/manifests/v1", Code::AccessDenied),
        ("GET", "/v2/_catalog", Code::AccessDenied),
    ] {
        assert_eq!(world.with_token(method, target, token).await, code, "{method} {target}");
    }
    // A mount needs the right to read where the blob is: for that too another token is to be had, where there may be one.
    let mount = |from: &str| format!("/v2/team/app/blobs/uploads/?mount={DIGEST}&from={from}");
    assert_eq!(world.with_token("POST", &mount("team%2Fother"), token).await, Code::InsufficientScope);
    let both = ["repository:team/app:pull,push", "repository:team/other:pull"];
    let (_, answer) = world.login("alice", &jwt, &both).await;
    let with_both = answer["token"].as_str().unwrap();
    // What is let through wants its intent on record, and nobody writes records here.
    assert_eq!(world.with_token("POST", &mount("team%2Fother"), with_both).await, Code::SlowDown);
    // Nothing of what was asked for is no error.
    let (status, none) = world.login("alice", &jwt, &["repository:other:pull"]).await;
    assert_eq!(status, StatusCode::OK);
    let none = none["token"].as_str().unwrap();
    assert_eq!(world.with_token("GET", "/v2/team/app/manifests/v1", none).await, Code::InsufficientScope);
    assert_eq!(world.with_token("GET", "/v2/", none).await, THROUGH);
}

#[tokio::test]
async fn a_policy_that_changes_changes_what_a_token_may_do() {
    let world = World::new().await;
    world.allow(&json!("oci:Pull"), "team/*").await;
    let jwt = world.issuer.token("alice", &Value::Null).unwrap();
    let (_, answer) = world.login("x", &jwt, &["repository:team/app:pull"]).await;
    let token = answer["token"].as_str().unwrap();
    assert_eq!(world.with_token("GET", "/v2/team/app/tags/list", token).await, Code::AccessDenied);
    assert_eq!(world.with_token("GET", "/v2/team/app/manifests/v1", token).await, THROUGH);
    world.allow(&json!("oci:Pull"), "elsewhere/*").await;
    assert_eq!(world.with_token("GET", "/v2/team/app/manifests/v1", token).await, Code::AccessDenied);
}

#[tokio::test]
async fn a_token_shown_at_the_registry_itself_needs_no_exchange() {
    let world = World::new().await;
    world.allow(&json!("oci:*"), "*").await;
    let jwt = world.issuer.token("alice", &Value::Null).unwrap();
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &jwt).await, THROUGH);
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", "ZAT1.test.AAAA").await, Code::BearerTokenRejected);
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", "x").await, Code::BearerTokenRejected);
}

#[tokio::test]
async fn a_key_that_is_disabled_is_dead_with_its_tokens() {
    let world = World::new().await;
    world.allow(&json!("oci:*"), "*").await;
    let made = world.service_account().await;
    let id = made.key.id.as_str();
    let query = "?offline_token=true&scope=repository:a:pull";
    let (status, answer) = world.token(Method::GET, query, Some(basic(id, made.secret.expose())), "").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (token, refresh) = (answer["token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", token).await, THROUGH);
    let form =
        format!("grant_type=refresh_token&service=zot-artifact-store&scope=repository:a:pull&refresh_token={refresh}");
    let (status, again) = world.token(Method::POST, "", None, &form).await;
    assert_eq!((status, &again["scope"]), (StatusCode::OK, &json!("repository:a:pull")));
    assert_eq!(again["refresh_token"].as_str().unwrap(), refresh, "the same one");
    world.app.index.change_access_key(id, AccessKeyChange::Disable, None, &[]).await.unwrap();
    world.app.identity.stored().unwrap().forget(id).await;
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", token).await, Code::BearerTokenRejected);
    assert_eq!(world.token(Method::POST, "", None, &form).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_login_by_form_says_what_it_got_and_a_persons_has_no_refresh_token() {
    let world = World::new().await;
    world.allow(&json!("oci:Pull"), "*").await;
    let jwt = world.issuer.token("alice", &Value::Null).unwrap();
    let form = format!(
        "grant_type=password&service=zot-artifact-store&client_id=cli&access_type=offline&username=alice&password={jwt}&scope=repository:a:pull,push repository:b:pull"
    );
    let (status, answer) = world.token(Method::POST, "", None, &form).await;
    assert_eq!((status, &answer["scope"]), (StatusCode::OK, &json!("repository:a:pull repository:b:pull")));
    assert!(answer.get("refresh_token").is_none(), "nobody stays longer than the issuer's token says");
    let root = format!("grant_type=password&username=AKIA&password={SECRET}&access_type=offline");
    let (status, answer) = world.token(Method::POST, "", None, &root).await;
    assert_eq!((status, answer["refresh_token"].is_string()), (StatusCode::OK, true));
}

#[tokio::test]
async fn a_login_that_ends_within_a_minute_is_told_to_log_in_again() {
    let world = World::new().await;
    world.allow(&json!("oci:Pull"), "*").await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let jwt = world.issuer.token("alice", &json!({ "exp": now + 30 })).unwrap();
    let (status, answer) = world.login("alice", &jwt, &["repository:a:pull"]).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (StatusCode::UNAUTHORIZED, &json!("UNAUTHORIZED")));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("log in again"), "{answer}");
    // What it may it may still do with the token itself.
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &jwt).await, THROUGH);
    let jwt = world.issuer.token("alice", &json!({ "exp": now + 120 })).unwrap();
    let (status, answer) = world.login("alice", &jwt, &["repository:a:pull"]).await;
    let seconds = answer["expires_in"].as_i64().unwrap();
    assert!(status == StatusCode::OK && (60..=120).contains(&seconds), "{status} {answer}");
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_nobody_read_the_same() {
    let world = World::new().await;
    for (user, password) in [("AKIA", "wrong"), ("nobody", "wrong"), ("AKIA", "")] {
        let (status, answer) = world.login(user, password, &[]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["errors"][0]["code"], json!("UNAUTHORIZED"));
        assert_eq!(answer["errors"][0]["message"], json!("Unknown access key or wrong secret."));
    }
    assert_eq!(world.token(Method::GET, "", None, "").await.0, StatusCode::UNAUTHORIZED);
    let (status, _) = world.login("alice", "ey.ey.ey", &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_for_a_token_is_said() {
    let world = World::new().await;
    let root = || Some(basic("AKIA", SECRET));
    let (status, answer) = world.token(Method::GET, "?service=other", root(), "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("zot-artifact-store"));
    for form in ["grant_type=authorization_code", ""] {
        assert_eq!(world.token(Method::POST, "", None, form).await.0, StatusCode::BAD_REQUEST, "{form}");
    }
    let many = format!("?{}", "scope=repository:a:pull&".repeat(65));
    assert_eq!(world.token(Method::GET, &many, root(), "").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(world.token(Method::PUT, "", root(), "").await.0, StatusCode::METHOD_NOT_ALLOWED);
}
