use super::*;
use crate::config::{EventFormat, EventTarget, PrivateUrl};

const TARGETS: &str = "/-/api/v1/event-targets";
const CI: &str = "/-/api/v1/event-targets/ci";

fn target() -> Value {
    json!({"url": "https://hooks.example/hunter2?token=hunter2", "format": "cloudevents", "secret": "hunter2-hunter2"})
}

impl World {
    async fn put_target(&self, condition: (&str, &str), target: Value) -> Got {
        let root = basic("AKIA", SECRET);
        send(&self.api, Method::PUT, CI, &[("authorization", &root), condition], target.to_string()).await
    }

    /// Writes down an event for the target, dead or not.
    async fn event(&self, key: &'static str, is_dead: bool) {
        let insert = "
            INSERT INTO event_outbox (target, rule, bucket_id, bucket, owner, region, key, event, attempts, error, failed_at)
            VALUES ('ci', 'all', 1, 'releases', 'root', 'us-east-1', $1, 'ObjectCreated:Put', 3, 'it says no',
                    CASE WHEN $2 THEN now() END)";
        sqlx::query(insert).bind(key).bind(is_dead).execute(&self.postgres.pool().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_target_is_made_shown_without_what_is_secret_and_deleted() {
    let world = World::new().await;
    let (status, made) = world.ask(Method::PUT, CI, Some(target())).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert!(!made.to_string().contains("hunter2"), "{made}");
    assert_eq!(
        (&made["arn"], &made["url"]),
        (&json!("arn:zas:webhook:::ci"), &json!("https://hooks.example/(hidden)"))
    );
    assert_eq!((&made["format"], &made["signed"]), (&json!("cloudevents"), &json!(true)));
    assert_eq!((&made["enabled"], &made["configured"]), (&json!(true), &json!(false)));
    assert_eq!((&made["pending"], &made["failed"], &made["changed_by"]), (&json!(0), &json!(0), &json!("root/AKIA")));
    assert_eq!(world.ask(Method::GET, CI, None).await, (StatusCode::OK, made.clone()));
    assert_eq!(world.ask(Method::GET, TARGETS, None).await.1, json!({"event_targets": [made], "next": null}));
    let stored = "SELECT count(*) FROM event_targets WHERE event_targets::text LIKE '%hunter2%'";
    let found: i64 = sqlx::query_scalar(stored).fetch_one(&world.postgres.pool().unwrap()).await.unwrap();
    assert_eq!(found, 0);

    let (_, plain) = world.ask(Method::PUT, CI, Some(json!({"url": "https://hooks.example", "enabled": false}))).await;
    assert_eq!((&plain["format"], &plain["signed"], &plain["enabled"]), (&json!("s3"), &json!(false), &json!(false)));
    assert_eq!(world.ask(Method::DELETE, CI, None).await.0, StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::GET, CI.to_owned()),
        (Method::DELETE, CI.to_owned()),
        (Method::GET, format!("{CI}/dead-events")),
        (Method::POST, format!("{CI}/dead-events/redeliver")),
    ] {
        let (status, error) = world.ask(method, &path, None).await;
        assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")), "{path} {error}");
    }
}

#[tokio::test]
async fn a_target_that_was_changed_in_the_meantime_is_not_overwritten() {
    let world = World::new().await;
    let first = world.put_target(("if-none-match", "*"), target()).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(world.put_target(("if-none-match", "*"), target()).await.code(), (412, "precondition_failed"));
    assert_eq!(world.put_target(("if-match", &etag), target()).await.status, StatusCode::OK);
    assert_eq!(world.put_target(("if-match", &etag), target()).await.code(), (412, "precondition_failed"));
}

#[tokio::test]
async fn targets_that_cannot_be_are_refused_by_field() {
    let world = World::new().await;
    let with = |field: &str, value: Value| {
        let mut target = target();
        target[field] = value;
        target
    };
    for (path, target, field) in [
        (CI, with("url", json!("ftp://hooks.example")), "url"),
        (CI, with("url", json!("hooks.example")), "url"),
        (CI, with("url", json!("http://127.0.0.1:9800/")), "url"),
        (CI, with("url", json!("http://[::1]/")), "url"),
        (CI, with("url", json!(format!("https://hooks.example/{}", "x".repeat(2048)))), "url"),
        (CI, with("secret", json!("")), "secret"),
        (CI, with("secret", json!("x".repeat(1025))), "secret"),
        (CI, with("format", json!("xml")), "format"),
        (CI, with("colour", json!("red")), "colour"),
        ("/-/api/v1/event-targets/a:b", target(), "event_target"),
    ] {
        let (status, error) = world.ask(Method::PUT, path, Some(target.clone())).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{target} {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(world.ask(Method::GET, TARGETS, None).await.1["event_targets"], json!([]));
    let without = world.replica(|config| config.identity.key_ring.clear()).await;
    let root = basic("AKIA", SECRET);
    let got = send(&without, Method::PUT, CI, &[("authorization", &root)], target().to_string()).await;
    assert_eq!(got.code().0, 501, "{got:?}");
}

#[tokio::test]
async fn what_the_configuration_names_is_shown_and_changed_there() {
    let world = World::new().await;
    world.ask(Method::PUT, CI, Some(target())).await;
    let configured = |name: &str| EventTarget {
        name: name.to_owned(),
        url: PrivateUrl::new("http://10.0.0.1/hunter2"),
        format: EventFormat::S3,
        secret: None,
        secret_file: None,
    };
    let api = world.replica(|config| config.events.targets = vec![configured("siem"), configured("a")]).await;
    let root = basic("AKIA", SECRET);
    let ask = async |method: Method, path: &str, body: String| {
        send(&api, method, path, &[("authorization", &root)], body).await
    };
    let names = async |query: &str| {
        let got = ask(Method::GET, &format!("{TARGETS}{query}"), String::new()).await;
        let targets = got.body["event_targets"].as_array().unwrap().clone();
        let names: Vec<String> = targets.iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), got.body["next"].as_str().map(str::to_owned))
    };
    assert_eq!(names("").await, ("a ci siem".to_owned(), None));
    assert_eq!(names("?limit=2").await, ("a ci".to_owned(), Some("ci".to_owned())));
    assert_eq!(names("?limit=2&after=ci").await, ("siem".to_owned(), None));
    assert_eq!(names("?prefix=s").await, ("siem".to_owned(), None));
    let siem = ask(Method::GET, "/-/api/v1/event-targets/siem", String::new()).await.body;
    assert_eq!((&siem["configured"], &siem["version"]), (&json!(true), &json!(0)));
    assert!(!siem.to_string().contains("hunter2"), "{siem}");
    for method in [Method::PUT, Method::DELETE] {
        let body = if method == Method::PUT { target().to_string() } else { String::new() };
        let got = ask(method, "/-/api/v1/event-targets/siem", body).await;
        assert_eq!(got.code(), (409, "read_only"), "{got:?}");
    }
}

#[tokio::test]
async fn dead_events_are_listed_and_told_after_all() {
    let world = World::new().await;
    world.ask(Method::PUT, CI, Some(target())).await;
    for (key, is_dead) in [("a", true), ("b", true), ("c", false)] {
        world.event(key, is_dead).await;
    }
    let (_, shown) = world.ask(Method::GET, CI, None).await;
    assert_eq!((&shown["pending"], &shown["failed"]), (&json!(1), &json!(2)), "{shown}");
    assert!(shown["oldest_pending"].is_string(), "{shown}");
    let (_, first) = world.ask(Method::GET, &format!("{CI}/dead-events?limit=1"), None).await;
    let event = &first["dead_events"][0];
    assert_eq!((&event["key"], &event["attempts"], &event["error"]), (&json!("a"), &json!(3), &json!("it says no")));
    let (_, second) = world.ask(Method::GET, &format!("{CI}/dead-events?after={}", first["next"]), None).await;
    assert_eq!((&second["dead_events"][0]["key"], &second["next"]), (&json!("b"), &Value::Null));
    let redeliver = format!("{CI}/dead-events/redeliver");
    assert_eq!(world.ask(Method::POST, &redeliver, None).await, (StatusCode::OK, json!({"redelivered": 2})));
    assert_eq!(world.ask(Method::POST, &redeliver, None).await.1, json!({"redelivered": 0}));
    let (_, shown) = world.ask(Method::GET, CI, None).await;
    assert_eq!((&shown["pending"], &shown["failed"]), (&json!(3), &json!(0)), "{shown}");
    let (status, error) = world.ask(Method::GET, &format!("{CI}/dead-events?limit=0"), None).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("limit")));
}
