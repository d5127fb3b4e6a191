//! An issuer says that somebody has logged out: `/-/backchannel-logout`.

use std::net::SocketAddr;

use http::header;
use zas_proxy::gateway::Gate;
use zas_proxy::listener::{Gateway, Routed};
use zas_proxy::logout;

use super::*;

/// Told of logouts of the client `cli`.
fn hears_of_logouts(issuer: &mut Issuer) {
    issuer.logout_audiences = Some(vec!["cli".to_owned()]);
}

impl World {
    async fn log_out(&self, method: Method, form: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(logout::PATH);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.extension(context(None)).body(full(form.to_owned().into())).unwrap();
        let answer = logout::call(&self.app, request).await;
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn has_logged_out(&self, token: &str) {
        let (status, answer) = self.log_out(Method::POST, &format!("x=y&logout_token={token}")).await;
        assert_eq!((status, answer), (StatusCode::OK, Value::Null));
    }

    async fn records(&self) -> Vec<Value> {
        let pool = self.database.pool().unwrap();
        let read = "SELECT record FROM audit_event WHERE action = 'BackchannelLogout'";
        let rows: Vec<(String,)> = sqlx::query_as(read).fetch_all(&pool).await.unwrap();
        rows.iter().map(|(record,)| serde_json::from_str(record).unwrap()).collect()
    }
}

fn context(peer: Option<SocketAddr>) -> RequestContext {
    RequestContext { request_id: RequestId::generate(), peer, secure: true, operation: Arc::default() }
}

/// Seconds ago, as a token's `iat`.
fn ago(seconds: i64) -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp() - seconds
}

#[tokio::test]
async fn whoever_has_logged_out_has_no_token_any_more_and_keeps_the_access_keys() {
    let world = World::with(hears_of_logouts).await;
    world.allow(&json!("oci:*"), "*").await;
    let jwt = world.issuer.token("alice", &json!({"iat": ago(5)})).unwrap();
    let (_, answer) = world.login("alice", &jwt, &["repository:a:pull"]).await;
    let token = answer["token"].as_str().unwrap();
    let new = NewKey {
        owner: "kc/id-of-alice".into(),
        name: "alice".into(),
        issuer: "kc".into(),
        groups: vec!["/staff".into()],
        created_by: "alice".into(),
        ..NewKey::default()
    };
    let key = world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap();
    let bob = world.issuer.token("bob", &json!({"iat": ago(5)})).unwrap();
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", token).await, THROUGH);

    world.has_logged_out(&world.issuer.logout_token("alice", &Value::Null, &Value::Null).unwrap()).await;
    for dead in [token, &jwt] {
        assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", dead).await, Code::BearerTokenRejected);
    }
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &bob).await, THROUGH);
    let (status, _) = world.login(&key.key.id, key.secret.expose(), &[]).await;
    assert_eq!(status, StatusCode::OK, "to log out is not to leave");
    let records = world.records().await;
    assert_eq!((records.len(), &records[0]["reference"]), (1, &json!("kc/id-of-alice")));
    assert_eq!((&records[0]["issuer"], &records[0]["status"]), (&json!("kc"), &json!(200)));
}

#[tokio::test]
async fn a_logout_that_is_said_again_neither_ends_what_came_later_nor_is_on_record_twice() {
    let world = World::with(hears_of_logouts).await;
    world.allow(&json!("oci:*"), "*").await;
    let logout = world.issuer.logout_token("alice", &json!({"iat": ago(60)}), &Value::Null).unwrap();
    world.has_logged_out(&logout).await;
    let later = world.issuer.token("alice", &json!({"iat": ago(30)})).unwrap();
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &later).await, THROUGH);
    let revision = world.app.index.revocation_revision().await.unwrap();
    world.has_logged_out(&logout).await;
    // Nor does one that was overtaken by another.
    world.has_logged_out(&world.issuer.logout_token("alice", &json!({"iat": ago(90)}), &Value::Null).unwrap()).await;
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &later).await, THROUGH);
    assert_eq!(world.app.index.revocation_revision().await.unwrap(), revision);
    assert_eq!(world.records().await.len(), 1);
    world.has_logged_out(&world.issuer.logout_token("alice", &Value::Null, &Value::Null).unwrap()).await;
    assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", &later).await, Code::BearerTokenRejected);
}

#[tokio::test]
async fn where_a_login_alone_is_named_it_alone_ends() {
    let world = World::with(hears_of_logouts).await;
    world.allow(&json!("oci:*"), "*").await;
    let at = |sid: &str| world.issuer.token("alice", &json!({"sid": sid, "iat": ago(5)})).unwrap();
    let (laptop, phone) = (at("login-of-alice"), at("another"));
    let (_, answer) = world.login("alice", &laptop, &["repository:a:pull"]).await;
    let token = answer["token"].as_str().unwrap();
    world.has_logged_out(&world.issuer.logout_token("alice", &json!({"sub": null}), &Value::Null).unwrap()).await;
    for (shown, code) in
        [(laptop.as_str(), Code::BearerTokenRejected), (token, Code::BearerTokenRejected), (&phone, THROUGH)]
    {
        assert_eq!(world.with_token("GET", "/v2/a/manifests/v1", shown).await, code);
    }
}

#[tokio::test]
async fn what_does_not_log_anybody_out_is_answered_400_as_the_specification_has_it() {
    let world = World::with(hears_of_logouts).await;
    let good = world.issuer.logout_token("alice", &Value::Null, &Value::Null).unwrap();
    let access_token = world.issuer.token("alice", &json!({"aud": "cli"})).unwrap();
    let other = world.issuer.logout_token("alice", &json!({"aud": "zas"}), &Value::Null).unwrap();
    for form in [
        String::new(),
        "logout_token=".to_owned(),
        "logout_token=e.e.e".to_owned(),
        format!("token={good}"),
        format!("logout_token={good}&logout_token={good}"),
        format!("logout_token={access_token}"),
        format!("logout_token={other}"),
        format!("logout_token={}", "a".repeat(70_000)),
    ] {
        let (status, answer) = world.log_out(Method::POST, &form).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "{form:.80}");
        assert!(answer["error_description"].is_string());
    }
    assert_eq!(world.log_out(Method::GET, "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert!(world.records().await.is_empty() && world.app.index.revocations(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_address_that_shows_too_many_wrong_logout_tokens_is_not_listened_to() {
    let world = World::with(hears_of_logouts).await;
    let gate = Gate::new(Arc::clone(&world.app));
    let ask = async || {
        let context = context(Some("192.0.2.7:1000".parse().unwrap()));
        let request = Request::post(logout::PATH).extension(context.clone()).body(full("logout_token=e.e.e".into()));
        let (parts, body) = request.unwrap().into_parts();
        match gate.route(&parts, &context).await {
            Routed::Serve { .. } => gate.serve(Request::from_parts(parts, body)).await.status(),
            Routed::Respond { response, .. } => response.status(),
            Routed::Forward(_) => panic!("nothing of this is for the registry"),
        }
    };
    let mut answers = Vec::new();
    for _ in 0..200 {
        answers.push(ask().await);
    }
    assert_eq!(answers[0], StatusCode::BAD_REQUEST);
    assert_eq!(answers.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
}
