use super::*;

const QUOTA: &str = "/-/api/v1/buckets/releases/quota";

async fn with_bucket() -> World {
    let world = World::new().await;
    let made = world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "releases"}))).await;
    assert_eq!(made.0, StatusCode::CREATED);
    world
}

impl World {
    /// Asks with a condition; gives the status, the ETag and the body.
    async fn conditional(
        &self,
        method: Method,
        condition: (&str, &str),
        body: Option<Value>,
    ) -> (StatusCode, String, Value) {
        let root = format!("Basic {}", STANDARD.encode(format!("AKIA:{SECRET}")));
        let request = Request::builder()
            .method(method)
            .uri(QUOTA)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, root)
            .header(condition.0, condition.1);
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        let response = self.api.call(request.body(full(text.into())).unwrap()).await;
        let status = response.status();
        let etag = response.headers().get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, etag.unwrap_or_default(), serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

#[tokio::test]
async fn a_quota_is_set_shown_listed_and_removed() {
    let world = with_bucket().await;
    let (status, none) = world.ask(Method::GET, QUOTA, None).await;
    let nothing = json!({"bucket": "releases", "max_bytes": null, "max_objects": null, "used_bytes": 0, "used_objects": 0,
        "version": 0, "changed_at": null, "changed_by": null});
    assert_eq!((status, &none), (StatusCode::OK, &nothing));
    assert_eq!(world.ask(Method::GET, "/-/api/v1/quotas", None).await.1["quotas"], json!([]));

    let (status, set) = world.ask(Method::PUT, QUOTA, Some(json!({"max_bytes": 1000}))).await;
    assert_eq!(
        (status, &set["max_bytes"], &set["max_objects"], &set["changed_by"]),
        (StatusCode::OK, &json!(1000), &Value::Null, &json!("root/AKIA"))
    );
    let (_, both) = world.ask(Method::PUT, QUOTA, Some(json!({"max_bytes": 0, "max_objects": 7}))).await;
    assert_eq!((&both["max_bytes"], &both["max_objects"]), (&json!(0), &json!(7)));
    let (_, shown) = world.ask(Method::GET, QUOTA, None).await;
    assert_eq!(shown, both);
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/quotas?prefix=rel&limit=1", None).await;
    assert_eq!(listed, json!({"quotas": [both], "next": null}));
    let (_, recount) = world.ask(Method::POST, &format!("{QUOTA}/recount"), None).await;
    assert_eq!(recount, json!({"missing_bytes": 0, "missing_objects": 0}));

    assert_eq!(world.ask(Method::DELETE, QUOTA, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::GET, QUOTA, None).await.1, nothing);
    let (status, gone) = world.ask(Method::DELETE, QUOTA, None).await;
    assert_eq!((status, &gone["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
}

#[tokio::test]
async fn a_quota_that_was_changed_in_the_meantime_is_not_overwritten() {
    let world = with_bucket().await;
    let put =
        async |condition, max: u64| world.conditional(Method::PUT, condition, Some(json!({"max_bytes": max}))).await;
    let (status, first, _) = put(("if-none-match", "*"), 1).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(put(("if-none-match", "*"), 2).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, second, body) = put(("if-match", &first), 3).await;
    assert_eq!((status, second.clone()), (StatusCode::OK, format!("\"{}\"", body["version"])));
    assert_eq!(put(("if-match", &first), 4).await.0, StatusCode::PRECONDITION_FAILED);
    let (_, shown, _) = world.conditional(Method::GET, ("accept", "*/*"), None).await;
    assert_eq!(shown, second);
    assert_eq!(world.conditional(Method::DELETE, ("if-match", &first), None).await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(world.conditional(Method::DELETE, ("if-match", &second), None).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_quota_that_cannot_be_is_refused_by_field() {
    let world = with_bucket().await;
    let beyond = i64::MAX as u64 + 1;
    for (body, field) in [
        (json!({}), "max_bytes"),
        (json!({"max_objects": beyond}), "max_objects"),
        (json!({"max_bytes": beyond}), "max_bytes"),
        (json!({"max_bytes": -1}), "max_bytes"),
        (json!({"max_bytes": 1.5}), "max_bytes"),
        (json!({"max_bytes": null}), "max_bytes"),
        (json!({"max_byte": 1}), "max_byte"),
    ] {
        let (status, error) = world.ask(Method::PUT, QUOTA, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
    for (method, path) in [(Method::GET, "quota"), (Method::PUT, "quota"), (Method::POST, "quota/recount")] {
        let path = format!("/-/api/v1/buckets/none/{path}");
        let body = (method == Method::PUT).then(|| json!({"max_bytes": 1}));
        let (status, error) = world.ask(method, &path, body).await;
        assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_bucket")), "{path}");
    }
}

#[tokio::test]
async fn writers_see_the_quota_of_their_bucket_and_cannot_change_it() {
    let world = with_bucket().await;
    let (_, made) =
        world.ask(Method::POST, "/-/api/v1/access-keys", Some(json!({"name": "ci", "groups": ["/build"]}))).await;
    let key = format!("{}:{}", made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let ask = async |method: Method, path: &str| {
        let basic = Some(format!("Basic {}", STANDARD.encode(&key)));
        world.ask_with(basic, method, path, json!({"max_bytes": 1}).to_string()).await.0
    };
    let asked =
        [(Method::GET, QUOTA), (Method::PUT, QUOTA), (Method::DELETE, QUOTA), (Method::GET, "/-/api/v1/quotas")];
    for (policy, allowed) in [
        ("read-only", [false, false, false, false]),
        ("read-write", [true, false, false, false]),
        ("auditor", [true, false, false, true]),
    ] {
        let attach = format!("/-/api/v1/policies/{policy}/attachments?kind=group&name=/build");
        assert!(world.ask(Method::PUT, &attach, None).await.0.is_success());
        for ((method, path), allowed) in asked.iter().zip(allowed) {
            let status = ask(method.clone(), path).await;
            assert_eq!(status == StatusCode::OK, allowed, "{policy}: {method} {path} is {status}");
        }
        world.ask(Method::DELETE, &attach, None).await;
    }
}
