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
async fn what_is_said_of_an_artifact_is_unknown_where_a_question_does_not_say_it() {
    let world = World::new().await;
    let document = json!({"Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "releases/*"},
        {"Sid": "Signed", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "releases/*",
            "Condition": {"Bool": {"zas:Signed": "false"}}}]});
    let put = world.ask(Method::PUT, "/-/api/v1/policies/readers", Some(json!({"document": document}))).await;
    assert!(put.0.is_success(), "{put:?}");
    let attachment = "/-/api/v1/policies/readers/attachments?kind=user&name=alice";
    assert_eq!(world.ask(Method::PUT, attachment, None).await.0, StatusCode::NO_CONTENT);
    let ask = async |context: Value| {
        let question = json!({"principal": {"name": "alice"}, "action": "s3:GetObject",
            "resource": "arn:aws:s3:::releases/a", "context": context});
        world.ask(Method::POST, "/-/api/v1/authorize/explain", Some(question)).await.1
    };
    let told = ask(json!({})).await;
    assert_eq!((&told["effect"], &told["unknown"]), (&json!("Deny"), &json!(["zas:Signed"])), "{told}");
    assert_eq!(told["considered"][1]["outcome"], json!("unknown"));
    let told = ask(json!({"zas:Signed": ["true"]})).await;
    assert_eq!((&told["effect"], &told["unknown"]), (&json!("Allow"), &json!([])), "{told}");
    let told = ask(json!({"zas:Signed": ["false"]})).await;
    assert_eq!((&told["effect"], &told["statements"]), (&json!("Deny"), &json!(["readers#Signed"])), "{told}");
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

#[tokio::test]
async fn a_buckets_policy_is_put_shown_and_deleted_with_its_history_and_versions() {
    let world = World::new().await;
    let (path, history) = ("/-/api/v1/buckets/releases/policy", "/-/api/v1/buckets/releases/policy/history");
    let body = |bucket: &str| {
        json!({"document": {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "user/alice"}, "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{bucket}/*")}]}})
    };
    assert_eq!(world.ask(Method::PUT, path, Some(body("releases"))).await.1["code"], json!("no_such_bucket"));
    world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "releases"}))).await;
    assert_eq!(world.ask(Method::GET, path, None).await.1["code"], json!("no_such_bucket_policy"));
    let (status, tried) = world.ask(Method::PUT, &format!("{path}?dry_run=true"), Some(body("releases"))).await;
    assert_eq!((status, &tried["version"]), (StatusCode::OK, &json!(0)));
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, made) = world.ask(Method::PUT, path, Some(body("releases"))).await;
    assert_eq!((status, &made["changed_by"]), (StatusCode::OK, &json!("root/AKIA")), "{made}");
    let (_, shown) = world.ask(Method::GET, path, None).await;
    assert_eq!((&shown["document"], &shown["version"]), (&body("releases")["document"], &made["version"]));
    for dry_run in ["", "?dry_run=true"] {
        let (status, error) = world.ask(Method::PUT, &format!("{path}{dry_run}"), Some(body("others"))).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("document")), "{error}");
    }
    let mut wrong = body("releases");
    wrong["document"]["Statement"][0]["Action"] = json!("s3:GetObjects");
    let (_, error) = world.ask(Method::PUT, path, Some(wrong)).await;
    assert_eq!(error["details"]["field"], json!("document.Statement[0].Action"), "{error}");
    let conditional = |name: &'static str, value: String| {
        let headers = [("authorization", basic("AKIA", SECRET)), (name, value)];
        let api = world.api.clone();
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            send(&api, Method::DELETE, path, &headers, String::new()).await.status
        }
    };
    assert_eq!(conditional("if-match", "\"1\"".into()).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(conditional("if-match", format!("\"{}\"", made["version"])).await, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NOT_FOUND);
    let (_, history) = world.ask(Method::GET, history, None).await;
    let changes: Vec<&str> =
        history["changes"].as_array().unwrap().iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["delete", "put"]);
}

#[tokio::test]
async fn to_take_a_role_is_explained_by_its_trust_policy() {
    let world = World::new().await;
    let trust = json!({"trust_policy":
        {"Statement": {"Sid": "Alice", "Effect": "Allow", "Principal": {"AWS": "user/alice"}, "Action": "sts:AssumeRole"}}});
    assert_eq!(world.ask(Method::PUT, "/-/api/v1/roles/deploy", Some(trust)).await.0, StatusCode::OK);
    let everything = "/-/api/v1/policies/admin/attachments?kind=user&name=bob";
    assert_eq!(world.ask(Method::PUT, everything, None).await.0, StatusCode::NO_CONTENT);
    let why = async |name: &str, role: &str| {
        let question = json!({"principal": {"name": name}, "action": "sts:AssumeRole",
            "resource": format!("arn:aws:iam:::role/{role}")});
        world.ask(Method::POST, "/-/api/v1/authorize/explain", Some(question)).await.1
    };
    let alice = why("alice", "deploy").await;
    assert_eq!((&alice["effect"], &alice["considered"][0]["outcome"]), (&json!("Allow"), &json!("matches")), "{alice}");
    let bob = why("bob", "deploy").await;
    assert_eq!(bob["effect"], json!("Deny"), "whoever may do everything may not take every role: {bob}");
    assert_eq!(why("alice", "none").await["effect"], json!("Deny"));
}

#[tokio::test]
async fn what_narrows_a_credential_is_part_of_the_explanation() {
    let world = World::new().await;
    world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "releases"}))).await;
    let everything = "/-/api/v1/policies/admin/attachments?kind=group&name=/build";
    assert_eq!(world.ask(Method::PUT, everything, None).await.0, StatusCode::NO_CONTENT);
    let narrow = allow_reading("releases");
    let key = json!({"name": "narrowed", "groups": ["/build"], "policy": narrow});
    let (_, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(key)).await;
    let why = async |principal: Value, action: &str| {
        let question = json!({"principal": principal, "action": action, "resource": "arn:aws:s3:::releases/app.tgz"});
        world.ask(Method::POST, "/-/api/v1/authorize/explain", Some(question)).await
    };
    let by_key = json!({"access_key_id": made["id"]});
    assert_eq!(why(by_key.clone(), "s3:GetObject").await.1["effect"], json!("Allow"));
    assert_eq!(why(by_key, "s3:PutObject").await.1["effect"], json!("Deny"));
    assert_eq!(why(json!({"groups": ["/build"]}), "s3:PutObject").await.1["effect"], json!("Allow"));
    assert_eq!(why(json!({"access_key_id": "AKIA"}), "s3:PutObject").await.1["effect"], json!("Allow"), "root");
    let (status, error) = why(json!({"access_key_id": "ZASKAAAAAAAAAAAAAAAA"}), "s3:PutObject").await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::NOT_FOUND, &json!("principal.access_key_id")));
    // A session acts as its role alone, within its own policy.
    let of_role = "/-/api/v1/policies/admin/attachments?kind=role&name=deploy";
    assert_eq!(world.ask(Method::PUT, of_role, None).await.0, StatusCode::NO_CONTENT);
    let session = |policy: Value| json!({"name": "alice", "session": {"role": "deploy", "policy": policy}});
    assert_eq!(why(session(Value::Null), "s3:PutObject").await.1["effect"], json!("Allow"));
    assert_eq!(why(session(narrow), "s3:PutObject").await.1["effect"], json!("Deny"));
    let (status, error) = why(session(json!({"Statement": []})), "s3:PutObject").await;
    let field = error["details"]["field"].as_str().unwrap_or_default();
    assert!(status == StatusCode::BAD_REQUEST && field.starts_with("principal.session.policy"), "{error}");
    let path = format!("/-/api/v1/buckets/releases/effective?access_key_id={}", made["id"].as_str().unwrap());
    let (_, effective) = world.ask(Method::GET, &path, None).await;
    let narrows = effective["grants"].as_array().unwrap().iter().filter(|grant| grant["narrows"] == json!(true));
    assert!(narrows.clone().count() > 0 && narrows.clone().all(|grant| grant["action"] != json!("s3:PutObject")));
}
