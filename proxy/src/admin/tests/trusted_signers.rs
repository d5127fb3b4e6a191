//! `/trusted-keys` and `/trusted-identities`: whose signatures count.

use super::*;
use crate::supply_chain::keys::{Algorithm, KeyPair};

const KEYS: &str = "/-/api/v1/trusted-keys";
const IDENTITIES: &str = "/-/api/v1/trusted-identities";
const ISSUER: &str = "https://issuer.example";
const LATER: &str = "2999-01-31T00:00:00Z";

fn public_key() -> String {
    KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().to_pem()
}

impl World {
    /// Makes it be believed; gives what was answered.
    async fn believe(&self, path: &str, body: Value) -> Value {
        let (status, made) = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made
    }

    async fn conditionally(&self, method: Method, path: &str, etag: &str, body: Value) -> Got {
        let root = basic("AKIA", SECRET);
        send(&self.api, method, path, &[("authorization", &root), ("if-match", etag)], body.to_string()).await
    }

    /// How many keys and identities the verifier of this process believes.
    fn revision(&self) -> i64 {
        self.app.trust.current().unwrap().revision
    }
}

/// One of each kind: its place, and a member that says which it is.
async fn one_of_each(world: &World) -> [(&'static str, String, Value); 2] {
    let key = world.believe(KEYS, json!({"name": "acme", "public_key": public_key(), "description": "ACME"})).await;
    let body = json!({"name": "acme", "issuer": ISSUER, "subject": "*@acme.example", "description": "ACME"});
    let identity = world.believe(IDENTITIES, body).await;
    let place = |list: &str, id: &Value| format!("{list}/acme/{}", id.as_str().unwrap());
    [(KEYS, place(KEYS, &key["fingerprint"]), key), (IDENTITIES, place(IDENTITIES, &identity["id"]), identity)]
}

#[tokio::test]
async fn signers_are_added_shown_and_listed_each_kind_by_itself() {
    let world = World::new().await;
    for (list, place, made) in one_of_each(&world).await {
        assert_eq!((&made["name"], &made["created_by"]), (&json!("acme"), &json!("root/AKIA")), "{made}");
        assert_eq!(
            (&made["valid_from"], &made["revoked_at"], &made["version"]),
            (&Value::Null, &Value::Null, &json!(1))
        );
        let (status, shown) = world.ask(Method::GET, &place, None).await;
        assert_eq!((status, &shown), (StatusCode::OK, &made));
        let (_, listed) = world.ask(Method::GET, list, None).await;
        let member = if list == KEYS { "trusted_keys" } else { "trusted_identities" };
        assert_eq!(listed, json!({member: [made], "next": null}));
    }
}

#[tokio::test]
async fn lists_come_page_by_page_and_a_name_may_have_several() {
    let world = World::new().await;
    let mut added = Vec::new();
    for name in ["b", "a", "a", "c"] {
        let made = world.believe(KEYS, json!({"name": name, "public_key": public_key()})).await;
        added.push((name.to_owned(), made["fingerprint"].as_str().unwrap().to_owned()));
        let body = json!({"name": name, "issuer": ISSUER, "subject": format!("{}@acme.example", added.len())});
        world.believe(IDENTITIES, body).await;
    }
    added.sort();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.ask(Method::GET, &format!("{KEYS}?limit=1&after={after}"), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        for key in page["trusted_keys"].as_array().unwrap() {
            let text = |name: &str| key[name].as_str().unwrap().to_owned();
            seen.push((text("name"), text("fingerprint")));
        }
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(seen, added);
    let (_, first) = world.ask(Method::GET, &format!("{IDENTITIES}?limit=3"), None).await;
    let next = first["next"].as_str().unwrap();
    let (_, rest) = world.ask(Method::GET, &format!("{IDENTITIES}?limit=3&after={next}"), None).await;
    assert_eq!((first["trusted_identities"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    assert_eq!(rest["trusted_identities"][0]["name"], json!("c"));
}

#[tokio::test]
async fn a_signer_is_believed_for_a_time_revoked_and_forgotten() {
    let world = World::new().await;
    for (list, place, made) in one_of_each(&world).await {
        let validity = json!({"valid_from": null, "valid_to": LATER});
        let before = world.revision();
        let changed = world.conditionally(Method::PUT, &place, "\"1\"", validity.clone()).await;
        assert_eq!((changed.status, &changed.body["valid_to"]), (StatusCode::OK, &json!(LATER)), "{changed:?}");
        assert!(world.revision() > before, "this process knows at once");
        let stale = world.conditionally(Method::PUT, &place, "\"1\"", validity).await;
        assert_eq!(stale.code(), (412, "precondition_failed"));
        let (status, error) = world.ask(Method::PUT, &place, Some(json!({"valid_to": null}))).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("valid_from")), "{error}");
        let backwards = json!({"valid_from": LATER, "valid_to": "2998-01-31T00:00:00Z"});
        assert_eq!(world.ask(Method::PUT, &place, Some(backwards)).await.0, StatusCode::BAD_REQUEST);

        let (status, revoked) =
            world.ask(Method::POST, &format!("{place}/revoke"), Some(json!({"reason": "sold"}))).await;
        assert_eq!((status, &revoked["reason"]), (StatusCode::OK, &json!("sold")));
        assert!(revoked["revoked_at"].is_string() && revoked["name"] == made["name"]);
        let etag = world.conditionally(Method::DELETE, &place, "\"2\"", Value::Null).await;
        assert_eq!(etag.code(), (412, "precondition_failed"));
        assert_eq!(world.ask(Method::DELETE, &place, None).await.0, StatusCode::NO_CONTENT);
        for method in [Method::GET, Method::DELETE] {
            let (status, error) = world.ask(method, &place, None).await;
            assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")), "{list}");
        }
        assert_eq!(world.ask(Method::POST, &format!("{place}/revoke"), Some(json!({}))).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn signers_that_cannot_be_are_refused_by_field() {
    let world = World::new().await;
    let key = public_key();
    let private = KeyPair::generate(Algorithm::EcdsaP256).unwrap().to_cosign_pem(b"p").unwrap().to_string();
    for (path, body, field) in [
        (KEYS, json!({"name": "acme"}), "public_key"),
        (KEYS, json!({"name": "Acme", "public_key": key}), "name"),
        (KEYS, json!({"name": "acme", "public_key": "none"}), "public_key"),
        (KEYS, json!({"name": "acme", "public_key": private}), "public_key"),
        (KEYS, json!({"name": "acme", "public_key": key, "valid_to": 1}), "valid_to"),
        (IDENTITIES, json!({"name": "acme", "issuer": "issuer.example", "subject": "a"}), "issuer"),
        (IDENTITIES, json!({"name": "acme", "issuer": ISSUER, "subject": ""}), "subject"),
        (IDENTITIES, json!({"name": "acme", "issuer": ISSUER, "subject": "*"}), "subject"),
        (IDENTITIES, json!({"name": "acme", "issuer": ISSUER, "subject": "?*"}), "subject"),
        (IDENTITIES, json!({"name": "acme", "issuer": ISSUER, "subject": "a\u{0}"}), "subject"),
        (IDENTITIES, json!({"name": "", "issuer": ISSUER, "subject": "a"}), "name"),
    ] {
        let (status, error) = world.ask(Method::POST, path, Some(body.clone())).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{body} {error}");
    }
    for after in ["x", "e30", "eyJuYW1lIjoiYSJ9"] {
        let (status, error) = world.ask(Method::GET, &format!("{KEYS}?after={after}"), None).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("after")), "{after}");
    }
    world.believe(KEYS, json!({"name": "acme", "public_key": key})).await;
    let (status, error) = world.ask(Method::POST, KEYS, Some(json!({"name": "other", "public_key": key}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "a key has one name");
}
