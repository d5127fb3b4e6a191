//! Signing rules of buckets, and the objects that wait for them.

use super::*;
use crate::index::{NewReferrer, NewSigningRules, SigningBacklog, SigningEnd, SigningRule, SigningRules, SigningTask};

/// A rule about every key.
fn rule(name: &str) -> SigningRule {
    SigningRule {
        name: name.to_owned(),
        prefix: String::new(),
        suffix: String::new(),
        media_type: None,
        key_name: "release".to_owned(),
        legacy: false,
    }
}

impl World {
    async fn rules(&self, rules: &[SigningRule]) -> SigningRules {
        self.try_rules("b", rules, None).await.unwrap()
    }

    async fn try_rules(
        &self,
        bucket: &str,
        rules: &[SigningRule],
        expected: Option<i64>,
    ) -> Result<SigningRules, Error> {
        self.index.put_signing_rules(NewSigningRules { bucket, rules, expected, by: "user/alice", audit: &[] }).await
    }

    /// Puts an object of a content type.
    async fn put_typed(&self, key: &str, content_type: &str) {
        let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        let pinned = self.pin(key, LATER).await;
        let new = NewObject { headers: &headers, ..self.new_object(key, Some(&pinned)) };
        self.index.commit_object(new).await.unwrap();
    }

    /// What waits: key and rule.
    async fn waiting(&self) -> Vec<(String, String)> {
        let (queued, _) = self.index.signing_queue("b", Some(false), 0, 100).await.unwrap();
        queued.into_iter().map(|queued| (queued.key, queued.rule)).collect()
    }

    async fn claim(&self) -> Option<SigningTask> {
        self.index.claim_signing(LATER).await.unwrap()
    }

    async fn backlog(&self) -> (u64, u64) {
        let SigningBacklog { waiting, failed } = self.index.signing_backlog(Some("b")).await.unwrap();
        (waiting, failed)
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, rule)| ((*key).to_owned(), (*rule).to_owned())).collect()
}

#[tokio::test]
async fn an_object_waits_for_each_rule_that_is_about_its_key_and_its_type() {
    let world = World::new().await;
    let of_type = |name: &str, kind: &str| SigningRule { media_type: Some(kind.to_owned()), ..rule(name) };
    world
        .rules(&[
            SigningRule { prefix: "linux/".into(), suffix: ".tgz".into(), ..rule("tarballs") },
            SigningRule { prefix: "100%_".into(), ..rule("no-pattern") },
            of_type("images", "image/*"),
            of_type("gzip", "application/gzip"),
        ])
        .await;
    for (key, kind, rules) in [
        ("linux/app.tgz", "text/plain", vec!["tarballs"]),
        ("linux/app.tgz.sig", "text/plain", vec![]),
        ("app.tgz", "application/gzip", vec!["gzip"]),
        ("linux/é.tgz", "Application/GZIP; q=1", vec!["tarballs", "gzip"]),
        ("100%_sure", "text/plain", vec!["no-pattern"]),
        ("100xxsure", "text/plain", vec![]),
        ("a.png", "image/png", vec!["images"]),
        ("imagery", "imagery/png", vec![]),
        (".tgz", "text/plain", vec![]),
    ] {
        world.put_typed(key, kind).await;
        let mut found: Vec<String> =
            world.waiting().await.into_iter().filter(|(waits, _)| waits == key).map(|(_, rule)| rule).collect();
        found.sort_by_key(|name| rules.iter().position(|rule| rule == name));
        assert_eq!(found, rules, "{key} {kind}");
    }
}

