use super::*;
use crate::supply_chain::keys::{Algorithm, KeyPair, PublicKey};

const KEYS: &str = "/-/api/v1/signing-keys";

impl World {
    /// A request of root with these headers.
    async fn keyed(&self, method: Method, path: &str, header: (&str, &str), body: Option<Value>) -> Got {
        let root = basic("AKIA", SECRET);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        send(&self.api, method, path, &[("authorization", &root), header], body).await
    }

    /// Makes a signing key.
    async fn signing_key(&self, body: Value) -> Value {
        let (status, made) = self.ask(Method::POST, KEYS, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made
    }

    async fn change(&self, generation: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::PATCH, &format!("{KEYS}/release/generations/{generation}"), Some(body)).await
    }
}

/// A key as cosign writes it, with its public half.
fn of_cosign(password: &str) -> (String, PublicKey) {
    let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    (pair.to_cosign_pem(password.as_bytes()).unwrap().to_string(), pair.public().clone())
}

#[tokio::test]
async fn a_signing_key_is_made_shown_and_listed_without_its_private_half() {
    let world = World::new().await;
    let body = json!({"name": "release", "usage": "release", "description": "Signs what is released."});
    let made = world.keyed(Method::POST, KEYS, ("accept", "*/*"), Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.header("location"), Some("/-/api/v1/signing-keys/release/generations/1"));
    assert_eq!(made.header("etag"), Some("\"1\""));
    for (field, value) in [
        ("name", json!("release")),
        ("generation", json!(1)),
        ("usage", json!("release")),
        ("algorithm", json!("ecdsa-p256")),
        ("state", json!("active")),
        ("exportable", json!(false)),
        ("created_by", json!("root/AKIA")),
        ("valid_to", Value::Null),
    ] {
        assert_eq!(made.body[field], value, "{field}");
    }
    let key = PublicKey::from_pem(made.body["public_key"].as_str().unwrap()).unwrap();
    assert_eq!(made.body["fingerprint"], json!(key.fingerprint().hex()));
    let named =
        made.body.as_object().unwrap().keys().filter(|name| name.contains("private") || name.contains("sealed"));
    assert_eq!(named.count(), 0);

    world.signing_key(json!({"name": "reports", "usage": "report", "algorithm": "ed25519"})).await;
    let (_, all) = world.ask(Method::GET, &format!("{KEYS}?limit=1"), None).await;
    assert_eq!((&all["signing_keys"], &all["next"]), (&json!([made.body]), &json!("release/1")));
    let (_, rest) = world.ask(Method::GET, &format!("{KEYS}?after=release/1"), None).await;
    assert_eq!((&rest["signing_keys"][0]["name"], &rest["next"]), (&json!("reports"), &Value::Null));
    let (_, shown) = world.ask(Method::GET, &format!("{KEYS}/release"), None).await;
    assert_eq!(shown, json!({"name": "release", "generations": [made.body]}));
}

#[tokio::test]
async fn a_public_key_is_text_that_clients_take_as_a_file() {
    let world = World::new().await;
    let made = world.signing_key(json!({"name": "release", "usage": "release"})).await;
    let request = Request::get(format!("{KEYS}/release/public-key")).header("authorization", basic("AKIA", SECRET));
    let response = world.api.call(request.body(full("".into())).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-pem-file");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(made["public_key"], json!(std::str::from_utf8(&bytes).unwrap()));
    let (status, _) = world.ask(Method::GET, &format!("{KEYS}/release/public-key?generation=2"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    world.change("1", json!({"disabled": true})).await;
    let (status, error) = world.ask(Method::GET, &format!("{KEYS}/release/public-key"), None).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
}

#[tokio::test]
async fn keys_of_cosign_and_of_openssl_are_brought() {
    let world = World::new().await;
    let (pem, public) = of_cosign("a password");
    let brought = json!({"name": "brought", "usage": "release", "private_key": pem, "password": "a password"});
    let made = world.signing_key(brought).await;
    assert_eq!(made["fingerprint"], json!(public.fingerprint().hex()));
    assert_eq!(made["valid_from"], Value::Null, "it may have signed before");

    let wrong = json!({"name": "wrong", "usage": "release", "private_key": pem, "password": "another"});
    let (status, error) = world.ask(Method::POST, KEYS, Some(wrong)).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("private_key")), "{error}");
    assert!(!error.to_string().contains("another") && !error.to_string().contains("BEGIN"), "{error}");
    let twice = json!({"name": "twice", "usage": "release", "private_key": pem, "password": "a password"});
    let (status, error) = world.ask(Method::POST, KEYS, Some(twice)).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "one key has one name");

    for (body, field) in [
        (json!({"name": "a", "usage": "release", "private_key": "none"}), "private_key"),
        (json!({"name": "a", "usage": "release", "private_key": pem, "algorithm": "ed25519"}), "algorithm"),
        (json!({"name": "a", "usage": "release", "password": "x"}), "password"),
        (json!({"name": "A", "usage": "release"}), "name"),
        (json!({"name": "a", "usage": "everything"}), "usage"),
        (json!({"name": "a", "usage": "release", "algorithm": "rsa"}), "algorithm"),
        (json!({"name": "a", "usage": "release", "valid_to": "tomorrow"}), "valid_to"),
        (json!({"name": "a", "usage": "release", "description": "\u{0}"}), "description"),
    ] {
        let (status, error) = world.ask(Method::POST, KEYS, Some(body.clone())).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{body} {error}");
    }
}

