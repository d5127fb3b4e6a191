//! Verification policies, verdicts and when they count, and verifications that wait.

mod in_a_repository;
mod nearest;
mod setups;

use serde_json::json;
use time::{Duration as Span, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::index::{NewReferrer, ReferrerRef};

const POLICY: &str = r#"{"scope": ["s3://b/*"], "rules": []}"#;

fn bucket() -> SbomScope {
    SbomScope { kind: ScopeKind::Bucket, name: "b".to_owned() }
}

fn subject() -> Digest {
    Digest::of(b"manifest")
}

fn setup() -> Digest {
    Digest::of(b"roots")
}

fn at(now: OffsetDateTime) -> AsOf {
    AsOf { now, setup: setup() }
}

fn now() -> AsOf {
    at(OffsetDateTime::now_utc())
}

impl World {
    async fn verification_policy(&self, name: &str, document: &str) -> i64 {
        let new = NewVerificationPolicy { name, document, description: "", expected: None, by: "test", audit: &[] };
        self.index.put_verification_policy(new).await.unwrap()
    }

    async fn trust_changes(&self) {
        self.execute("UPDATE trust_revision SET revision = revision + 1").await;
    }

    async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.database.pool().unwrap()).await.unwrap();
    }

    /// As the triggers tell of the object: something was attached to it, or this was removed from it.
    async fn tell(&self, removed: Option<&Digest>) {
        let (subject, removed) = (subject(), removed.map(|digest| digest.as_bytes().to_vec()));
        sqlx::query("SELECT tell_verdicts('bucket', 'b', $1, $2)")
            .bind(subject.as_bytes().as_slice())
            .bind(removed)
            .execute(&self.database.pool().unwrap())
            .await
            .unwrap();
    }

    async fn passed(&self) -> Vec<String> {
        self.passed_and_lapsed().await.current
    }

    async fn passed_and_lapsed(&self) -> PassedPolicies {
        self.index.passed_policies(&bucket(), "k", &subject(), now()).await.unwrap()
    }

    async fn last(&self) -> StoredVerdict {
        self.index.verdict(&bucket(), "k", &subject(), "release", now()).await.unwrap().unwrap()
    }
}

/// A verdict of `release` on the object `k`, made now by all that there is.
struct Made {
    scope: SbomScope,
    key: &'static str,
    setup: Digest,
    subject: Digest,
    policy_digest: Digest,
    carrier: Digest,
    trust_revision: i64,
    now: OffsetDateTime,
}

impl Made {
    async fn new(world: &World) -> Self {
        Self {
            scope: bucket(),
            key: "k",
            setup: setup(),
            subject: subject(),
            policy_digest: Digest::of(POLICY.as_bytes()),
            carrier: Digest::of(b"carrier"),
            trust_revision: world.index.trust_revision().await.unwrap(),
            now: OffsetDateTime::now_utc(),
        }
    }

    fn verdict(&self) -> NewVerdict<'_> {
        NewVerdict {
            id: Uuid::new_v4(),
            scope: &self.scope,
            key: self.key,
            subject: &self.subject,
            policy: "release",
            policy_digest: &self.policy_digest,
            inputs_digest: &self.carrier,
            trust_revision: self.trust_revision,
            setup: &self.setup,
            passed: true,
            verdict: "{}",
            carriers: std::slice::from_ref(&self.carrier),
            summary: None,
            attached: None,
            host: None,
            made_at: self.now,
            made_by: "user/alice",
            valid_until: None,
            told_at: None,
            pause: NOW,
            is_to_be_signed: false,
            audit: &[],
        }
    }
}

/// A world with the policy `release`, which the object `k` passes.
async fn passing() -> (World, Made) {
    let world = World::new().await;
    world.verification_policy("release", POLICY).await;
    let made = Made::new(&world).await;
    assert_eq!(world.index.store_verdict(made.verdict()).await.unwrap(), None);
    assert_eq!(world.passed().await, ["release"]);
    (world, made)
}

