//! Objects that are signed as they are put, because a rule of their bucket wants it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use zas_proxy::supply_chain::manifest::legacy_tag;
use zas_proxy::supply_chain::verify::Accept;

use crate::ask::Ask;
use crate::support::{expected, outcome};
use crate::world::{Thing, World};

const RULES: &str = "/buckets/releases/signing-rules";
const QUEUE: &str = "/buckets/releases/signing-queue";

impl World {
    async fn rules(&self, rules: Value) -> Value {
        self.api(Method::PUT, RULES, &json!({ "rules": rules })).await.expect(200).json()
    }

    /// The signatures of an artifact, once there are so many.
    async fn signatures(&self, thing: &Thing, many: usize) -> Vec<Value> {
        for _ in 0..600 {
            let found = self.referrers(thing, "&kind=signature").await;
            if found.len() >= many {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} is not signed: {}", thing.name, self.get(QUEUE).await.body);
    }

    /// Waits until nothing waits to be signed, or so much was given up.
    async fn queue_with(&self, failed: u64) -> Value {
        for _ in 0..600 {
            let rules = self.get(RULES).await.expect(200).json();
            if rules["waiting"] == json!(0) && rules["failed"] == json!(failed) {
                return self.get(QUEUE).await.expect(200).json();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{}", self.get(QUEUE).await.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_rule_is_about_are_signed_as_they_are_put_and_others_are_not() {
    let world = World::new().await;
    let before = world.object("before.tgz", "bytes").await;
    world.rules(json!([{"name": "tarballs", "suffix": ".tgz", "key": "release"}])).await;
    let whole = world.object("linux/app.tgz", "bytes").await;
    let other = world.object("linux/app.txt", "bytes of a text").await;
    let in_parts = world.object_in_parts("linux/parts.tgz", "bytes that came in parts").await;
    let believer = world.believer("release").await;
    for thing in [whole, in_parts] {
        let signature = &world.signatures(&thing, 1).await[0];
        let bundle = world.document(&thing, signature["digest"].as_str().unwrap()).await.expect(200);
        for digest in [thing.digest, thing.content.unwrap()] {
            let artifacts = [digest];
            outcome(&believer, bundle.body.as_bytes(), &expected(&artifacts, Accept::Signature)).unwrap();
        }
        let query =
            "SELECT record FROM audit_event WHERE record LIKE '%\"supply:Sign\"%' AND record LIKE '%' || $1 || '%'";
        let digest = signature["digest"].as_str().unwrap();
        let records: Vec<String> = sqlx::query_scalar(query).bind(digest).fetch_all(&world.sidecar.pool).await.unwrap();
        assert_eq!(records.len(), 2, "an intent and its outcome: {records:#?}");
        assert!(records.iter().all(|record| record.contains("user/system/signing-rules")), "{records:#?}");
        for part in [r#""kind":"outcome""#, "signed with release/1", "signing rule tarballs of the bucket releases"] {
            assert_eq!(records.iter().filter(|record| record.contains(part)).count(), 1, "{part}: {records:#?}");
        }
    }
    assert_eq!(world.queue_with(0).await["objects"], json!([]));
    for thing in [before, other] {
        assert_eq!(world.referrers(&thing, "").await, [] as [Value; 0], "{}", thing.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_put_again_are_not_signed_again_and_other_bytes_are() {
    let world = World::new().await;
    world.rules(json!([{"name": "all", "key": "release", "legacy": true}])).await;
    let thing = world.object("app", "bytes").await;
    let signatures = world.signatures(&thing, 2).await;
    assert!(signatures.iter().any(|one| one["tag"] == json!(legacy_tag(&thing.digest, "sig"))), "{signatures:?}");
    world.object("app", "bytes").await;
    world.queue_with(0).await;
    assert_eq!(world.referrers(&thing, "&kind=signature").await.len(), 2);
    assert_eq!(world.legacy_layers(&thing, "sig").await.len(), 1);
    let other = world.object("app", "other bytes").await;
    assert_ne!(other.digest, thing.digest);
    world.signatures(&other, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_signs_beside_a_vendors_older_signature_once_and_hides_it_by_no_bundle() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    world.signed_by_a_vendor(&thing).await;
    world.rules(json!([{"name": "all", "key": "release"}])).await;
    for _ in 0..2 {
        world.object("app", "bytes").await;
        world.queue_with(0).await;
        assert_eq!(world.legacy_layers(&thing, "sig").await.len(), 2, "the vendor's and ours");
        assert_eq!(world.bundles(&thing).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_is_given_up_in_sight_of_all_and_tried_again_when_somebody_asks() {
    let world = World::with(|config| config.supply_chain.rule_attempts = 1).await;
    world.rules(json!([{"name": "all", "key": "release"}])).await;
    let generation = "/signing-keys/release/generations/1";
    world.api(Method::PATCH, generation, &json!({"disabled": true})).await.expect(200);
    let thing = world.object("app", "bytes").await;
    let queue = world.queue_with(1).await;
    let failed = &queue["objects"][0];
    assert_eq!((&failed["key"], &failed["rule"], &failed["state"]), (&json!("app"), &json!("all"), &json!("failed")));
    assert_eq!((&failed["attempts"], &failed["due_at"]), (&json!(1), &Value::Null));
    assert!(failed["error"].is_string() && failed["failed_at"].is_string(), "{failed}");
    assert_eq!(world.get(&format!("{QUEUE}?state=waiting")).await.json()["objects"], json!([]));
    let metrics = world.send(Ask::get("/-/metrics")).await.expect(200).body;
    assert!(metrics.contains(r#"zas_signing_rule_objects_total{outcome="given_up"}"#), "{metrics}");

    world.api(Method::PATCH, generation, &json!({"disabled": false})).await.expect(200);
    let retried = world.api(Method::POST, &format!("{QUEUE}/retry"), &Value::Null).await.expect(200).json();
    assert_eq!(retried, json!({"retried": 1}));
    world.signatures(&thing, 1).await;
    assert_eq!(world.queue_with(0).await["objects"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlasts_the_process_and_is_signed_by_another() {
    let world = World::with(|config| config.supply_chain.sign_by_rules = false).await;
    world.rules(json!([{"name": "all", "key": "release"}])).await;
    let thing = world.object("app", "bytes").await;
    let rules = world.get(RULES).await.expect(200).json();
    assert_eq!((&rules["waiting"], &rules["failed"]), (&json!(1), &json!(0)));
    // Somebody takes it and ends without a word.
    assert!(world.sidecar.app.index.claim_signing(Duration::from_secs(1)).await.unwrap().is_some());
    let other = world.sidecar.replica(|config| config.supply_chain.sign_by_rules = true).await;
    world.signatures(&thing, 1).await;
    other.stop().await;
    assert_eq!(world.queue_with(0).await["objects"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_before_it_is_signed_waits_no_longer() {
    let world = World::with(|config| config.supply_chain.sign_by_rules = false).await;
    world.rules(json!([{"name": "all", "key": "release"}])).await;
    world.object("app", "bytes").await;
    world.send(Ask::delete("/releases/app")).await.expect(204);
    assert_eq!(world.get(QUEUE).await.expect(200).json()["objects"], json!([]));
    world.object("app", "bytes").await;
    world.api(Method::DELETE, RULES, &Value::Null).await.expect(204);
    assert_eq!(world.get(RULES).await.expect(200).json()["waiting"], json!(0));
}
