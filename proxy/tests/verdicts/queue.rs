//! Verifications that nobody waits for.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ask::Ask;
use super::world::{OBJECT, World};

/// Asks until it is done.
async fn done(world: &World, location: &str) -> Value {
    let path = location.strip_prefix("/-/api/v1").unwrap();
    let asked = async {
        loop {
            let job = world.get(path).await;
            if !job["finished_at"].is_null() {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_is_carried_out_for_whoever_does_not_wait() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    let body = json!({"artifact": OBJECT, "policy": "release", "async": true});
    let accepted = world.ask(Method::POST, "/artifacts/verify", &body).await.expect(202);
    let location = accepted.header("location").to_owned();
    assert_eq!(accepted.json()["location"], json!(location));
    let job = done(&world, &location).await;
    assert_eq!((&job["state"], &job["error"]), (&json!("done"), &Value::Null));
    assert_eq!(job["result"]["verdict"]["passed"], json!(true), "{job}");
    assert_eq!(world.passed(OBJECT).await, ["release"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_is_answered_with_the_error() {
    let world = World::new().await;
    let body = json!({"artifact": "s3://releases/none", "async": true});
    let accepted = world.post("/artifacts/verify", &body, 202).await;
    let job = done(&world, accepted["location"].as_str().unwrap()).await;
    assert_eq!((&job["state"], &job["result"]), (&json!("failed"), &Value::Null));
    assert_eq!(job["error"]["code"], json!("no_such_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_survives_the_process_that_took_it() {
    let world = World::with(|config| config.supply_chain.verification_workers = 0).await;
    let accepted = world.post("/artifacts/verify", &json!({"artifact": OBJECT, "async": true}), 202).await;
    let id: Uuid = accepted["id"].as_str().unwrap().parse().unwrap();
    let index = &world.sidecar.app.index;
    // Somebody takes it and is never heard of again.
    assert_eq!(index.claim_verification(Duration::ZERO).await.unwrap().unwrap().id, id);
    assert_eq!(world.get(&format!("/verifications/{id}")).await["state"], json!("running"));
    let replica = world.sidecar.replica(|config| config.supply_chain.verification_workers = 1).await;
    let job = done(&world, accepted["location"].as_str().unwrap()).await;
    assert_eq!(job["state"], json!("done"), "{job}");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_how_many_may_wait_and_a_repeated_request_is_queued_once() {
    let world = World::with(|config| {
        config.supply_chain.verification_workers = 0;
        config.supply_chain.verification_queue = 1;
    })
    .await;
    let ask = || Ask::post("/-/api/v1/artifacts/verify").json(&json!({"artifact": OBJECT, "async": true}));
    let first = world.sidecar.as_root(&ask().header("idempotency-key", "one")).await.expect(202).json();
    let again = world.sidecar.as_root(&ask().header("idempotency-key", "one")).await.expect(202).json();
    assert_eq!(first, again);
    let refused = world.sidecar.as_root(&ask()).await.expect(503);
    assert_eq!(refused.json()["code"], json!("slow_down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_not_waited_for() {
    let world = World::with(|config| config.supply_chain.verification_timeout = Duration::ZERO).await;
    let refused = world.post("/artifacts/verify", &json!({"artifact": OBJECT}), 503).await;
    assert_eq!(refused["code"], json!("verification_pending"));
}