#[tokio::test]
async fn a_key_that_follows_signs_and_what_the_one_before_has_signed_is_believed_for_a_while() {
    let world = World::new().await;
    let first = world.signing_key(json!({"name": "release", "usage": "release"})).await;
    let rotate = format!("{KEYS}/release/rotate");
    let stale = world.keyed(Method::POST, &rotate, ("if-match", "\"7\""), Some(json!({}))).await;
    assert_eq!(stale.code(), (412, "precondition_failed"));
    let ends = "2999-01-31T00:00:00Z";
    let second = world.keyed(Method::POST, &rotate, ("if-match", "\"1\""), Some(json!({"overlap_ends": ends}))).await;
    assert_eq!((second.status, &second.body["generation"]), (StatusCode::CREATED, &json!(2)), "{second:?}");
    assert_ne!(second.body["public_key"], first["public_key"]);
    let (_, shown) = world.ask(Method::GET, &format!("{KEYS}/release"), None).await;
    let states: Vec<&Value> = shown["generations"].as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, [&json!("retiring"), &json!("active")]);
    assert_eq!(shown["generations"][0]["valid_to"], json!(ends));
    assert_eq!(world.app.signing_keys().unwrap().active("release").await.unwrap().generation(), 2);

    let (status, error) = world.ask(Method::POST, &format!("{KEYS}/none/rotate"), Some(json!({}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
    let (pem, public) = of_cosign("p");
    let (status, third) = world.ask(Method::POST, &rotate, Some(json!({"private_key": pem, "password": "p"}))).await;
    assert_eq!((status, &third["fingerprint"]), (StatusCode::CREATED, &json!(public.fingerprint().hex())));
}

#[tokio::test]
async fn a_key_is_disabled_enabled_ended_and_revoked() {
    let world = World::new().await;
    world.signing_key(json!({"name": "release", "usage": "release"})).await;
    let signs = async || world.app.signing_keys().unwrap().active("release").await.is_ok();
    assert!(signs().await);
    let (status, off) = world.change("1", json!({"disabled": true, "reason": "seen in a log"})).await;
    assert_eq!((status, &off["state"], &off["reason"]), (StatusCode::OK, &json!("disabled"), &json!("seen in a log")));
    assert!(!signs().await);
    let (_, on) = world.change("1", json!({"disabled": false})).await;
    assert_eq!((&on["state"], signs().await), (&json!("active"), true));
    let (_, ended) = world.change("1", json!({"valid_to": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(ended["valid_to"], json!("2999-01-01T00:00:00Z"));
    let (_, endless) = world.change("1", json!({"valid_to": null})).await;
    assert_eq!(endless["valid_to"], Value::Null);
    for body in [json!({}), json!({"disabled": true, "valid_to": null}), json!({"reason": "no change"})] {
        let (status, error) = world.change("1", body).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("disabled")));
    }
    for number in ["0", "-1", "one", "2147483648"] {
        let (status, error) = world.change(number, json!({"disabled": true})).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("generation")), "{number}");
    }
    assert_eq!(world.change("2", json!({"disabled": true})).await.0, StatusCode::NOT_FOUND);

    let path = format!("{KEYS}/release/generations/1");
    let stale = world.keyed(Method::PATCH, &path, ("if-match", "\"1\""), Some(json!({"disabled": true}))).await;
    assert_eq!(stale.code(), (412, "precondition_failed"));
    let (status, revoked) = world.ask(Method::POST, &format!("{path}/revoke"), Some(json!({"reason": "stolen"}))).await;
    assert_eq!((status, &revoked["state"]), (StatusCode::OK, &json!("revoked")));
    assert!(!signs().await);
    assert!(world.change("1", json!({"disabled": false})).await.0.is_client_error(), "it does not come back");
}

#[tokio::test]
async fn a_private_key_is_taken_out_where_it_was_made_for_that_and_only_encrypted() {
    let world = World::new().await;
    let made = world.signing_key(json!({"name": "out", "usage": "release", "exportable": true})).await;
    world.signing_key(json!({"name": "in", "usage": "release"})).await;
    let export = async |name: &str, password: &str| {
        let path = format!("{KEYS}/{name}/generations/1/export");
        world.ask(Method::POST, &path, Some(json!({"password": password}))).await
    };
    let (status, taken) = export("out", "a long password").await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    let pem = taken["private_key"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"), "{pem}");
    assert!(KeyPair::from_pem(pem, b"another password").is_err());
    let pair = KeyPair::from_pem(pem, b"a long password").unwrap();
    assert_eq!(made["public_key"], json!(pair.public().to_pem()));
    let (_, shown) = world.ask(Method::GET, &format!("{KEYS}/out/generations/1"), None).await;
    assert!(shown["exported_at"].is_string());
    assert_eq!(export("out", "short").await.0, StatusCode::BAD_REQUEST);
    let (status, error) = export("in", "a long password").await;
    assert!(status.is_client_error() && status != StatusCode::NOT_FOUND, "{status} {error}");
    assert_eq!(export("none", "a long password").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_is_asked_for_twice_is_made_once_and_what_was_taken_out_is_kept_sealed() {
    let world = World::new().await;
    let body = json!({"name": "release", "usage": "release", "exportable": true});
    let export = format!("{KEYS}/release/generations/1/export");
    let password = json!({"password": "a long password"});
    for (path, key, body, status) in [(KEYS, "k-1", body, 201), (export.as_str(), "k-2", password, 200)] {
        let first = world.keyed(Method::POST, path, ("idempotency-key", key), Some(body.clone())).await;
        let again = world.keyed(Method::POST, path, ("idempotency-key", key), Some(body)).await;
        assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (status, None), "{path}");
        assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (status, Some("true")), "{path}");
        assert_eq!(again.body, first.body, "{path}");
    }
    let query =
        "SELECT count(*) FILTER (WHERE position('SIGSTORE'::bytea IN answer) > 0), count(*) FROM idempotency_keys";
    let kept: (i64, i64) = sqlx::query_as(query).fetch_one(&world.postgres.pool().unwrap()).await.unwrap();
    assert_eq!(kept, (0, 2));
}

#[tokio::test]
async fn without_a_key_ring_no_key_is_made_and_that_is_said() {
    let world = World::new().await;
    let bare = world.replica(|config| config.identity.key_ring.clear()).await;
    let root = basic("AKIA", SECRET);
    let body = json!({"name": "release", "usage": "release"}).to_string();
    let got = send(&bare, Method::POST, KEYS, &[("authorization", &root)], body).await;
    assert_eq!(got.code(), (501, "not_implemented"), "{got:?}");
    assert!(got.body["message"].as_str().unwrap().contains("key_ring"), "{got:?}");
}

#[tokio::test]
async fn every_change_of_a_key_is_on_record_with_its_name_and_without_what_is_secret() {
    let world = World::new().await;
    let (pem, _) = of_cosign("password-of-the-test");
    world
        .signing_key(
            json!({"name": "release", "usage": "release", "private_key": pem, "password": "password-of-the-test",
            "exportable": true}),
        )
        .await;
    world.change("1", json!({"disabled": true})).await;
    let path = format!("{KEYS}/release/generations/1");
    world.ask(Method::POST, &format!("{path}/export"), Some(json!({"password": "password-to-take-it-out"}))).await;
    world.ask(Method::POST, &format!("{KEYS}/release/rotate"), Some(json!({}))).await;
    world.ask(Method::POST, &format!("{path}/revoke"), Some(json!({}))).await;
    let pool = world.postgres.pool().unwrap();
    let query = "SELECT record FROM audit_event ORDER BY time, id";
    let records: Vec<String> = sqlx::query_scalar(query).fetch_all(&pool).await.unwrap();
    let records: Vec<Value> = records.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let of = |action: &str| records.iter().filter(|record| record.to_string().contains(action)).count();
    for action in ["CreateSigningKey", "UpdateSigningKey", "ExportSigningKey", "RotateSigningKey", "RevokeSigningKey"] {
        assert_eq!(of(&format!("admin:{action}\"")), 1, "{action}: {records:#?}");
    }
    let all = Value::Array(records).to_string();
    assert!(all.contains("release") && !all.contains("password-") && !all.contains("PRIVATE"), "{all}");
}
