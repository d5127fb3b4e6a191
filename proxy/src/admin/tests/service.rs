//! What holds for every operation, and what the service says of itself.

use super::*;

#[tokio::test]
async fn every_described_operation_refuses_whoever_shows_no_right_key() {
    let world = World::new().await;
    let described: Value = serde_json::from_str(&document()).unwrap();
    let mut tried = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path
                .replace("{bucket}", "releases")
                .replace("{policy}", "p")
                .replace("{verification_policy}", "p")
                .replace("{verdict}", "00000000-0000-0000-0000-000000000000")
                .replace("{verification}", "00000000-0000-0000-0000-000000000000")
                .replace("{role}", "r")
                .replace("{event_target}", "t")
                .replace("{signing_key}", "k")
                .replace("{generation}", "1")
                .replace("{trusted_key}", "k")
                .replace("{fingerprint}", &"0".repeat(64))
                .replace("{trusted_identity}", "i")
                .replace("{identity}", &"0".repeat(64))
                .replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
                .replace("{session}", "00000000-0000-0000-0000-000000000000")
                .replace("{access_key}", "ZASKAAAAAAAAAAAAAAAA");
            assert!(!path.contains('{'), "{path}: give the test a value for what stands in the path");
            let method: Method = method.to_uppercase().parse().unwrap();
            for secret in [None, Some("another-secret-of-it")] {
                let (status, body) = world.ask_as(secret, method.clone(), &path, r#"{"name":"new"}"#.into()).await;
                assert_eq!((status, &body["type"]), (StatusCode::UNAUTHORIZED, &json!("authentication")), "{path}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 6, "{tried}");
}

#[tokio::test]
async fn what_is_wrong_is_named_by_field() {
    let world = World::new().await;
    let name = "x".repeat(600);
    for (method, path, body, code, field) in [
        (Method::POST, "buckets", r#"{"nam":"x"}"#, "invalid_request", "nam"),
        (Method::POST, "buckets", r#"{"name":7}"#, "invalid_request", "name"),
        (Method::POST, "buckets", "{}", "invalid_request", "name"),
        (Method::POST, "buckets", r#"{"name":"No"}"#, "invalid_bucket_name", "name"),
        (Method::GET, "buckets?limit=0", "", "invalid_argument", "limit"),
        (Method::GET, "buckets?limit=many", "", "invalid_argument", "limit"),
        (Method::GET, "buckets?colour=red", "", "invalid_argument", "colour"),
        (Method::GET, "buckets?prefix=a%00", "", "invalid_argument", "prefix"),
        (Method::GET, &format!("buckets?after={name}"), "", "invalid_argument", "after"),
        (Method::GET, "buckets/a%00", "", "invalid_argument", "bucket"),
        (Method::GET, "buckets/%ff", "", "invalid_argument", "bucket"),
        (Method::GET, "audit", "", "invalid_argument", "from"),
        (Method::GET, "audit?from=yesterday", "", "invalid_argument", "from"),
        (Method::GET, "audit?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "", "invalid_argument", "to"),
        (Method::GET, "audit?from=2020-01-02T00:00:00Z&format=xml", "", "invalid_argument", "format"),
        (Method::GET, "sessions?after=x", "", "invalid_argument", "after"),
        (Method::GET, "sessions/x", "", "invalid_argument", "session"),
        (Method::GET, "revocations?after=x", "", "invalid_argument", "after"),
        (Method::GET, "policies/p/attachments?after=x", "", "invalid_argument", "after"),
        (Method::GET, "policies/p/history?before=x", "", "invalid_argument", "before"),
        (Method::PUT, "policies/p/attachments?kind=team&name=a", "", "invalid_argument", "kind"),
        (Method::PUT, "policies/p/attachments?kind=user", "", "invalid_argument", "name"),
        (Method::PUT, "policies/p", r#"{"document":{},"description":"a\u0000"}"#, "invalid_request", "description"),
        (Method::PUT, "policies/p?dry_run=maybe", r#"{"document":{}}"#, "invalid_argument", "dry_run"),
        (Method::PUT, "roles/r", r#"{"trust_policy":{},"max_session":"long"}"#, "invalid_request", "max_session"),
        (Method::POST, "access-keys", r#"{"name":"a","roles":[1]}"#, "invalid_request", "roles[0]"),
        (Method::POST, "access-keys", r#"{"name":"a","expires_at":"soon"}"#, "invalid_request", "expires_at"),
        (Method::POST, "revocations", r#"{"kind":"subject"}"#, "invalid_request", "value"),
        (Method::POST, "artifacts/sign", r#"{"artifact":"nowhere","key":"k"}"#, "invalid_argument", "artifact"),
        (Method::POST, "artifacts/sign", r#"{"artifact":"s3://b/k\u0000","key":"k"}"#, "invalid_argument", "artifact"),
        (Method::POST, "artifacts/sign", r#"{"artifact":"s3://releases/a"}"#, "invalid_request", "key"),
        (Method::POST, "artifacts/attest", r#"{"artifact":"oci://a"}"#, "invalid_argument", "artifact"),
        (Method::POST, "artifacts/attest", r#"{"artifact":"s3://releases/a"}"#, "invalid_argument", "predicate"),
        (Method::GET, "artifacts/referrers", "", "invalid_argument", "artifact"),
        (Method::GET, "artifacts/referrers?artifact=oci://A:b", "", "invalid_argument", "artifact"),
        (Method::GET, "artifacts/referrers?artifact=s3://b/k&kind=tree", "", "invalid_argument", "kind"),
        (Method::GET, "artifacts/attestations/x?artifact=s3://releases/a", "", "invalid_argument", "digest"),
        (Method::DELETE, "artifacts/attestations/sha256:0", "", "invalid_argument", "artifact"),
        (Method::POST, "authorize/explain", r#"{"principal":{"nam":1}}"#, "invalid_request", "principal.nam"),
    ] {
        let (status, error) = world.ask_as(Some(SECRET), method, &format!("/-/api/v1/{path}"), body.to_owned()).await;
        assert_eq!((status.as_u16(), &error["code"]), (400, &json!(code)), "{path} {body} {error}");
        assert_eq!(error["details"]["field"], json!(field), "{path} {body} {error}");
        assert!(!error["request_id"].as_str().unwrap().is_empty() && error["http_status"] == json!(400));
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_with_what_can_be() {
    let world = World::new().await;
    let root = basic("AKIA", SECRET);
    let root = ("authorization", root.as_str());
    let ask = async |method: Method, path: &str, headers: &[(&str, &str)], body: String| {
        send(&world.api, method, &format!("/-/api/v1/{path}"), headers, body).await
    };
    assert_eq!(ask(Method::GET, "nothing", &[root], String::new()).await.code(), (404, "not_found"));
    let method = ask(Method::PUT, "buckets", &[root], String::new()).await;
    assert_eq!(method.code(), (405, "method_not_allowed"));
    let mut allowed: Vec<&str> = method.header("allow").unwrap().split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    let nobody = ask(Method::GET, "buckets", &[], String::new()).await;
    assert_eq!(nobody.code(), (401, "unauthenticated"));
    assert!(nobody.header("www-authenticate").unwrap().starts_with("Basic realm="));
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(3 << 20));
    let large = ask(Method::POST, "buckets", &[root], large).await;
    assert_eq!((large.code(), &large.body["http_status"]), ((413, "entity_too_large"), &json!(413)));
    let text = Request::post("/-/api/v1/buckets").header("authorization", root.1).header("content-type", "text/plain");
    let response = world.api.call(text.body(full("{}".into())).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let broken = ask(Method::POST, "buckets", &[root], "{".to_owned()).await;
    assert_eq!((broken.code(), &broken.body["details"]["line"]), ((400, "invalid_request"), &json!("1")));
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let world = World::new().await;
    let (status, configuration) = world.ask(Method::GET, "/-/api/v1/configuration", None).await;
    assert_eq!((status, &configuration["access_keys"][0]["id"]), (StatusCode::OK, &json!("AKIA")));
    assert_eq!(configuration["access_keys"][0]["secret"], json!("(hidden)"));
    let text = configuration.to_string();
    assert!(!text.contains(SECRET) && !text.contains("postgres://"), "{text}");
}

#[tokio::test]
async fn the_caller_is_told_who_they_are() {
    let world = World::new().await;
    let (_, caller) = world.ask(Method::GET, "/-/api/v1/whoami", None).await;
    assert_eq!((&caller["principal"], &caller["kind"]), (&json!("root/AKIA"), &json!("root")));
}

#[test]
fn the_checked_in_description_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == document(),
        "docs/openapi.json differs: `cargo run -- openapi > docs/openapi.json` writes it"
    );
}