#[tokio::test]
async fn a_policy_is_put_and_deleted_by_version_and_keeps_its_history() {
    let world = World::new().await;
    let put = |expected| NewVerificationPolicy {
        name: "release",
        document: POLICY,
        description: "what is released",
        expected,
        by: "user/alice",
        audit: &[],
    };
    assert_code(world.index.put_verification_policy(put(Some(7))).await, Code::PreconditionFailed);
    let version = world.index.put_verification_policy(put(Some(0))).await.unwrap();
    assert_code(world.index.put_verification_policy(put(Some(0))).await, Code::PreconditionFailed);
    let stored = world.index.verification_policy("release").await.unwrap().unwrap();
    assert_eq!((stored.version, stored.digest), (version, Digest::of(POLICY.as_bytes())));
    let later = world.index.put_verification_policy(put(Some(version))).await.unwrap();
    assert!(later > version);
    assert_code(
        world.index.delete_verification_policy("release", Some(version), "a", &[]).await,
        Code::PreconditionFailed,
    );
    world.index.delete_verification_policy("release", Some(later), "user/bob", &[]).await.unwrap();
    assert_code(world.index.delete_verification_policy("release", None, "a", &[]).await, Code::NoSuchEntity);
    let history = world.index.verification_policy_history("release", None, 10).await.unwrap();
    let changes: Vec<_> = history.iter().map(|entry| (entry.change.as_str(), entry.changed_by.as_str())).collect();
    assert_eq!(changes, [("delete", "user/bob"), ("put", "user/alice"), ("put", "user/alice")]);
    assert_eq!(history[1].state["document"], json!(POLICY));
    let before = world.index.verification_policy_history("release", Some(later), 10).await.unwrap();
    assert_eq!(before.len(), 1);
}

