mod quotas;

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
    issuer: crate::identity::testing::MockIssuer,
    _postgres: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let postgres = testing::database().await.unwrap();
        let mut config = Config::default();
        config.database.url = Secret::new(postgres.url());
        config.access_keys =
            vec![AccessKey { id: "AKIA".into(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        let secret = Some(Secret::new(crate::identity::generate_ring_key()));
        config.identity.key_ring = vec![crate::config::RingKey { id: "test".into(), secret, secret_file: None }];
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issuer = crate::identity::testing::MockIssuer::start().await.unwrap();
        config.identity.issuers = vec![issuer.config("kc", "")];
        let app = App::new(config, Vec::new()).unwrap();
        app.identity.revocations().unwrap().refresh(&app.index).await.unwrap();
        app.authority.policies().refresh(&app.index).await.unwrap();
        Self { api: Api::new(Arc::clone(&app)), app, issuer, _postgres: postgres }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask_as(Some(SECRET), method, path, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn ask_as(&self, secret: Option<&str>, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let basic = secret.map(|secret| format!("Basic {}", STANDARD.encode(format!("AKIA:{secret}"))));
        self.ask_with(basic, method, path, body).await
    }

    async fn ask_with(
        &self,
        authorization: Option<String>,
        method: Method,
        path: &str,
        body: String,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
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
            let path = path
                .replace("{bucket}", "releases")
                .replace("{policy}", "p")
                .replace("{role}", "r")
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

fn allow_reading(bucket: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("{bucket}/*")}]})
}

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
    assert_eq!(put("if-match", "readers").await.0, StatusCode::PRECONDITION_FAILED);
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
    for part in ["Statement[0].Action", "line", "column", "There is no action"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    for name in ["admin", "a%20b", "%C3%A9"] {
        let body = json!({"document": allow_reading("releases")});
        let (status, _) = world.ask(Method::PUT, &format!("/-/api/v1/policies/{name}"), Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
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
    assert_eq!(shown, json!({"attachments": [{"kind": "group", "name": "/teams/build"}]}));
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
async fn an_access_key_is_made_used_rotated_disabled_and_deleted() {
    let world = World::new().await;
    let body = json!({"name": "ci-bot", "groups": ["/teams/build"], "description": "pushes"});
    let (status, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
    assert_eq!((status, &made["name"]), (StatusCode::CREATED, &json!("service/ci-bot")), "{made}");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let me = async |id: &str, secret: &str| {
        let pair = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::builder().uri("/-/api/v1/whoami").header(header::AUTHORIZATION, format!("Basic {pair}"));
        let response = world.api.call(request.body(full(bytes::Bytes::new())).unwrap()).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let (status, whoami) = me(id, secret).await;
    assert_eq!(
        (status, &whoami["principal"], &whoami["groups"]),
        (StatusCode::OK, &json!("user/service/ci-bot"), &json!(["/teams/build"])),
        "{whoami}"
    );
    let path = format!("/-/api/v1/access-keys/{id}");
    let (_, shown) = world.ask(Method::GET, &path, None).await;
    assert_eq!((&shown["secret"], &shown["created_by"]), (&Value::Null, &json!("root/AKIA")));
    let (status, second) = world.ask(Method::POST, &format!("{path}/rotate"), Some(json!({}))).await;
    assert_eq!((status, &second["account"]), (StatusCode::CREATED, &made["account"]));
    assert_eq!(me(second["id"].as_str().unwrap(), second["secret"].as_str().unwrap()).await.0, StatusCode::OK);
    let (status, third) = world.ask(Method::POST, &format!("{path}/rotate"), Some(json!({}))).await;
    assert_eq!((status, &third["code"]), (StatusCode::CONFLICT, &json!("limit_exceeded")));
    let (status, changed) = world.ask(Method::PATCH, &path, Some(json!({"disabled": true}))).await;
    assert_eq!((status, &changed["disabled"]), (StatusCode::OK, &json!(true)), "{changed}");
    assert_eq!(me(id, secret).await.0, StatusCode::UNAUTHORIZED);
    world.ask(Method::PATCH, &path, Some(json!({"disabled": false}))).await;
    assert_eq!(me(id, secret).await.0, StatusCode::OK);
    assert_eq!(world.ask(Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(me(id, secret).await.0, StatusCode::UNAUTHORIZED);
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/access-keys", None).await;
    assert_eq!(listed["access_keys"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains("secret"), "{listed}");
}

#[tokio::test]
async fn what_an_access_key_may_do_is_what_policies_say() {
    let world = World::new().await;
    let body = json!({"name": "auditor-bot", "groups": ["/auditors"]});
    let (_, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let ask = async |path: &str| {
        let pair = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Basic {pair}"));
        world.api.call(request.body(full(bytes::Bytes::new())).unwrap()).await.status()
    };
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::FORBIDDEN);
    let attach = "/-/api/v1/policies/auditor/attachments?kind=group&name=/auditors";
    assert_eq!(world.ask(Method::PUT, attach, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::OK);
    assert_eq!(ask("/-/api/v1/buckets/none/effective?user=a").await, StatusCode::NOT_FOUND);
    world.ask(Method::DELETE, attach, None).await;
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_access_key_that_cannot_be_is_refused_by_field() {
    let world = World::new().await;
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "a/b"}), "name"),
        (json!({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "a", "policy": {"Statement": []}}), "policy"),
    ] {
        let (status, error) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(error.to_string().contains(&format!("\"{field}\"")), "{error}");
    }
    let missing = world.ask(Method::GET, "/-/api/v1/access-keys/ZASKAAAAAAAAAAAAAAAA", None).await;
    assert_eq!((missing.0, &missing.1["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
}

#[tokio::test]
async fn a_role_is_made_shown_changed_and_deleted_with_its_trust_policy() {
    let world = World::new().await;
    let trust =
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/alice"}, "Action": "sts:AssumeRole"}});
    let role = |max: i32| Some(json!({"trust_policy": trust, "max_session": max, "description": "deploys"}));
    let path = "/-/api/v1/roles/deploy";
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, tried) = world.ask(Method::PUT, &format!("{path}?dry_run=true"), role(3600)).await;
    assert_eq!((status, &tried["version"]), (StatusCode::OK, &json!(0)));
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, made) = world.ask(Method::PUT, path, role(7200)).await;
    assert_eq!(
        (status, &made["arn"], &made["max_session"]),
        (StatusCode::OK, &json!("arn:aws:iam:::role/deploy"), &json!(7200))
    );
    let (_, shown) = world.ask(Method::GET, path, None).await;
    assert_eq!((&shown["trust_policy"], &shown["version"]), (&trust, &made["version"]));
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/roles", None).await;
    assert_eq!((&listed["roles"][0]["name"], listed["roles"][0].get("trust_policy")), (&json!("deploy"), None));
    let (status, error) = world.ask(Method::PUT, path, role(899)).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("max_session")));
    let careless = json!({"trust_policy": {"Statement": {"Effect": "Allow", "Principal": {"Federated": "gh"},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"jwt:sub": "*"}}}}});
    let (status, error) = world.ask(Method::PUT, path, Some(careless)).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_policy")));
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_issued_is_ended_before_its_time() {
    let world = World::new().await;
    let revoke = async |body: Value| world.ask(Method::POST, "/-/api/v1/revocations", Some(body)).await;
    assert_eq!(revoke(json!({"kind": "subject", "value": "kc/1", "reason": "left"})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(revoke(json!({"kind": "token", "value": "kc/jti"})).await.0, StatusCode::NO_CONTENT);
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/revocations", None).await;
    assert_eq!(listed["revocations"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(
        (&listed["revocations"][1]["reason"], &listed["revocations"][1]["revoked_by"]),
        (&json!("left"), &json!("root/AKIA"))
    );
    for (body, field) in [
        (json!({"kind": "token", "value": ""}), "value"),
        (json!({"kind": "token", "value": "a\nb"}), "value"),
        (json!({"kind": "session", "value": "x"}), "value"),
    ] {
        let (status, error) = revoke(body).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    let none = "/-/api/v1/sessions/00000000-0000-0000-0000-000000000000";
    assert_eq!(world.ask(Method::DELETE, none, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask(Method::GET, none, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask(Method::GET, "/-/api/v1/sessions", None).await.1["sessions"], json!([]));
}

#[tokio::test]
async fn people_make_access_keys_for_themselves_and_see_nobody_elses() {
    let world = World::new().await;
    let own = json!({"document": {"Statement": {"Effect": "Allow", "Action": "admin:*Own*", "Resource": "*"}}});
    assert_eq!(world.ask(Method::PUT, "/-/api/v1/policies/own-keys", Some(own)).await.0, StatusCode::OK);
    let attach = "/-/api/v1/policies/own-keys/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let bearer = |user: &str, further: Value| Some(format!("Bearer {}", world.issuer.token(user, &further).unwrap()));
    let me = "/-/api/v1/me/access-keys";
    let alice = bearer("alice", Value::Null);
    let (status, made) =
        world.ask_with(alice.clone(), Method::POST, me, json!({"description": "laptop"}).to_string()).await;
    assert_eq!(
        (status, &made["name"], &made["account"]),
        (StatusCode::CREATED, &json!("alice"), &json!("kc/id-of-alice"))
    );
    assert!(made["expires_at"].is_string(), "nobody's is good for ever");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let one = format!("{me}/{id}");
    assert_eq!(world.ask_with(alice.clone(), Method::GET, &one, String::new()).await.0, StatusCode::OK);
    let (_, listed) = world.ask_with(alice.clone(), Method::GET, me, String::new()).await;
    assert_eq!(listed["access_keys"].as_array().unwrap().len(), 1, "{listed}");
    // Others see nothing of it, and a key is no way to another.
    let bob = bearer("bob", Value::Null);
    assert_eq!(world.ask_with(bob.clone(), Method::DELETE, &one, String::new()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask_with(bob, Method::GET, me, String::new()).await.1["access_keys"], json!([]));
    let key = Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
    let (status, who) = world.ask_with(key.clone(), Method::GET, "/-/api/v1/whoami", String::new()).await;
    assert_eq!((status, &who["principal"]), (StatusCode::OK, &json!("user/alice")), "{who}");
    assert_eq!(world.ask_with(key.clone(), Method::POST, me, "{}".into()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(Method::POST, me, Some(json!({}))).await.0, StatusCode::FORBIDDEN, "root is no person");
    let late = json!({"expires_at": "2099-01-01T00:00:00Z"}).to_string();
    let (status, error) = world.ask_with(alice.clone(), Method::POST, me, late).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("expires_at")));
    let off = json!({"disabled": true}).to_string();
    assert_eq!(world.ask_with(alice.clone(), Method::PATCH, &one, off).await.0, StatusCode::OK);
    assert_eq!(world.ask_with(key, Method::GET, "/-/api/v1/whoami", String::new()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask_with(alice, Method::DELETE, &one, String::new()).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_persons_key_has_the_groups_of_the_last_token_and_ends_with_the_person() {
    let world = World::new().await;
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let bearer = |further: Value| Some(format!("Bearer {}", world.issuer.token("alice", &further).unwrap()));
    let me = "/-/api/v1/me/access-keys";
    let (status, made) = world.ask_with(bearer(Value::Null), Method::POST, me, "{}".into()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let key = || Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
    let buckets = async || world.ask_with(key(), Method::GET, "/-/api/v1/buckets", String::new()).await.0;
    assert_eq!(buckets().await, StatusCode::OK);
    // Taken out of the group: known with the next token.
    world.ask_with(bearer(json!({"groups": []})), Method::GET, "/-/api/v1/whoami", String::new()).await;
    let begun = std::time::Instant::now();
    while buckets().await != StatusCode::FORBIDDEN {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let gone = json!({"kind": "subject", "value": "kc/id-of-alice", "reason": "left"});
    assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(gone)).await.0, StatusCode::NO_CONTENT);
    world.app.identity.stored().unwrap().forget(id).await;
    assert_eq!(buckets().await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        world.ask_with(bearer(Value::Null), Method::GET, "/-/api/v1/whoami", String::new()).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_restricted_key_makes_no_other_and_a_person_takes_along_what_the_person_made() {
    let world = World::new().await;
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let alice = Some(format!("Bearer {}", world.issuer.token("alice", &Value::Null).unwrap()));
    let keys = "/-/api/v1/access-keys";
    let make = async |by: Option<String>, body: Value| world.ask_with(by, Method::POST, keys, body.to_string()).await;
    let as_key = |made: &Value| {
        let pair = format!("{}:{}", made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        Some(format!("Basic {}", STANDARD.encode(pair)))
    };
    let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let (_, narrowed) =
        make(alice.clone(), json!({"name": "narrowed", "groups": ["/staff"], "policy": everything})).await;
    let (status, error) = make(as_key(&narrowed), json!({"name": "wider", "groups": ["/staff"]})).await;
    assert_eq!((status, &error["code"]), (StatusCode::FORBIDDEN, &json!("access_denied")), "{error}");
    let rotate = format!("{keys}/{}/rotate", narrowed["id"].as_str().unwrap());
    let (status, _) = world.ask_with(as_key(&narrowed), Method::POST, &rotate, "{}".into()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, plain) = make(alice, json!({"name": "plain", "groups": ["/staff"]})).await;
    assert_eq!(make(as_key(&plain), json!({"name": "more"})).await.0, StatusCode::CREATED);
    let gone = json!({"kind": "subject", "value": "kc/id-of-alice"});
    assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(gone)).await.0, StatusCode::NO_CONTENT);
    let (_, shown) = world.ask(Method::GET, &format!("{keys}/{}", plain["id"].as_str().unwrap()), None).await;
    assert_eq!(shown["disabled"], json!(true), "{shown}");
}
