use super::*;

const RULES: &str = "/-/api/v1/buckets/releases/signing-rules";
const QUEUE: &str = "/-/api/v1/buckets/releases/signing-queue";

/// With a bucket, a key for releases and one for reports.
async fn with_keys() -> World {
    let world = World::new().await;
    for (path, body) in [
        ("buckets", json!({"name": "releases"})),
        ("signing-keys", json!({"name": "release", "usage": "release"})),
        ("signing-keys", json!({"name": "reports", "usage": "report"})),
    ] {
        let (status, made) = world.ask(Method::POST, &format!("/-/api/v1/{path}"), Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
    world
}

fn rule(name: &str) -> Value {
    json!({"name": name, "prefix": "linux/", "suffix": ".tgz", "media_type": "application/*", "key": "release"})
}

impl World {
    async fn put_rules(&self, condition: (&str, &str), rules: Value) -> Got {
        let root = basic("AKIA", SECRET);
        let body = json!({ "rules": rules }).to_string();
        send(&self.api, Method::PUT, RULES, &[("authorization", &root), condition], body).await
    }
}

#[tokio::test]
async fn rules_are_set_all_at_once_shown_and_removed() {
    let world = with_keys().await;
    let nothing = json!({"bucket": "releases", "rules": [], "waiting": 0, "failed": 0, "version": 0, "changed_at": null,
        "changed_by": null});
    assert_eq!(world.ask(Method::GET, RULES, None).await, (StatusCode::OK, nothing.clone()));
    let (status, set) = world.ask(Method::PUT, RULES, Some(json!({"rules": [rule("b"), rule("a")]}))).await;
    assert_eq!((status, &set["changed_by"]), (StatusCode::OK, &json!("root/AKIA")), "{set}");
    assert_eq!(world.ask(Method::GET, RULES, None).await.1, set);
    let whole = json!({"name": "a", "prefix": "linux/", "suffix": ".tgz", "media_type": "application/*", "key": "release",
        "legacy": false});
    assert_eq!((&set["rules"][0], &set["rules"][1]["name"]), (&whole, &json!("b")));

    let short = json!([{"name": "all", "key": "release"}]);
    let (_, other) = world.ask(Method::PUT, RULES, Some(json!({ "rules": short }))).await;
    let all =
        json!([{"name": "all", "prefix": "", "suffix": "", "media_type": null, "key": "release", "legacy": false}]);
    assert_eq!(other["rules"], all, "those that are not named are gone");
    assert_eq!(world.ask(Method::DELETE, RULES, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::GET, RULES, None).await.1, nothing);
    let (status, error) = world.ask(Method::DELETE, RULES, None).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
}

#[tokio::test]
async fn rules_that_were_changed_in_the_meantime_are_not_overwritten() {
    let world = with_keys().await;
    let first = world.put_rules(("if-none-match", "*"), json!([rule("a")])).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(world.put_rules(("if-none-match", "*"), json!([])).await.code(), (412, "precondition_failed"));
    let second = world.put_rules(("if-match", &etag), json!([rule("a"), rule("b")])).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(world.put_rules(("if-match", &etag), json!([])).await.code(), (412, "precondition_failed"));
    let root = basic("AKIA", SECRET);
    let remove = async |etag: &str| {
        let headers = [("authorization", root.as_str()), ("if-match", etag)];
        send(&world.api, Method::DELETE, RULES, &headers, String::new()).await
    };
    assert_eq!(remove(&etag).await.code(), (412, "precondition_failed"));
    assert_eq!(remove(second.header("etag").unwrap()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn rules_that_cannot_be_are_refused_by_field() {
    let world = with_keys().await;
    let with = |field: &str, value: Value| {
        let mut rule = rule("a");
        rule[field] = value;
        json!([rule])
    };
    let many: Vec<Value> = (0..51).map(|number| rule(&format!("r{number}"))).collect();
    for (rules, field) in [
        (with("name", json!("A")), "rules[0].name"),
        (json!([rule("a"), rule("a")]), "rules[1].name"),
        (with("prefix", json!("x".repeat(1025))), "rules[0].prefix"),
        (with("prefix", json!("é".repeat(600))), "rules[0].prefix"),
        (with("suffix", json!("a\u{0}")), "rules[0].suffix"),
        (with("media_type", json!("gzip")), "rules[0].media_type"),
        (with("media_type", json!("Image/PNG")), "rules[0].media_type"),
        (with("legacy", json!(true)), "rules[0].legacy"),
        (with("key", json!("reports")), "rules"),
        (with("colour", json!("red")), "rules[0].colour"),
        (json!(many), "rules"),
    ] {
        let (status, error) = world.ask(Method::PUT, RULES, Some(json!({ "rules": rules }))).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{rules} {error}");
    }
    let (status, error) = world.ask(Method::PUT, RULES, Some(json!({"rules": with("key", json!("none"))}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("none"), "{error}");
    assert_eq!(world.ask(Method::GET, RULES, None).await.1["version"], json!(0), "nothing was set");
    for (method, path) in [
        (Method::GET, "signing-rules"),
        (Method::PUT, "signing-rules"),
        (Method::DELETE, "signing-rules"),
        (Method::GET, "signing-queue"),
        (Method::POST, "signing-queue/retry"),
    ] {
        let body = (method == Method::PUT).then(|| json!({"rules": []}));
        let (status, error) = world.ask(method, &format!("/-/api/v1/buckets/none/{path}"), body).await;
        assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_bucket")), "{path}");
    }
    for (query, field) in [("limit=0", "limit"), ("after=x", "after"), ("state=late", "state")] {
        let (status, error) = world.ask(Method::GET, &format!("{QUEUE}?{query}"), None).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{error}");
    }
}

#[tokio::test]
async fn older_signatures_are_made_where_the_address_of_the_registry_is_known() {
    let world = with_keys().await;
    let known = world.replica(|config| config.listen.external_url = Some("https://store.example:8443".into())).await;
    let root = basic("AKIA", SECRET);
    let mut legacy = rule("a");
    legacy["legacy"] = json!(true);
    let body = json!({"rules": [legacy]}).to_string();
    let got = send(&known, Method::PUT, RULES, &[("authorization", &root)], body).await;
    assert_eq!((got.status, &got.body["rules"][0]["legacy"]), (StatusCode::OK, &json!(true)), "{got:?}");
}

#[tokio::test]
async fn whoever_may_set_rules_but_not_use_a_key_sets_none_with_it() {
    let world = with_keys().await;
    let (_, made) =
        world.ask(Method::POST, "/-/api/v1/access-keys", Some(json!({"name": "ci", "groups": ["/build"]}))).await;
    let key = basic(made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    for (action, allowed) in [(None, false), (Some("supply:UseSigningKey"), true)] {
        let mut statements =
            vec![json!({"Effect": "Allow", "Action": "admin:PutSigningRules", "Resource": "releases"})];
        statements.extend(action.map(
            |action| json!({"Effect": "Allow", "Action": action, "Resource": "arn:zas:admin:::signing-key/release"}),
        ));
        let document = json!({"document": {"Version": "2012-10-17", "Statement": statements}});
        world.ask(Method::PUT, "/-/api/v1/policies/rules", Some(document)).await;
        world.ask(Method::PUT, "/-/api/v1/policies/rules/attachments?kind=group&name=/build", None).await;
        let ask = async |rules: Value| {
            let body = json!({ "rules": rules }).to_string();
            world.ask_with(Some(key.clone()), Method::PUT, RULES, body).await.0 == StatusCode::OK
        };
        assert!(ask(json!([])).await, "no key is needed for no rule");
        assert_eq!(ask(json!([rule("a")])).await, allowed);
        assert!(!ask(json!([rule("a"), {"name": "b", "key": "reports"}])).await);
    }
}
