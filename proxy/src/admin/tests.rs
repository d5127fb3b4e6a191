use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zas_policy::Resource;

use super::*;
use crate::audit::{Kind, Record};
use crate::config::{AccessKey, Config, Secret};
use crate::postgres::testing::{self, TestDatabase};

const SECRET: &str = "a-secret-of-the-test";

struct World {
    app: Arc<App>,
    api: Api,
    _postgres: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let postgres = testing::database().await.unwrap();
        let mut config = Config::default();
        config.database.url = Secret::new(postgres.url());
        config.access_keys =
            vec![AccessKey { id: "AKIA".into(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        let app = App::new(config, Vec::new()).unwrap();
        Self { api: Api::new(Arc::clone(&app)), app, _postgres: postgres }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask_as(Some(SECRET), method, path, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn ask_as(&self, secret: Option<&str>, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(secret) = secret {
            let pair = STANDARD.encode(format!("AKIA:{secret}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        let response = self.api.call(request.body(full(body.into())).unwrap()).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }
}

#[tokio::test]
async fn a_bucket_is_made_shown_listed_and_deleted() {
    let world = World::new().await;
    for name in ["releases", "logs", "scratch"] {
        let (status, made) = world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": name}))).await;
        assert_eq!((status, &made["name"], &made["owner"]), (StatusCode::CREATED, &json!(name), &json!("root/AKIA")));
    }
    let (status, again) = world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "logs"}))).await;
    assert_eq!((status, &again["code"]), (StatusCode::CONFLICT, &json!("bucket_already_owned_by_you")));
    let (_, first) = world.ask(Method::GET, "/-/api/v1/buckets?limit=2", None).await;
    assert_eq!(first["next"], json!("releases"));
    let (_, second) = world.ask(Method::GET, "/-/api/v1/buckets?limit=2&after=releases", None).await;
    assert_eq!((&second["buckets"][0]["name"], &second["next"]), (&json!("scratch"), &Value::Null));
    assert_eq!(world.ask(Method::GET, "/-/api/v1/buckets/logs", None).await.0, StatusCode::OK);
    assert_eq!(world.ask(Method::DELETE, "/-/api/v1/buckets/logs", None).await.0, StatusCode::NO_CONTENT);
    let (status, gone) = world.ask(Method::GET, "/-/api/v1/buckets/logs", None).await;
    assert_eq!((status, &gone["code"]), (StatusCode::NOT_FOUND, &json!("no_such_bucket")));
}

#[tokio::test]
async fn every_described_operation_refuses_whoever_shows_no_right_key() {
    let world = World::new().await;
    let described: Value = serde_json::from_str(&document()).unwrap();
    let mut tried = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{bucket}", "releases");
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
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    for (method, path, body, status, code, word) in [
        (Method::POST, "/-/api/v1/buckets", r#"{"nam":"x"}"#, 400, "invalid_request", "nam"),
        (Method::POST, "/-/api/v1/buckets", r#"{"name":"No"}"#, 400, "invalid_bucket_name", "valid"),
        (Method::GET, "/-/api/v1/buckets?limit=0", "", 400, "invalid_argument", "limit"),
        (Method::GET, "/-/api/v1/buckets?colour=red", "", 400, "invalid_argument", "colour"),
        (Method::GET, "/-/api/v1/nothing", "", 404, "not_found", "nothing"),
        (Method::PUT, "/-/api/v1/whoami", "", 405, "method_not_allowed", "method"),
    ] {
        let (found, error) = world.ask_as(Some(SECRET), method, path, body.to_owned()).await;
        assert_eq!((found.as_u16(), &error["code"]), (status, &json!(code)), "{path} {error}");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert!(!error["request_id"].as_str().unwrap().is_empty());
    }
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
async fn the_audit_log_is_asked_in_pages_and_in_the_form_that_is_wanted() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        let object = Resource::object("logs", key);
        let record = Record::new(Kind::Operation).action("s3:PutObject").on(&object).answered(200, None);
        world.app.index.append_audit(&[record]).await.unwrap();
    }
    let ask = async |rest: &str| {
        world.ask(Method::GET, &format!("/-/api/v1/audit?from=2020-01-01T00:00:00Z{rest}"), None).await.1
    };
    let to = (OffsetDateTime::now_utc() + time::Duration::HOUR).format(&Rfc3339).unwrap();
    let first = ask(&format!("&to={to}&resource=logs&limit=2")).await;
    assert_eq!((&first["records"][0]["reference"], &first["records"][1]["reference"]), (&json!("a"), &json!("b")));
    let next = first["next"].as_str().unwrap();
    let second = ask(&format!("&to={to}&resource=logs&format=ocsf&after={next}")).await;
    assert_eq!(second["records"].as_array().unwrap().len(), 1, "{second}");
    assert_eq!((&second["records"][0]["class_uid"], &second["next"]), (&json!(6003), &Value::Null));
    assert_eq!(ask("&resource=elsewhere").await["records"], json!([]));
    assert_eq!(ask("&limit=0").await["code"], json!("invalid_argument"));
    assert_eq!(ask("&after=x").await["code"], json!("invalid_argument"));
    assert_eq!(world.ask(Method::GET, "/-/api/v1/audit", None).await.1["code"], json!("invalid_argument"));
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
