//! Verdicts by other trusted roots or rules about logs, and those that could not be signed.

use super::*;

#[tokio::test]
async fn a_verdict_by_other_roots_counts_for_nothing_and_is_made_anew() {
    let (world, made) = passing().await;
    let other = AsOf { setup: Digest::of(b"other roots"), ..now() };
    let passed = world.index.passed_policies(&bucket(), "k", &subject(), other).await.unwrap();
    assert_eq!((passed.current.len(), passed.lapsed), (0, vec!["release".to_owned()]));
    let last = world.index.verdict(&bucket(), "k", &subject(), "release", other).await.unwrap().unwrap();
    assert_eq!((last.counts, last.setup), (false, setup()));
    assert_eq!(world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap(), None, "nobody verifies otherwise");
    let lapsed = world.index.claim_lapsed_verdict(LATER, &other.setup).await.unwrap().unwrap();
    assert_eq!(lapsed.key, "k");
    let again = Made { setup: other.setup, ..made };
    world.index.store_verdict(again.verdict()).await.unwrap();
    let passed = world.index.passed_policies(&bucket(), "k", &subject(), other).await.unwrap();
    assert_eq!(passed.current, ["release"]);
    assert!(world.passed().await.is_empty(), "by the roots before");
}

#[tokio::test]
async fn replicas_of_two_configurations_take_a_verdict_from_each_other_once_an_hour() {
    let (world, made) = passing().await;
    let other = Digest::of(b"other roots");
    let again = Made { setup: other, ..made };
    // What the other has refused may be what passes here.
    world.index.store_verdict(NewVerdict { passed: false, ..again.verdict() }).await.unwrap();
    let claim = async || world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap();
    assert_eq!(claim().await, None, "it was made just now");
    world.execute("UPDATE verdicts SET setup_changed_at = setup_changed_at - interval '2 hours'").await;
    assert!(claim().await.is_some());
    assert_eq!(claim().await, None, "somebody is at it");
}

#[tokio::test]
async fn one_that_could_not_be_signed_takes_the_place_of_the_one_before_and_is_made_anew_after_a_while() {
    let (world, made) = passing().await;
    let unsigned = NewVerdict { passed: false, is_to_be_signed: true, pause: LATER, ..made.verdict() };
    world.index.store_verdict(unsigned).await.unwrap();
    assert_eq!(world.passed_and_lapsed().await, PassedPolicies::default());
    let claim = async || world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap();
    assert_eq!(claim().await, None, "it rests");
    world.execute("UPDATE verdicts SET held_until = now()").await;
    assert!(claim().await.is_some());
    let told_at = world.last().await.told_at;
    assert!(told_at.is_some());
    world.index.store_verdict(NewVerdict { told_at, ..made.verdict() }).await.unwrap();
    assert_eq!((world.passed().await.len(), claim().await), (1, None), "it is signed");
}
