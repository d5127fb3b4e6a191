//! What is revoked takes along the registry tokens that were made from it, on every replica.

use time::OffsetDateTime;
use zas_proxy::index::RevocationKind;

use super::*;

impl World {
    /// Another process on the same database.
    async fn replica(&self) -> Arc<App> {
        let app = App::new(self.app.config.clone(), Vec::new()).unwrap();
        hear(&app).await;
        app.authority.policies().refresh(&app.index).await.unwrap();
        app
    }

    async fn revoke(&self, kind: RevocationKind, value: &str) {
        let end = OffsetDateTime::now_utc() + time::Duration::HOUR;
        self.app.index.revoke(kind, value, end, "lost laptop", "test", &[]).await.unwrap();
    }

    /// A registry token for what these credentials are good for.
    async fn registry_token(&self, user: &str, password: &str) -> String {
        let (status, answer) = self.login(user, password, &["repository:a:pull"]).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }
}

/// What the feed does, at the latest after two seconds.
async fn hear(app: &App) {
    app.identity.revocations().unwrap().refresh(&app.index).await.unwrap();
}

#[tokio::test]
async fn a_registry_token_is_dead_with_the_token_the_login_or_the_person_that_it_was_made_from() {
    let world = World::new().await;
    world.allow(&json!("oci:*"), "*").await;
    let replicas = [Arc::clone(&world.app), world.replica().await];
    let issued_at = OffsetDateTime::now_utc().unix_timestamp() - 5;
    let spared = world.issuer.token("dave", &json!({"jti": "of-dave", "sid": "of-dave", "iat": issued_at})).unwrap();
    let spared = world.registry_token("dave", &spared).await;
    for (who, kind, value) in [
        ("alice", RevocationKind::Subject, "kc/id-of-alice"),
        ("bob", RevocationKind::Token, "kc/of-bob"),
        ("carol", RevocationKind::Login, "kc/of-carol"),
    ] {
        let id = format!("of-{who}");
        let jwt = world.issuer.token(who, &json!({"jti": id, "sid": id, "iat": issued_at})).unwrap();
        let token = world.registry_token(who, &jwt).await;
        for app in &replicas {
            assert_eq!(shown_at(app, "GET", "/v2/a/manifests/v1", &token).await, THROUGH, "{who}");
        }
        world.revoke(kind, value).await;
        for app in &replicas {
            hear(app).await;
            assert_eq!(shown_at(app, "GET", "/v2/a/manifests/v1", &token).await, Code::BearerTokenRejected, "{who}");
            assert_eq!(shown_at(app, "GET", "/v2/", &token).await, Code::BearerTokenRejected, "{who}");
            assert_eq!(shown_at(app, "GET", "/v2/a/manifests/v1", &spared).await, THROUGH, "beside {who}");
        }
        assert_eq!(world.login(who, &jwt, &[]).await.0, StatusCode::UNAUTHORIZED, "{who} gets another one");
    }
}

#[tokio::test]
async fn a_registry_token_of_a_persons_access_key_is_dead_with_the_person() {
    let world = World::new().await;
    world.allow(&json!("oci:*"), "*").await;
    let replica = world.replica().await;
    let new = NewKey {
        owner: "kc/id-of-alice".into(),
        name: "alice".into(),
        issuer: "kc".into(),
        groups: vec!["/staff".into()],
        created_by: "alice".into(),
        ..NewKey::default()
    };
    let made = world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap();
    let id = made.key.id.as_str();
    let token = world.registry_token(id, made.secret.expose()).await;
    for app in [&world.app, &replica] {
        assert_eq!(shown_at(app, "GET", "/v2/a/manifests/v1", &token).await, THROUGH);
    }
    world.revoke(RevocationKind::Subject, "kc/id-of-alice").await;
    for app in [&world.app, &replica] {
        // What the feed does, at the latest after five seconds.
        app.identity.stored().unwrap().forget(id).await;
        assert_eq!(shown_at(app, "GET", "/v2/a/manifests/v1", &token).await, Code::BearerTokenRejected);
    }
}

#[tokio::test]
async fn where_it_is_not_known_what_was_revoked_no_persons_registry_token_is_taken() {
    let world = World::new().await;
    world.allow(&json!("oci:*"), "*").await;
    let jwt = world.issuer.token("alice", &Value::Null).unwrap();
    let token = world.registry_token("alice", &jwt).await;
    let deaf = App::new(world.app.config.clone(), Vec::new()).unwrap();
    deaf.authority.policies().refresh(&deaf.index).await.unwrap();
    assert_eq!(shown_at(&deaf, "GET", "/v2/a/manifests/v1", &token).await, Code::IndexUnavailable);
    hear(&deaf).await;
    assert_eq!(shown_at(&deaf, "GET", "/v2/a/manifests/v1", &token).await, THROUGH);
}