#[tokio::test]
async fn an_object_waits_exactly_where_it_is_committed_and_only_as_long_as_it_is_there() {
    let world = World::new().await;
    world.put("before", "1").await;
    world.rules(&[rule("all")]).await;
    assert_eq!(world.waiting().await, [], "what is there already is not signed");
    let pinned = world.pin("2", LATER).await;
    let refused = NewObject {
        conditions: WriteConditions { absent: true, ..WriteConditions::default() },
        ..world.new_object("before", Some(&pinned))
    };
    assert_code(world.index.commit_object(refused).await, Code::PreconditionFailed);
    assert_eq!(world.waiting().await, []);

    world.put("k", "1").await;
    let source = world.put("k", "2").await.id;
    assert_eq!(world.waiting().await, pairs(&[("k", "all")]), "one key, one version");
    let upload = world.begin_upload("parts").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    world.complete(&upload, &[(1, "one")], "etag-1").await.unwrap();
    world.index.copy_object(world.copy(source, "copy")).await.unwrap();
    assert_eq!(world.waiting().await, pairs(&[("k", "all"), ("parts", "all"), ("copy", "all")]));
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    assert_eq!(world.waiting().await, pairs(&[("parts", "all"), ("copy", "all")]));

    world.rules(&[rule("all"), rule("other")]).await;
    assert_eq!(world.backlog().await, (2, 0), "a rule that stays keeps what waits for it");
    world.rules(&[rule("other")]).await;
    assert_eq!(world.backlog().await, (0, 0));
    world.put("late", "1").await;
    world.index.delete_signing_rules("b", None, &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM signing_queue").await, 0);
    world.put("later", "1").await;
    assert_eq!(world.count("SELECT count(*) FROM signing_queue").await, 0);
}

#[tokio::test]
async fn one_at_a_time_has_an_object_and_whoever_ends_without_a_word_leaves_it_to_others() {
    let world = World::new().await;
    world.rules(&[SigningRule { legacy: true, ..rule("all") }]).await;
    let put = world.put("k", "1").await.id;
    let gone = world.index.claim_signing(NOW).await.unwrap().unwrap();
    let task = world.claim().await.unwrap();
    assert_eq!(SigningTask { attempts: 1, ..task.clone() }, gone, "the lease of whoever had it has ended");
    let expected = SigningTask {
        id: task.id,
        attempts: 2,
        object_id: put,
        bucket: "b".into(),
        key: "k".into(),
        version_id: "null".into(),
        rule: "all".into(),
        key_name: "release".into(),
        legacy: true,
    };
    assert_eq!(task, expected);
    assert_eq!(world.claim().await, None, "somebody is at it");
    assert_eq!(world.index.artifact("b", "k").await.unwrap().object_id, task.object_id);
    world.put("k", "2").await;
    assert_ne!(world.index.artifact("b", "k").await.unwrap().object_id, task.object_id, "another object by this name");
    let other = world.claim().await.unwrap();
    assert_ne!((other.id, other.object_id), (task.id, task.object_id), "it waits by itself");
    world.index.end_signing(other.id, &SigningEnd::Done).await.unwrap();
    world.index.end_signing(task.id, &SigningEnd::Done).await.unwrap();
    assert_eq!((world.claim().await, world.backlog().await), (None, (0, 0)));
    world.index.end_signing(task.id, &SigningEnd::Done).await.unwrap();
}

#[tokio::test]
async fn many_who_take_at_once_take_different_objects() {
    let world = World::new().await;
    world.rules(&[rule("all")]).await;
    for key in ["a", "b", "c", "d", "e"] {
        world.put(key, key).await;
    }
    let claims = futures::future::join_all((0..8).map(|_| world.claim())).await;
    let mut keys: Vec<String> = claims.into_iter().flatten().map(|task| task.key).collect();
    keys.sort();
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn what_fails_comes_again_and_what_was_given_up_only_when_it_is_asked_for() {
    let world = World::new().await;
    world.rules(&[rule("all")]).await;
    world.put("k", "1").await;
    let first = world.claim().await.unwrap();
    world.index.end_signing(first.id, &SigningEnd::PutOff(NOW)).await.unwrap();
    let again = world.claim().await.unwrap();
    assert_eq!(again.attempts, 1, "that it was not its time is no attempt");
    world.index.end_signing(again.id, &SigningEnd::Retry(LATER, "no key".into())).await.unwrap();
    assert_eq!(world.claim().await, None);
    world.index.end_signing(again.id, &SigningEnd::Retry(NOW, "no key".into())).await.unwrap();
    let second = world.claim().await.unwrap();
    assert_eq!(second.attempts, 2);
    world.index.end_signing(second.id, &SigningEnd::GiveUp("still no key".into())).await.unwrap();
    assert_eq!((world.claim().await, world.backlog().await), (None, (0, 1)));
    assert_eq!(world.index.signing_backlog(None).await.unwrap(), SigningBacklog { waiting: 0, failed: 1 });
    let (queued, more) = world.index.signing_queue("b", Some(true), 0, 1).await.unwrap();
    let failed = &queued[0];
    assert_eq!((failed.error.as_deref(), failed.failed_at.is_some(), more), (Some("still no key"), true, false));
    assert_eq!(world.index.signing_queue("b", None, failed.id, 1).await.unwrap(), (Vec::new(), false));

    assert_code(world.index.retry_signing("c", &[]).await, Code::NoSuchBucket);
    assert_eq!(world.index.retry_signing("b", &[]).await.unwrap(), 1);
    assert_eq!(world.index.retry_signing("b", &[]).await.unwrap(), 0);
    assert_eq!((world.claim().await.unwrap().attempts, world.backlog().await), (1, (1, 0)));
}

#[tokio::test]
async fn rules_are_replaced_where_they_are_what_was_expected() {
    let world = World::new().await;
    assert_eq!(world.index.signing_rules("b").await.unwrap().version, 0);
    assert_code(world.index.signing_rules("c").await, Code::NoSuchBucket);
    assert_code(world.try_rules("c", &[], None).await, Code::NoSuchBucket);
    assert_code(world.try_rules("b", &[], Some(1)).await, Code::PreconditionFailed);
    let first = world.try_rules("b", &[rule("b"), rule("a")], Some(0)).await.unwrap();
    assert_eq!(first, world.index.signing_rules("b").await.unwrap());
    let second = world.try_rules("b", &[rule("b")], Some(first.version)).await.unwrap();
    assert_code(world.try_rules("b", &[], Some(first.version)).await, Code::PreconditionFailed);
    assert_code(world.index.delete_signing_rules("b", Some(first.version), &[]).await, Code::PreconditionFailed);
    world.index.delete_signing_rules("b", Some(second.version), &[]).await.unwrap();
    assert_code(world.index.delete_signing_rules("b", None, &[]).await, Code::NoSuchEntity);
    let third = world.rules(&[]).await;
    assert!(third.version > second.version, "no version comes twice");
}

#[tokio::test]
async fn rules_that_change_while_objects_are_put_keep_nobody_from_putting() {
    let world = World::new().await;
    world.rules(&[rule("all")]).await;
    let put = async {
        for number in 0..20 {
            world.put(&format!("k{number}"), "1").await;
        }
    };
    let change = async {
        for number in 0..20 {
            world.rules(&[rule(if number % 2 == 0 { "other" } else { "all" })]).await;
        }
    };
    tokio::join!(put, change);
    let orphans = "SELECT count(*) FROM signing_queue AS q WHERE NOT EXISTS (SELECT FROM signing_rules AS r WHERE r.id = q.rule_id)";
    assert_eq!(world.count(orphans).await, 0);
}

#[tokio::test]
async fn what_somebody_has_attached_is_found_by_owner_and_annotation() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let annotations = BTreeMap::from([("made-with".to_owned(), "release/1".to_owned())]);
    let digest = Digest::of(b"signature");
    let new = NewReferrer {
        bucket: "b",
        digest,
        subject,
        root: subject,
        is_listed: true,
        kinds: &["signature"],
        media_type: "a/b",
        artifact_type: None,
        size: 7,
        annotations: &annotations,
        blobs: &[],
        owner: "user/system/signing-rules",
        most: 10,
    };
    let found = async |bucket: &str, subject: &Digest, owner: &str, value: &str| {
        world.index.has_attached(bucket, subject, owner, ("made-with", value)).await.unwrap()
    };
    let ours = "user/system/signing-rules";
    let id = world.index.begin_referrer(&new).await.unwrap();
    assert!(!found("b", &subject, ours, "release/1").await, "it is not there yet");
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    assert!(found("b", &subject, ours, "release/1").await);
    assert!(!found("b", &subject, ours, "release/2").await, "by another key");
    assert!(!found("b", &subject, "user/alice", "release/1").await, "by somebody else");
    assert!(!found("b", &Digest::of(b"other"), ours, "release/1").await);
    assert!(!found("c", &subject, ours, "release/1").await);
}
