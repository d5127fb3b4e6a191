//! Whose verdict is the word on an artifact: its own before that of an index, and of an object that of its key.

use super::*;
use crate::index::NewEvidence;

fn repository() -> SbomScope {
    SbomScope { kind: ScopeKind::Repository, name: "team/app".to_owned() }
}

#[tokio::test]
async fn what_an_artifact_has_failed_itself_it_does_not_pass_by_the_index_that_lists_it() {
    let world = World::new().await;
    world.verification_policy("release", POLICY).await;
    let index = Made { scope: repository(), key: "", ..Made::new(&world).await };
    world.index.store_verdict(index.verdict()).await.unwrap();
    let child = Digest::of(b"child");
    let found = NewEvidence {
        scope: &repository(),
        subject: &subject(),
        listed_at: index.now,
        is_whole: true,
        is_evidence: false,
        children: &[child],
        carriers: &[],
        pieces: &[],
        again: None,
    };
    world.index.store_evidence(&found).await.unwrap();
    let passed = async || world.index.passed_policies(&repository(), "", &child, now()).await.unwrap();
    assert_eq!(passed().await.current, ["release"], "nothing is said of it itself");
    let own = Made { subject: child, ..index };
    world.index.store_verdict(NewVerdict { passed: false, ..own.verdict() }).await.unwrap();
    assert_eq!(passed().await, PassedPolicies::default(), "it has failed");
    let other = Digest::of(b"another text");
    let lapsed = NewVerdict { passed: false, policy_digest: &other, ..own.verdict() };
    world.index.store_verdict(lapsed).await.unwrap();
    assert_eq!(passed().await, PassedPolicies::default(), "it has failed by another text");
    world.index.store_verdict(NewVerdict { policy_digest: &other, ..own.verdict() }).await.unwrap();
    assert_eq!(passed().await.lapsed, ["release"], "it did pass");
    world.index.store_verdict(own.verdict()).await.unwrap();
    assert_eq!(passed().await.current, ["release"]);
}

#[tokio::test]
async fn the_same_bytes_under_another_key_pass_nothing_by_the_verdict_on_the_first() {
    let (world, made) = passing().await;
    let passed = async |key: &str| world.index.passed_policies(&bucket(), key, &subject(), now()).await.unwrap();
    assert_eq!(passed("k").await.current, ["release"]);
    assert_eq!(passed("prod/k").await, PassedPolicies::default(), "a policy may be for the first key alone");
    world.index.store_verdict(NewVerdict { key: "prod/k", ..made.verdict() }).await.unwrap();
    assert_eq!(passed("prod/k").await.current, ["release"]);
}
