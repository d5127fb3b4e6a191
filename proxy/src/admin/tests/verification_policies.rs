//! Verification policies: put, shown, listed and deleted, and what is wrong with them.

use super::*;

const POLICIES: &str = "/-/api/v1/verification-policies";

fn signed_by(signer: &str) -> Value {
    json!({"scope": ["s3://releases/*"], "rules": [{"name": "signed", "signatures": {"signers": [signer]}}]})
}

#[tokio::test]
async fn a_verification_policy_is_put_shown_listed_and_deleted_with_its_history() {
    let world = World::new().await;
    let path = format!("{POLICIES}/release");
    let body = json!({"document": signed_by("key/ci"), "description": "what is released"});
    let (status, tried) = world.ask(Method::PUT, &format!("{path}?dry_run=true"), Some(body.clone())).await;
    assert_eq!((status, &tried["version"]), (StatusCode::OK, &json!(0)));
    assert_eq!(world.ask(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
    let (status, made) = world.ask(Method::PUT, &path, Some(body)).await;
    assert_eq!((status, &made["changed_by"]), (StatusCode::OK, &json!("root/AKIA")));
    let (_, shown) = world.ask(Method::GET, &path, None).await;
    assert_eq!((&shown["document"], &shown["digest"]), (&signed_by("key/ci"), &made["digest"]));
    let (_, listed) = world.ask(Method::GET, POLICIES, None).await;
    let first = &listed["verification_policies"][0];
    assert_eq!((&first["name"], first.get("document"), &listed["next"]), (&json!("release"), None, &Value::Null));
    assert_eq!(world.ask(Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::DELETE, &path, None).await.0, StatusCode::NOT_FOUND);
    let (_, history) = world.ask(Method::GET, &format!("{path}/history"), None).await;
    let changes: Vec<_> = history["changes"].as_array().unwrap().iter().map(|change| &change["change"]).collect();
    assert_eq!(changes, [&json!("delete"), &json!("put")]);
}

#[tokio::test]
async fn a_change_of_a_policy_that_was_changed_meanwhile_is_refused() {
    let world = World::new().await;
    let path = format!("{POLICIES}/release");
    let put = async |name: &str, value: &str, signer: &str| {
        let root = basic("AKIA", SECRET);
        let body = json!({"document": signed_by(signer)}).to_string();
        let got = send(&world.api, Method::PUT, &path, &[("authorization", &root), (name, value)], body).await;
        (got.status, got.header("etag").unwrap_or_default().to_owned())
    };
    let (status, first) = put("if-none-match", "*", "key/a").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(put("if-none-match", "*", "key/a").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("if-match", &first, "key/b").await.0, StatusCode::OK);
    assert_eq!(put("if-match", &first, "key/c").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("if-match", "*", "key/c").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_policy_that_is_wrong_is_refused_with_its_place() {
    let world = World::new().await;
    let put = async |name: &str, document: Value| {
        world.ask(Method::PUT, &format!("{POLICIES}/{name}"), Some(json!({"document": document}))).await
    };
    let mut document = signed_by("key/ci");
    document["rules"][0]["signatures"]["signers"][0] = json!("ci");
    let (status, error) = put("release", document).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_policy")));
    assert_eq!(error["details"]["field"], json!("document.rules[0].signatures.signers[0]"));
    assert!(
        error["details"].get("line").is_some() && error["message"].as_str().unwrap().contains("key/<name>"),
        "{error}"
    );
    let mut document = signed_by("key/ci");
    document["rules"][0]["signatures"]["threshold"] = json!(2);
    let (_, error) = put("release", document).await;
    assert_eq!(error["details"]["field"], json!("document.rules[0].signatures.threshold"));
    let (status, error) = put("a%20b", signed_by("key/ci")).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("verification_policy")));
    let (status, _) = world.ask(Method::PUT, &format!("{POLICIES}/release"), Some(signed_by("key/ci"))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a document alone is no request");
}

#[tokio::test]
async fn a_question_that_cannot_be_read_names_its_field() {
    let world = World::new().await;
    for (more, field) in [
        (json!({"policy": "a", "signers": ["key/a"]}), "policy"),
        (json!({"threshold": 1}), "threshold"),
        (json!({"signers": ["alice"]}), "signers[0]"),
        (json!({"signers": ["key/a"], "threshold": 2}), "threshold"),
        (json!({"document": {"scope": [], "rules": signed_by("key/a")["rules"]}}), "document.scope"),
        (json!({"artifact": "releases/a"}), "artifact"),
        (json!({"polcy": "a"}), "polcy"),
    ] {
        let mut body = json!({"artifact": "s3://releases/a"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, error) = world.ask(Method::POST, "/-/api/v1/artifacts/verify", Some(body)).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{more}: {error}");
    }
    let body = json!({"artifact": "s3://releases/a", "policy": "nobody"});
    let (status, error) = world.ask(Method::POST, "/-/api/v1/artifacts/verify", Some(body)).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::NOT_FOUND, &json!("policy")));
    for path in ["verdicts/none", "verdicts/0193b2f6-f1f0-7a3e-9c1f-5f0d7c1b2a3e", "verifications/none"] {
        assert_eq!(world.ask(Method::GET, &format!("/-/api/v1/{path}"), None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_policy_in_which_a_name_stands_twice_is_refused_wherever_it_is_sent() {
    let world = World::new().await;
    let once = signed_by("key/ci").to_string();
    let root = basic("AKIA", SECRET);
    for (document, field) in [
        (once.replacen('{', r#"{"scope":["s3://other/*"],"#, 1), "document"),
        (once.replace(r#""signers":"#, r#""signers":["key/other"],"signers":"#), "document.rules[0].signatures"),
    ] {
        assert_ne!(document, once);
        for (method, path, body) in [
            (Method::PUT, format!("{POLICIES}/release"), format!(r#"{{"document":{document}}}"#)),
            (
                Method::POST,
                "/-/api/v1/artifacts/verify".to_owned(),
                format!(r#"{{"artifact":"s3://releases/app","document":{document}}}"#),
            ),
        ] {
            let got = send(&world.api, method, &path, &[("authorization", &root)], body).await;
            let error = &got.body;
            assert_eq!((got.status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_policy")), "{error}");
            let said = error["details"]["field"].as_str().unwrap();
            assert!(said.starts_with(field), "{path}: {error}");
            assert!(error["message"].as_str().unwrap().contains("duplicate field"), "{error}");
        }
    }
    assert_eq!(world.ask(Method::GET, &format!("{POLICIES}/release"), None).await.0, StatusCode::NOT_FOUND);
}
