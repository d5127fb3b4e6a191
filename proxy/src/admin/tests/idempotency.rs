//! `Idempotency-Key`: what is carried out once, whoever asks again, when and where.

use std::time::Duration;

use super::*;
use crate::supply_chain::keys::{Algorithm, KeyPair};

const BUCKETS: &str = "/-/api/v1/buckets";
const KEYS: &str = "/-/api/v1/access-keys";

/// Of no identity, and of no key.
const ID: &str = "00000000-0000-4000-8000-000000000000";
const FINGERPRINT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A POST of root with a key.
async fn post(api: &Api, path: &str, key: &str, body: &Value) -> Got {
    let authorization = basic("AKIA", SECRET);
    send(api, Method::POST, path, &[("authorization", &authorization), ("idempotency-key", key)], body.to_string())
        .await
}

fn is_replay(got: &Got) -> bool {
    got.header("idempotency-replayed") == Some("true")
}

/// A transaction of somebody else that keeps buckets from being made until it is dropped.
async fn no_new_buckets(world: &World) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = world.postgres.pool().unwrap().begin().await.unwrap();
    sqlx::query("LOCK TABLE buckets IN EXCLUSIVE MODE").execute(&mut *transaction).await.unwrap();
    transaction
}

/// Waits until a request is held up by [`no_new_buckets`].
async fn wait_until_one_waits(world: &World) {
    let pool = world.postgres.pool().unwrap();
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                   WHERE NOT granted AND d.datname = current_database()";
    for _ in 0..500 {
        if sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no request waits");
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_again_on_every_replica() {
    let world = World::new().await;
    let other = world.replica(|_| {}).await;
    let body = json!({"name": "releases"});
    let first = post(&world.api, BUCKETS, "k-1", &body).await;
    assert_eq!((first.status, is_replay(&first)), (StatusCode::CREATED, false), "{first:?}");
    for (api, key) in [(&world.api, "k-1"), (&other, "k-1"), (&other, "\"k-1\"")] {
        let again = post(api, BUCKETS, key, &body).await;
        assert_eq!((again.status, is_replay(&again), &again.body), (StatusCode::CREATED, true, &first.body));
        for name in ["location", "content-type"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    assert_eq!(post(&other, BUCKETS, "k-2", &body).await.code(), (409, "bucket_already_owned_by_you"));
}

#[tokio::test]
async fn every_post_of_the_description_takes_a_key() {
    let world = World::new().await;
    let made = post(&world.api, KEYS, "made", &json!({"name": "old"})).await.body;
    let alice = format!("Bearer {}", world.issuer.token("alice", &Value::Null).unwrap());
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let own =
        send(&world.api, Method::POST, "/-/api/v1/me/access-keys", &[("authorization", &alice)], "{}".into()).await;
    let root = basic("AKIA", SECRET);
    let described: Value = serde_json::from_str(&document()).unwrap();
    let mut tried = 0;
    for (path, item) in described["paths"].as_object().unwrap() {
        let Some(operation) = item.get("post") else { continue };
        let (body, authorization, status) = match operation["operationId"].as_str().unwrap() {
            "create_bucket" => (json!({"name": "releases"}), &root, 201),
            "create_access_key" => (json!({"name": "ci-bot"}), &root, 201),
            "rotate_access_key" => (json!({}), &root, 201),
            "create_my_access_key" | "rotate_my_access_key" => (json!({}), &alice, 201),
            "revoke" => (json!({"kind": "token", "value": "kc/1"}), &root, 204),
            "recount_usage" => (Value::Null, &root, 200),
            "verify_artifact" => (json!({"artifact": "s3://releases/app", "async": true}), &root, 202),
            "explain_token" => (json!({"token": "x"}), &root, 200),
            // What is to be refused for what there is not.
            "sign_artifact" => (json!({"artifact": "s3://releases/app", "key": "none"}), &root, 404),
            "attest_artifact" => {
                let (artifact, predicate_type) = ("s3://releases/app", "https://example.com/notes/v1");
                let body =
                    json!({"artifact": artifact, "key": "none", "predicate_type": predicate_type, "predicate": {}});
                (body, &root, 404)
            }
            "attach_sbom" => (json!({}), &root, 404),
            "redeliver_events" => (Value::Null, &root, 404),
            "validate_sbom" => (json!({"bomFormat": "CycloneDX", "specVersion": "1.6"}), &root, 200),
            "retry_signing" => (Value::Null, &root, 200),
            "create_signing_key" => (json!({"name": "release", "usage": "release"}), &root, 201),
            "rotate_signing_key" => (json!({}), &root, 201),
            "revoke_signing_key_generation" => (json!({"reason": "stolen"}), &root, 200),
            "export_signing_key_generation" => (json!({"password": "a long password"}), &root, 404),
            "add_trusted_key" => {
                let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().to_pem();
                (json!({"name": "acme", "public_key": key}), &root, 201)
            }
            "add_trusted_identity" => {
                (json!({"name": "acme", "issuer": "https://issuer.example", "subject": "a@acme.example"}), &root, 201)
            }
            "revoke_trusted_key" | "revoke_trusted_identity" => (json!({"reason": "sold"}), &root, 404),
            "explain" => {
                let question = json!({"principal": {"name": "alice"}, "action": "s3:GetObject", "resource": "*"});
                (question, &root, 200)
            }
            other => panic!("{other}: give the test a body for it"),
        };
        let id = if path.contains("/me/") { &own.body["id"] } else { &made["id"] };
        let path = path.replace("{access_key}", id.as_str().unwrap()).replace("{bucket}", "releases");
        let path = match operation["operationId"].as_str().unwrap() {
            "attach_sbom" => format!("{path}?artifact=s3://releases/app"),
            "export_signing_key_generation" => path.replace("{signing_key}", "none").replace("{generation}", "1"),
            _ => path.replace("{signing_key}", "release").replace("{generation}", "1"),
        };
        let path = path.replace("{trusted_key}", "none").replace("{trusted_identity}", "none");
        let path = path.replace("{event_target}", "none");
        let path = path.replace("{identity}", ID).replace("{fingerprint}", FINGERPRINT);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", path.as_str())];
        let first = send(&world.api, Method::POST, &path, &headers, body.clone()).await;
        assert_eq!((first.status.as_u16(), is_replay(&first)), (status, false), "{path} {first:?}");
        let again = send(&world.api, Method::POST, &path, &headers, body).await;
        if status == 404 {
            // A refusal that was looked up before the change began is looked up again, and is the same.
            assert_eq!((again.status.as_u16(), &again.body["code"]), (status, &first.body["code"]), "{path} {again:?}");
        } else {
            assert_eq!((again.status.as_u16(), is_replay(&again)), (status, true), "{path} {again:?}");
            assert_eq!((&first.body, first.header("etag")), (&again.body, again.header("etag")), "{path}");
        }
        if path.ends_with("/me/access-keys") {
            // A person has two keys at the most, and the other is rotated next.
            let one = format!("{path}/{}", first.body["id"].as_str().unwrap());
            send(&world.api, Method::DELETE, &one, &[("authorization", &alice)], String::new()).await;
        }
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
}

#[tokio::test]
async fn of_many_that_arrive_at_once_one_is_carried_out() {
    let world = World::new().await;
    let other = world.replica(|_| {}).await;
    let body = json!({"name": "ci-bot"});
    let asked = (0..16).map(|at| post(if at % 2 == 0 { &world.api } else { &other }, KEYS, "once", &body));
    let got = futures::future::join_all(asked).await;
    let carried_out: Vec<&Got> =
        got.iter().filter(|got| got.status == StatusCode::CREATED && !is_replay(got)).collect();
    assert_eq!(carried_out.len(), 1);
    for got in &got {
        match got.code() {
            (201, _) => assert_eq!(got.body, carried_out[0].body),
            code => assert_eq!((code, got.header("retry-after")), ((409, "idempotency_key_in_use"), Some("1"))),
        }
    }
    let (_, listed) = world.ask(Method::GET, KEYS, None).await;
    assert_eq!(listed["access_keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn while_a_request_is_under_way_another_is_told_so_and_afterwards_answered() {
    let world = World::new().await;
    let other = world.replica(|_| {}).await;
    let body = json!({"name": "releases"});
    let hold = no_new_buckets(&world).await;
    let (api, sent) = (world.api.clone(), body.clone());
    let first = tokio::spawn(async move { post(&api, BUCKETS, "k", &sent).await });
    wait_until_one_waits(&world).await;
    let early = post(&other, BUCKETS, "k", &body).await;
    assert_eq!((early.code(), early.header("retry-after")), ((409, "idempotency_key_in_use"), Some("1")));
    assert_eq!(early.body["retryable"], json!(true));
    hold.rollback().await.unwrap();
    let first = first.await.unwrap();
    assert_eq!((first.status, is_replay(&first)), (StatusCode::CREATED, false));
    let late = post(&other, BUCKETS, "k", &body).await;
    assert_eq!((late.status, is_replay(&late), late.body), (StatusCode::CREATED, true, first.body));
}

#[tokio::test]
async fn a_request_whose_process_ends_in_the_middle_leaves_nothing_and_can_be_sent_again() {
    let world = World::new().await;
    let other = world.replica(|_| {}).await;
    let body = json!({"name": "releases"});
    let hold = no_new_buckets(&world).await;
    let (api, sent) = (world.api.clone(), body.clone());
    let first = tokio::spawn(async move { post(&api, BUCKETS, "k", &sent).await });
    wait_until_one_waits(&world).await;
    // Its connection is closed with it; Postgres finds out when it has something to say.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    hold.rollback().await.unwrap();
    let mut again = post(&other, BUCKETS, "k", &body).await;
    while again.code() == (409, "idempotency_key_in_use") {
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = post(&other, BUCKETS, "k", &body).await;
    }
    assert_eq!((again.status, is_replay(&again)), (StatusCode::CREATED, false), "{again:?}");
}

#[tokio::test]
async fn a_key_is_of_one_request_and_of_one_caller() {
    let world = World::new().await;
    let body = json!({"name": "releases"});
    assert_eq!(post(&world.api, BUCKETS, "k", &body).await.status, StatusCode::CREATED);
    let mismatch = (422, "idempotency_mismatch");
    assert_eq!(post(&world.api, BUCKETS, "k", &json!({"name": "other"})).await.code(), mismatch);
    assert_eq!(post(&world.api, &format!("{BUCKETS}?x"), "k", &body).await.code(), mismatch);
    assert_eq!(post(&world.api, KEYS, "k", &body).await.code(), mismatch);
    // Somebody else has keys of their own.
    let (_, made) = world.ask(Method::POST, KEYS, Some(json!({"name": "ci", "groups": ["/staff"]}))).await;
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let ci = basic(made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let headers = [("authorization", ci.as_str()), ("idempotency-key", "k")];
    let theirs = send(&world.api, Method::POST, BUCKETS, &headers, json!({"name": "theirs"}).to_string()).await;
    assert_eq!((theirs.status, is_replay(&theirs)), (StatusCode::CREATED, false), "{theirs:?}");
    // And may see their answer for as long as they may do what it was for.
    assert!(world.ask(Method::DELETE, attach, None).await.0.is_success());
    let denied = send(&world.api, Method::POST, BUCKETS, &headers, json!({"name": "theirs"}).to_string()).await;
    assert_eq!(denied.code(), (403, "access_denied"));
    let key = post(&world.api, BUCKETS, "a b", &body).await;
    assert_eq!((key.code(), &key.body["details"]["field"]), ((400, "invalid_argument"), &json!("Idempotency-Key")));
}

#[tokio::test]
async fn a_refusal_for_what_there_is_is_kept_and_every_other_is_not() {
    let world = World::new().await;
    let body = json!({"name": "releases"});
    assert_eq!(world.ask(Method::POST, BUCKETS, Some(body.clone())).await.0, StatusCode::CREATED);
    let first = post(&world.api, BUCKETS, "taken", &body).await;
    assert_eq!((first.code(), is_replay(&first)), ((409, "bucket_already_owned_by_you"), false));
    assert_eq!(world.ask(Method::DELETE, "/-/api/v1/buckets/releases", None).await.0, StatusCode::NO_CONTENT);
    let again = post(&world.api, BUCKETS, "taken", &body).await;
    assert_eq!((again.status, is_replay(&again), again.body), (StatusCode::CONFLICT, true, first.body));
    // What was sent was wrong: put right, it is another request, and its key was never used.
    assert_eq!(post(&world.api, KEYS, "wrong", &json!({"name": "a/b"})).await.code(), (400, "invalid_argument"));
    let past = json!({"name": "ab", "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(post(&world.api, KEYS, "wrong", &past).await.code(), (400, "invalid_argument"));
    assert_eq!(post(&world.api, KEYS, "wrong", &json!({"name": "ab"})).await.status, StatusCode::CREATED);
    // The index did not do its part in time.
    let hasty = world.replica(|config| config.database.statement_timeout = Duration::from_millis(300)).await;
    let hold = no_new_buckets(&world).await;
    assert_eq!(post(&hasty, BUCKETS, "late", &body).await.code(), (503, "index_unavailable"));
    hold.rollback().await.unwrap();
    let again = post(&hasty, BUCKETS, "late", &body).await;
    assert_eq!((again.status, is_replay(&again)), (StatusCode::CREATED, false));
}

#[tokio::test]
async fn an_answer_with_a_secret_is_kept_sealed_and_opens_with_the_ring_alone() {
    let world = World::new().await;
    let body = json!({"name": "ci-bot"});
    let made = post(&world.api, KEYS, "k", &body).await;
    let secret = made.body["secret"].as_str().unwrap();
    let pool = world.postgres.pool().unwrap();
    let kept = "SELECT answer, ring_key FROM idempotency_keys";
    let (answer, ring_key): (Vec<u8>, Option<String>) = sqlx::query_as(kept).fetch_one(&pool).await.unwrap();
    assert_eq!(ring_key.as_deref(), Some("test"));
    assert!(!answer.windows(8).any(|bytes| bytes == &secret.as_bytes()[..8]));
    let again = post(&world.api, KEYS, "k", &body).await;
    assert_eq!((&again.body, again.header("cache-control")), (&made.body, Some("no-store")));
    let rotated = world.replica(|config| config.identity.key_ring.insert(0, super::ring_key("new"))).await;
    assert_eq!(post(&rotated, KEYS, "k", &body).await.body, made.body);
    let stranger = world.replica(|config| config.identity.key_ring = vec![super::ring_key("other")]).await;
    assert_eq!(post(&stranger, KEYS, "k", &body).await.code(), (409, "idempotency_answer_lost"));
}

#[tokio::test]
async fn without_a_key_ring_answers_without_secrets_are_kept_as_they_are() {
    let world = World::new().await;
    let bare = world.replica(|config| config.identity.key_ring.clear()).await;
    let body = json!({"name": "releases"});
    let first = post(&bare, BUCKETS, "k", &body).await;
    let again = post(&bare, BUCKETS, "k", &body).await;
    assert_eq!((first.status, is_replay(&again), again.body), (StatusCode::CREATED, true, first.body));
    assert_eq!(post(&bare, KEYS, "k-2", &json!({"name": "ci"})).await.code(), (501, "not_implemented"));
}

#[tokio::test]
async fn answers_lapse_and_are_cleared_away_and_there_are_only_so_many() {
    let world = World::new().await;
    let short = world.replica(|config| config.idempotency.keep = Duration::from_secs(1)).await;
    assert_eq!(post(&short, BUCKETS, "k", &json!({"name": "first"})).await.status, StatusCode::CREATED);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let second = post(&short, BUCKETS, "k", &json!({"name": "second"})).await;
    assert_eq!((second.status, is_replay(&second)), (StatusCode::CREATED, false), "another request, after its time");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(post(&world.api, BUCKETS, "stays", &json!({"name": "third"})).await.status, StatusCode::CREATED);
    assert_eq!(world.app.index.forget_answers(10).await.unwrap(), 1);
    let few = world.replica(|config| config.idempotency.keys_per_principal = 2).await;
    assert_eq!(post(&few, BUCKETS, "k-2", &json!({"name": "fourth"})).await.status, StatusCode::CREATED);
    let many = post(&few, BUCKETS, "k-3", &json!({"name": "fifth"})).await;
    assert_eq!((many.code(), many.header("retry-after")), ((429, "too_many_idempotency_keys"), Some("1")));
    assert!(is_replay(&post(&few, BUCKETS, "stays", &json!({"name": "third"})).await), "what is kept is given");
}

#[tokio::test]
async fn a_change_and_each_replay_of_it_are_on_record() {
    let world = World::new().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let journal = tokio::spawn({
        let (app, stop) = (Arc::clone(&world.app), stop.clone());
        async move { app.journal.run(stop).await }
    });
    for _ in 0..3 {
        assert_eq!(post(&world.api, BUCKETS, "k", &json!({"name": "releases"})).await.status, StatusCode::CREATED);
    }
    stop.cancel();
    journal.await.unwrap();
    let records = "SELECT record FROM audit_event WHERE kind = 'operation' ORDER BY time, id";
    let records: Vec<String> = sqlx::query_scalar(records).fetch_all(&world.postgres.pool().unwrap()).await.unwrap();
    let replays = records.iter().filter(|record| record.contains("answered again for its Idempotency-Key"));
    assert_eq!((records.len(), replays.count()), (3, 2), "{records:#?}");
    assert!(records.iter().all(|record| record.contains("s3:CreateBucket")), "{records:#?}");
}