#[tokio::test]
async fn policies_are_listed_in_pages_and_there_are_only_so_many() {
    let world = World::new().await;
    for name in ["b", "a", "c"] {
        world.verification_policy(name, POLICY).await;
    }
    let names = async |prefix: &str, after: &str| {
        let found = world.index.list_verification_policies(prefix, after, 2).await.unwrap();
        found.into_iter().map(|policy| policy.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", "").await, ["a", "b"]);
    assert_eq!(names("", "b").await, ["c"]);
    assert_eq!(names("c", "").await, ["c"]);
    world
        .execute(
            "INSERT INTO verification_policies (name, document, digest, description, version, changed_by)
             SELECT 'more' || n, '{}', sha256(''), '', 1000 + n, 'test' FROM generate_series(1, 497) AS n",
        )
        .await;
    let new =
        NewVerificationPolicy { name: "d", document: POLICY, description: "", expected: None, by: "a", audit: &[] };
    assert_code(world.index.put_verification_policy(new).await, Code::LimitExceeded);
    world.verification_policy("a", POLICY).await;
}

#[tokio::test]
async fn a_verdict_counts_while_policy_trust_and_time_are_what_they_were() {
    let (world, made) = passing().await;
    assert!(world.last().await.counts);
    // Another text of the policy.
    world.verification_policy("release", r#"{"scope": ["s3://*"], "rules": []}"#).await;
    assert!(world.passed().await.is_empty() && !world.last().await.counts);
    assert_eq!(world.passed_and_lapsed().await.lapsed, ["release"], "it did pass");
    world.verification_policy("release", POLICY).await;
    assert_eq!(world.passed().await, ["release"]);
    // Another key that is believed, or not any more.
    world.trust_changes().await;
    assert!(world.passed().await.is_empty() && !world.last().await.counts);
    let again = Made::new(&world).await;
    let until = Some(again.now + Span::HOUR);
    world.index.store_verdict(NewVerdict { valid_until: until, ..again.verdict() }).await.unwrap();
    assert_eq!(world.passed().await, ["release"]);
    let later = again.now + Span::HOUR;
    assert!(
        world.index.passed_policies(&bucket(), "k", &subject(), at(later)).await.unwrap().current.is_empty(),
        "its time is over"
    );
    // One that has failed.
    world.index.store_verdict(NewVerdict { passed: false, ..again.verdict() }).await.unwrap();
    assert_eq!(world.passed_and_lapsed().await, PassedPolicies::default());
    assert_eq!(world.count("SELECT count(*) FROM verdicts").await, 1, "the last of each policy is kept");
    let other = SbomScope { kind: ScopeKind::Repository, name: "b".to_owned() };
    let elsewhere = world.index.passed_policies(&other, "k", &made.subject, at(made.now)).await.unwrap();
    assert_eq!(elsewhere, PassedPolicies::default());
}

#[tokio::test]
async fn a_verdict_goes_with_its_policy_and_its_bucket() {
    let (world, _) = passing().await;
    world.index.delete_verification_policy("release", None, "test", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM verdicts").await, 0);
    let (world, made) = passing().await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM verdicts").await, 0);
    assert_code(world.index.store_verdict(made.verdict()).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn what_is_removed_withdraws_the_verdicts_that_rest_on_it_at_once() {
    let (world, made) = passing().await;
    let tell = async |removed: Option<&[u8]>| {
        let removed = removed.map(Digest::of);
        world.tell(removed.as_ref()).await;
    };
    tell(None).await;
    assert_eq!(world.passed().await, ["release"], "something was attached: nothing is taken away");
    tell(Some(b"something else")).await;
    assert_eq!(world.passed().await, ["release"]);
    tell(Some(b"carrier")).await;
    assert!(world.passed().await.is_empty());
    // Made anew by what is there now; and told of once more while it was being made.
    let told_at = world.last().await.told_at;
    world.index.store_verdict(NewVerdict { told_at, ..made.verdict() }).await.unwrap();
    assert_eq!((world.passed().await.len(), world.last().await.told_at), (1, None));
    tell(Some(b"carrier")).await;
    world.index.store_verdict(NewVerdict { told_at: None, ..made.verdict() }).await.unwrap();
    assert!(world.passed().await.is_empty(), "whoever looked before that does not know");
}

#[tokio::test]
async fn what_refers_to_an_object_tells_its_verdicts_by_itself() {
    let world = World::new().await;
    world.verification_policy("release", POLICY).await;
    let object = world.put("k", "hello").await.oci_digest.unwrap();
    let made = Made { subject: object, ..Made::new(&world).await };
    let passed = async || world.index.passed_policies(&bucket(), "k", &object, now()).await.unwrap().current.len();
    let told = async || {
        world.index.verdict(&bucket(), "k", &object, "release", now()).await.unwrap().unwrap().told_at.is_some()
    };
    let attach = async |name: &'static str, owner: &'static str| {
        let new = NewReferrer {
            bucket: "b",
            digest: Digest::of(name.as_bytes()),
            subject: object,
            root: object,
            is_listed: true,
            kinds: &["signature"],
            media_type: "a/b",
            artifact_type: None,
            size: 1,
            annotations: &world.none,
            blobs: &[],
            owner,
            most: 1000,
        };
        let id = world.index.begin_referrer(&new).await.unwrap();
        world.index.store_referrer(id, None, &[], None).await.unwrap();
    };
    world.index.store_verdict(made.verdict()).await.unwrap();
    attach("verdict", "user/system/verdicts").await;
    assert!(!told().await, "what the service attaches as a verdict is no evidence");
    attach("carrier", "user/alice").await;
    assert!(told().await);
    assert_eq!(passed().await, 1);
    let repository = world.index.referrer_repository("b").await.unwrap();
    let carrier = Digest::of(b"carrier");
    world.index.condemn_referrer(&repository, ReferrerRef::Digest(&carrier), &[]).await.unwrap();
    assert_eq!(passed().await, 0);
}

#[tokio::test]
async fn a_verdict_that_lapsed_is_taken_by_one_and_rests_when_it_fails() {
    let (world, made) = passing().await;
    let claim = async || world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap();
    assert_eq!(claim().await, None, "nothing has happened");
    world.trust_changes().await;
    let lapsed = claim().await.unwrap();
    assert_eq!((lapsed.key.as_str(), lapsed.policy.as_str(), lapsed.attempts), ("k", "release", 1));
    assert_eq!(claim().await, None, "somebody is at it");
    world.index.hold_verdict(lapsed.id, NOW).await.unwrap();
    assert_eq!(claim().await.unwrap().attempts, 2);
    // Made anew: nothing is due until its time is over.
    let again = Made::new(&world).await;
    let until = Some(again.now - Span::SECOND);
    world.index.store_verdict(NewVerdict { valid_until: until, ..again.verdict() }).await.unwrap();
    assert!(claim().await.is_some(), "its time is over");
    world.index.store_verdict(NewVerdict { passed: false, valid_until: until, ..again.verdict() }).await.unwrap();
    assert_eq!(claim().await, None, "what has failed fails on");
    world.tell(None).await;
    let lapsed = claim().await.unwrap();
    world.index.confirm_verdict(lapsed.id, world.last().await.told_at.unwrap()).await.unwrap();
    world.index.hold_verdict(lapsed.id, NOW).await.unwrap();
    assert_eq!(claim().await, None, "and it is said that nothing has changed");
    world.index.forget_verdict(lapsed.id).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM verdicts").await, 0);
    let _ = made;
}

#[tokio::test]
async fn another_text_of_a_policy_has_its_verdicts_made_anew() {
    let (world, _) = passing().await;
    world.verification_policy("release", POLICY).await;
    assert_eq!(world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap(), None, "the same text again");
    world.verification_policy("release", "{}").await;
    assert!(world.index.claim_lapsed_verdict(LATER, &setup()).await.unwrap().is_some());
}

#[tokio::test]
async fn verdicts_that_count_no_longer_are_forgotten_after_a_while() {
    let (world, made) = passing().await;
    assert_eq!(world.index.forget_old_verdicts(NOW, 10).await.unwrap(), 0, "one that counts stays");
    world.trust_changes().await;
    assert_eq!(world.index.forget_old_verdicts(LATER, 10).await.unwrap(), 0);
    assert_eq!(world.index.forget_old_verdicts(NOW, 10).await.unwrap(), 1);
    world.index.store_verdict(NewVerdict { passed: false, ..made.verdict() }).await.unwrap();
    assert_eq!(world.index.forget_old_verdicts(NOW, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn the_manifest_of_the_verdict_before_is_given_back() {
    let (world, made) = passing().await;
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    assert_eq!(world.index.store_verdict(NewVerdict { attached: Some(&one), ..made.verdict() }).await.unwrap(), None);
    let summary: &[u8] = b"bundle";
    let second = NewVerdict { attached: Some(&two), summary: Some(summary), ..made.verdict() };
    let id = second.id;
    assert_eq!(world.index.store_verdict(second).await.unwrap(), Some(one));
    let stored = world.index.verdict_by_id(id, at(made.now)).await.unwrap().unwrap();
    assert_eq!((stored.attached, stored.summary.as_deref()), (Some(two), Some(summary)));
    assert_eq!(world.index.verdict_by_id(Uuid::new_v4(), at(made.now)).await.unwrap(), None);
}

#[tokio::test]
async fn the_verdicts_on_an_artifact_are_listed_by_policy() {
    let (world, made) = passing().await;
    for policy in ["a", "z"] {
        world.index.store_verdict(NewVerdict { policy, ..made.verdict() }).await.unwrap();
    }
    world.index.store_verdict(NewVerdict { key: "other", ..made.verdict() }).await.unwrap();
    let page = async |after: &str| {
        let as_of = at(made.now);
        let (found, more) = world.index.verdicts_of(&bucket(), "k", &subject(), (after, 2), as_of).await.unwrap();
        (found.into_iter().map(|verdict| (verdict.policy, verdict.counts)).collect::<Vec<_>>(), more)
    };
    assert_eq!(page("").await, (vec![("a".to_owned(), false), ("release".to_owned(), true)], true));
    assert_eq!(page("release").await, (vec![("z".to_owned(), false)], false));
}

#[tokio::test]
async fn a_verification_waits_for_one_who_carries_it_out_and_its_answer_for_who_asked() {
    let world = World::new().await;
    let id = Uuid::new_v4();
    let queue = async |id: Uuid| world.index.queue_verification(id, ("s3://b/k", "{}"), "user/alice", 1, &[]).await;
    queue(id).await.unwrap();
    assert_code(queue(Uuid::new_v4()).await, Code::SlowDown);
    let taken = world.index.claim_verification(NOW).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.attempts, taken.artifact.as_str()), (id, 1, "s3://b/k"));
    let again = world.index.claim_verification(LATER).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 2), "whoever was at it is gone");
    assert_eq!(world.index.claim_verification(LATER).await.unwrap(), None);
    world.index.put_off_verification(id, NOW).await.unwrap();
    assert!(world.index.claim_verification(LATER).await.unwrap().is_some());
    assert_eq!(world.index.verification(id).await.unwrap().unwrap().status, None);
    world.index.finish_verification(id, 200, r#"{"passed":true}"#).await.unwrap();
    world.index.finish_verification(id, 500, "{}").await.unwrap();
    let done = world.index.verification(id).await.unwrap().unwrap();
    assert_eq!(
        (done.status, done.answer.as_deref()),
        (Some(200), Some(r#"{"passed":true}"#)),
        "the first answer stays"
    );
    assert_eq!(world.index.claim_verification(LATER).await.unwrap(), None);
    queue(Uuid::new_v4()).await.unwrap();
    assert_eq!(world.index.forget_verifications(LATER, 10).await.unwrap(), 0);
    assert_eq!(world.index.forget_verifications(NOW, 10).await.unwrap(), 1);
    assert_eq!(world.index.verification(id).await.unwrap(), None);
}
