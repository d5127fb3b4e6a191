//! Policies, what they are attached to, and why they decide as they do.

use super::*;

#[tokio::test]
async fn a_policy_is_put_shown_listed_and_deleted_with_its_history() {
    let world = World::new().await;
    let path = "/-/api/v1/policies/readers";
    let body = json!({"document": allow_reading("releases"), "description": "may read"});
    let (status, tried) = world.ask(Method::PUT, "/-/api/v1/policies/readers?dry_run=true", Some(body.clone())).await;
    assert_eq!((status, &tried["version"]), (StatusCode::OK, &json!(0)));
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, made) = world.ask(Method::PUT, path, Some(body)).await;
    assert_eq!((status, &made["changed_by"]), (StatusCode::OK, &json!("root/AKIA")));
    let (_, shown) = world.ask(Method::GET, path, None).await;
    assert_eq!((&shown["document"], &shown["version"]), (&allow_reading("releases"), &made["version"]));
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/policies?limit=4", None).await;
    let names: Vec<&str> = listed["policies"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "auditor", "ci-push", "read-only"]);
    let (_, rest) = world.ask(Method::GET, "/-/api/v1/policies?after=read-only", None).await;
    assert_eq!((&rest["policies"][1]["name"], &rest["next"]), (&json!("readers"), &Value::Null));
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NO_CONTENT);
    let (_, history) = world.ask(Method::GET, "/-/api/v1/policies/readers/history", None).await;
    let changes: Vec<&str> =
        history["changes"].as_array().unwrap().iter().map(|c| c["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["delete", "put"]);
}

#[tokio::test]
async fn a_change_of_a_policy_that_was_changed_meanwhile_is_refused() {
    let world = World::new().await;
    let path = "/-/api/v1/policies/readers";
    let put = async |name: &str, value: &str| {
        let body = json!({"document": allow_reading("releases")}).to_string();
        let pair = STANDARD.encode(format!("AKIA:{SECRET}"));
        let request = Request::builder().method(Method::PUT).uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::AUTHORIZATION, format!("Basic {pair}")).header(name, value);
        let response = world.api.call(request.body(full(body.into())).unwrap()).await;
        let etag = response.headers().get(header::ETAG).map(|value| value.to_str().unwrap().to_owned());
        (response.status(), etag.unwrap_or_default())
    };
    let (status, first) = put("if-none-match", "*").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(put("if-none-match", "*").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("if-match", &first).await.0, StatusCode::OK);
    assert_eq!(put("if-match", &first).await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("if-match", "\"readers\"").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("if-match", "*").await.0, StatusCode::OK);
    assert_eq!(put("if-none-match", &first).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_policy_that_is_wrong_is_refused_with_its_place() {
    let world = World::new().await;
    let mut document = allow_reading("releases");
    document["Statement"][0]["Action"] = json!("s3:GetObjects");
    let path = "/-/api/v1/policies/readers";
    let (status, error) = world.ask(Method::PUT, path, Some(json!({"document": document}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_policy")));
    let text = error.to_string();
    for part in ["document.Statement[0].Action", "line", "column", "There is no action"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    for (name, code) in [("admin", "read_only"), ("a%20b", "invalid_argument"), ("%C3%A9", "invalid_argument")] {
        let body = json!({"document": allow_reading("releases")});
        let (_, error) = world.ask(Method::PUT, &format!("/-/api/v1/policies/{name}"), Some(body)).await;
        assert_eq!((&error["code"], &error["details"]["field"]), (&json!(code), &json!("policy")), "{name}");
    }
}

#[tokio::test]
async fn attachments_decide_and_are_explained() {
    let world = World::new().await;
    world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "releases"}))).await;
    let body = json!({"document": allow_reading("releases")});
    world.ask(Method::PUT, "/-/api/v1/policies/readers", Some(body)).await;
    let attachment = "/-/api/v1/policies/readers/attachments?kind=group&name=/teams/build";
    assert_eq!(world.ask(Method::PUT, attachment, None).await.0, StatusCode::NO_CONTENT);
    let missing = "/-/api/v1/policies/nobody/attachments?kind=group&name=/teams/build";
    assert_eq!(world.ask(Method::PUT, missing, None).await.0, StatusCode::NOT_FOUND);
    let (_, shown) = world.ask(Method::GET, "/-/api/v1/policies/readers/attachments", None).await;
    assert_eq!(shown, json!({"attachments": [{"kind": "group", "name": "/teams/build"}], "next": null}));
    let ask = async || {
        let question = json!({"principal": {"name": "alice", "groups": ["/teams/build"]}, "action": "s3:GetObject",
            "resource": "arn:aws:s3:::releases/a"});
        world.ask(Method::POST, "/-/api/v1/authorize/explain", Some(question)).await.1
    };
    let told = ask().await;
    assert_eq!((&told["effect"], &told["statements"]), (&json!("Allow"), &json!(["readers#Read"])));
    assert_eq!(told["considered"], json!([{"statement": "readers#Read", "effect": "Allow", "outcome": "matches"}]));
    let effective = "/-/api/v1/buckets/releases/effective?user=alice&groups=/teams/build";
    let (_, grants) = world.ask(Method::GET, effective, None).await;
    assert_eq!(grants["grants"][0]["action"], json!("s3:GetObject"));
    assert_eq!(world.ask(Method::DELETE, attachment, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::DELETE, attachment, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask().await["effect"], json!("Deny"));
}

#[tokio::test]
async fn a_question_that_cannot_be_read_names_its_field() {
    let world = World::new().await;
    for (action, resource, context, field) in [
        ("s3:Fly", "*", json!({}), "action"),
        ("s3:GetObject", "releases", json!({}), "resource"),
        ("s3:GetObject", "*", json!({"aws:nothing": []}), "context.aws:nothing"),
        ("s3:GetObject", "*", json!({"aws:username": ["x"]}), "context.aws:username"),
    ] {
        let question = json!({"principal": {"name": "a"}, "action": action, "resource": resource, "context": context});
        let (status, error) = world.ask(Method::POST, "/-/api/v1/authorize/explain", Some(question)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(error.to_string().contains(&format!("\"{field}\"")), "{error}");
    }
}

#[tokio::test]
async fn attachments_are_listed_in_pages() {
    let world = World::new().await;
    let path = "/-/api/v1/policies/read-only/attachments";
    let whom =
        [("group", "/a"), ("group", "/b/c"), ("role", "deploy"), ("user", "gh:repo:acme/app"), ("user", "service/ci")];
    for (kind, name) in whom {
        let attach = format!("{path}?kind={kind}&name={name}");
        assert_eq!(world.ask(Method::PUT, &attach, None).await.0, StatusCode::NO_CONTENT);
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.ask(Method::GET, &format!("{path}?limit=2{next}"), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        seen.extend(page["attachments"].as_array().unwrap().clone());
        let Some(after) = page["next"].as_str() else { break };
        next = format!("&after={after}");
    }
    let all: Vec<Value> = whom.iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect();
    assert_eq!(seen, all);
}
