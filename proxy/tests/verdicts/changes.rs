//! Verdicts that are kept, and what makes them count no longer.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::world::{OBJECT, World, until, why};

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_given_again_until_something_changes() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    let first = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!(first["cached"], json!(false));
    let second = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!((&second["id"], &second["cached"], &second["rules"]), (&first["id"], &json!(true), &first["rules"]));
    world.sign(OBJECT).await;
    let third = world.verify(OBJECT).await["verdict"].clone();
    assert_ne!(third["id"], first["id"], "there is more evidence");
    world.policy(json!([{"name": "again", "signatures": {"signers": ["signing-key/release"]}}])).await;
    let fourth = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!((&fourth["rules"][0]["name"], &fourth["cached"]), (&json!("again"), &json!(false)));
    let listed = world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await;
    assert_eq!((listed["verdicts"].as_array().unwrap().len(), &listed["verdicts"][0]["id"]), (1, &fourth["id"]));
    world.ask(Method::GET, &format!("/verdicts/{}", first["id"].as_str().unwrap()), &Value::Null).await.expect(404);
    let shown = world.get(&format!("/verdicts/{}", fourth["id"].as_str().unwrap())).await;
    assert_eq!((&shown["counts"], &shown["rules"]), (&json!(true), &fourth["rules"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_takes_the_verdicts_that_rest_on_it_along() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    assert_eq!(world.passed(OBJECT).await, ["release"]);
    world.post("/signing-keys/release/generations/1/revoke", &json!({"reason": "stolen"}), 200).await;
    assert!(world.passed(OBJECT).await.is_empty(), "at once");
    assert!(world.refresh().await);
    let listed = world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await;
    assert_eq!(
        (&listed["verdicts"][0]["passed"], &listed["verdicts"][0]["made_by"]),
        (&json!(false), &json!("user/system/verdicts"))
    );
    assert!(!world.refresh().await, "what has failed is not made anew for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_added_leaves_nothing_without_a_verdict_for_long() {
    let world = World::with(|config| config.supply_chain.refresh_verdicts = true).await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    world.post("/signing-keys", &json!({"name": "another", "usage": "release"}), 201).await;
    let passes = async {
        while world.passed(OBJECT).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), passes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_removed_takes_the_verdict_along() {
    let world = World::new().await;
    world.signed_by_release().await;
    let signed = world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    assert_eq!(world.passed(OBJECT).await, ["release"]);
    let path =
        format!("/artifacts/attestations/{}?artifact={OBJECT}", signed["signatures"][0]["digest"].as_str().unwrap());
    world.ask(Method::DELETE, &path, &Value::Null).await.expect(204);
    assert!(world.passed(OBJECT).await.is_empty(), "at once");
    assert_eq!(why(&world.verify(OBJECT).await), ["no_evidence"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_comes_later_has_the_verdict_made_anew_by_itself() {
    let world = World::new().await;
    world.signed_by_release().await;
    assert_eq!(world.verify(OBJECT).await["verdict"]["passed"], json!(false));
    assert!(!world.refresh().await, "nothing has happened");
    world.sign(OBJECT).await;
    assert!(world.refresh().await);
    assert_eq!(world.passed(OBJECT).await, ["release"]);
    assert!(!world.refresh().await, "a verdict that is attached is no evidence");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_to_an_image_and_removed_from_it_changes_its_verdicts() {
    let world = World::new().await;
    world.signed_by_release().await;
    let image = world.push_image().await;
    assert_eq!(world.verify(&image).await["verdict"]["passed"], json!(false));
    assert!(!world.refresh().await, "nothing has happened");
    let signed = world.sign(&image).await;
    let passes = async || world.refresh().await && world.passed(&image).await == ["release"];
    until("a signature has the verdict made anew by itself", passes).await;
    let looked_at = async || {
        let attached = "SELECT count(*) FROM evidence AS e JOIN verdicts AS v ON v.attached = e.carrier";
        let count: i64 = sqlx::query_scalar(attached).fetch_one(&world.sidecar.pool).await.unwrap();
        count == 1
    };
    until("the verdict that was attached is looked at", looked_at).await;
    assert!(!world.refresh().await, "a verdict that is attached is no evidence");
    let path =
        format!("/artifacts/attestations/{}?artifact={image}", signed["signatures"][0]["digest"].as_str().unwrap());
    world.ask(Method::DELETE, &path, &Value::Null).await.expect(204);
    assert!(world.passed(&image).await.is_empty(), "at once");
    assert_eq!(why(&world.verify(&image).await), ["no_evidence"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_the_same_name_have_no_verdict_and_the_same_ones_keep_theirs() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    world.put_object("releases/linux/app.tgz", "something else").await;
    assert!(world.passed(OBJECT).await.is_empty());
    assert_eq!(why(&world.verify(OBJECT).await), ["no_evidence"]);
    world.put_object("releases/linux/app.tgz", "the application").await;
    assert_eq!(world.passed(OBJECT).await, ["release"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_changed_has_its_verdicts_made_anew() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    world.policy(json!([{"name": "tested", "tests": {"signers": ["signing-key/reports"]}}])).await;
    assert!(world.passed(OBJECT).await.is_empty());
    assert!(world.refresh().await);
    let listed = world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await;
    assert_eq!(listed["verdicts"][0]["rules"][0]["name"], json!("tested"));
    world.ask(Method::DELETE, "/verification-policies/release", &Value::Null).await.expect(204);
    assert_eq!(world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await["verdicts"], json!([]));
}
