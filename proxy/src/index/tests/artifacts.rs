//! Digests of objects, and what refers to them.

use super::*;
use crate::index::{NewReferrer, ReferrerRef, Tagging};

/// The digest that a version has by its row.
async fn digests(world: &World, key: &str) -> (Option<Digest>, Option<Digest>) {
    let object = world.index.object("b", key).await.unwrap();
    (object.content_digest, object.oci_digest)
}

/// An object of two parts.
async fn put_in_parts(world: &World, key: &str) -> Committed {
    let upload = world.begin_upload(key).await;
    for (number, bytes) in [(1, "one"), (2, "two")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    world.complete(&upload, &[(1, "one"), (2, "two")], "etag-2").await.unwrap()
}

#[tokio::test]
async fn a_manifest_has_the_digest_that_its_row_says() {
    let world = World::new().await;
    let committed = world.put("folder/k", "hello").await;
    let artifact = world.index.artifact("b", "folder/k").await.unwrap();
    let manifest = artifact.manifest.unwrap();
    assert_eq!(Some(Digest::of(manifest.as_bytes())), committed.oci_digest);
    assert_eq!(digests(&world, "folder/k").await, (Some(Digest::of(b"hello")), committed.oci_digest));
    assert!(
        manifest.contains(&Digest::of(b"hello").to_string()) && manifest.contains(r#"image.title":"k""#),
        "{manifest}"
    );
    assert_code(world.index.artifact("b", "none").await, Code::NoSuchKey);
    assert_code(world.index.artifact("c", "k").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_version_of_parts_waits_in_the_queue_until_its_digest_is_settled() {
    let world = World::new().await;
    let committed = put_in_parts(&world, "k").await;
    assert_eq!((committed.oci_digest, digests(&world, "k").await), (None, (None, None)));
    assert_eq!(world.index.artifact("b", "k").await.unwrap().manifest, None);
    assert_eq!(world.index.claim_undigested(LATER).await.unwrap(), Some(committed.id));
    assert_eq!(world.index.claim_undigested(LATER).await.unwrap(), None, "somebody is at it");
    world.index.hold_undigested(committed.id, NOW).await.unwrap();
    assert_eq!(world.index.claim_undigested(LATER).await.unwrap(), Some(committed.id), "whoever was at it is gone");
    let digest = Digest::of(b"onetwo");
    let settled = world.index.settle_digest(committed.id, &digest).await.unwrap();
    assert_eq!(digests(&world, "k").await, (Some(digest), settled));
    assert_eq!(world.count("SELECT count(*) FROM undigested_objects").await, 0);
    let another = Digest::of(b"another");
    assert_eq!(world.index.settle_digest(committed.id, &another).await.unwrap(), settled, "it is said once");
    assert_eq!(world.index.settle_digest(committed.id + 1, &digest).await.unwrap(), None, "no such version");
}

#[tokio::test]
async fn a_version_that_goes_leaves_the_queue() {
    let world = World::new().await;
    put_in_parts(&world, "k").await;
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM undigested_objects").await, 0);
}

#[tokio::test]
async fn a_copy_has_the_digest_of_its_source_where_that_is_known() {
    let world = World::new().await;
    let source = put_in_parts(&world, "k").await;
    let digest = Digest::of(b"onetwo");
    let copied =
        world.index.copy_object(CopySource { content_digest: Some(digest), ..world.copy(source.id, "a/k") }).await;
    assert_eq!(digests(&world, "a/k").await, (Some(digest), copied.unwrap().oci_digest));
    assert_eq!(world.count("SELECT count(*) FROM undigested_objects").await, 1, "the source's is still to be found");
}

#[tokio::test]
async fn keys_are_found_by_digest_below_a_prefix_and_in_their_bucket_only() {
    let world = World::new().await;
    let digest = world.put("a/k", "same").await.oci_digest.unwrap();
    world.put("a/b/k", "same").await;
    world.put("c/k", "same").await;
    world.put("a/other", "same").await;
    let keys = async |bucket: &str, prefix: &str, limit| {
        let mut found = world.index.artifact_keys(bucket, prefix, &digest, limit).await.unwrap();
        found.keys.sort();
        assert_eq!(found.manifest.is_some(), !found.keys.is_empty());
        found.keys
    };
    assert_eq!(keys("b", "", 10).await, ["a/b/k", "a/k", "c/k"]);
    assert_eq!(keys("b", "a/", 10).await, ["a/b/k", "a/k"]);
    assert_eq!(keys("b", "", 1).await.len(), 1);
    assert!(keys("c", "", 10).await.is_empty());
    let mut same = world.index.content_keys("b", "a/", &Digest::of(b"same"), 10).await.unwrap();
    same.keys.sort();
    assert_eq!((same.keys.as_slice(), same.size), (&["a/b/k", "a/k", "a/other"].map(str::to_owned)[..], 4));
}

fn referrer<'a>(none: &'a BTreeMap<String, String>, name: &str, subject: &Digest) -> NewReferrer<'a> {
    NewReferrer {
        bucket: "b",
        digest: Digest::of(name.as_bytes()),
        subject: *subject,
        root: *subject,
        is_listed: true,
        kinds: &["other"],
        media_type: "a/b",
        artifact_type: Some("c/d"),
        size: 7,
        annotations: none,
        blobs: &[],
        owner: "root",
        most: 1000,
    }
}

#[tokio::test]
async fn a_referrer_is_seen_when_the_store_has_it_and_not_before() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let new = referrer(&world.none, "r", &subject);
    let list = async || world.index.list_referrers("b", &subject, &[], 0, 10).await.unwrap().referrers.len();
    let id = world.index.begin_referrer(&new).await.unwrap();
    assert_eq!(list().await, 0);
    assert!(world.index.referrer("b", ReferrerRef::Digest(&new.digest)).await.unwrap().is_none());
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    assert_eq!(list().await, 1);
    assert_eq!(world.index.begin_referrer(&new).await.unwrap(), id, "once more is the same");
    assert_eq!(list().await, 1);
    let missing = NewReferrer { bucket: "c", ..new };
    assert_code(world.index.begin_referrer(&missing).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_tag_is_taken_from_the_referrer_that_was_looked_at_and_from_no_other() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let named = async || {
        let found = world.index.referrer("b", ReferrerRef::Tag("t.att")).await.unwrap();
        found.map(|referrer| referrer.digest)
    };
    let push = async |name: &str, replaces: Option<i64>| {
        let new = NewReferrer { is_listed: false, ..referrer(&world.none, name, &subject) };
        let id = world.index.begin_referrer(&new).await.unwrap();
        let tagging = Some(Tagging { tag: "t.att", replaces });
        (id, world.index.store_referrer(id, tagging, &[], None).await)
    };
    let (first, stored) = push("first", None).await;
    stored.unwrap();
    push("first", None).await.1.unwrap();
    assert_code(push("second", None).await.1, Code::OperationAborted);
    let (second, stored) = push("second", Some(first)).await;
    stored.unwrap();
    assert_code(push("third", Some(first)).await.1, Code::OperationAborted);
    assert_eq!(named().await, Some(Digest::of(b"second")));
    push("third", Some(second)).await.1.unwrap();
    assert_eq!(named().await, Some(Digest::of(b"third")));
}

#[tokio::test]
async fn a_condemned_referrer_cannot_be_added_until_it_is_forgotten() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let new = referrer(&world.none, "r", &subject);
    let id = world.index.begin_referrer(&new).await.unwrap();
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    let home = world.index.referrer_repository("b").await.unwrap();
    let named = ReferrerRef::Digest(&new.digest);
    assert_eq!(world.index.condemn_referrer(&home, named, &[]).await.unwrap(), [new.digest]);
    assert_code(world.index.condemn_referrer(&home, named, &[]).await, Code::ManifestUnknown);
    assert_code(world.index.begin_referrer(&new).await, Code::OperationAborted);
    assert_code(world.index.store_referrer(id, None, &[], None).await, Code::OperationAborted);
    let claimed = world.index.claim_condemned_referrers(10).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].digest, claimed[0].is_named), (1, new.digest, false));
    assert!(world.index.claim_condemned_referrers(10).await.unwrap().is_empty(), "one sweeper has it");
    world.index.forget_referrer(claimed[0].id).await.unwrap();
    assert_ne!(world.index.begin_referrer(&new).await.unwrap(), id);
}

#[tokio::test]
async fn an_object_has_no_more_referrers_than_it_may_also_where_many_come_at_once() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let names: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let begin = |name: &String| {
        let new = NewReferrer { most: 3, ..referrer(&world.none, name, &subject) };
        let index = &world.index;
        async move { index.begin_referrer(&new).await }
    };
    let all = futures::future::join_all(names.iter().map(begin)).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 3);
    assert!(all.into_iter().filter_map(Result::err).all(|error| error.code() == Code::LimitExceeded));
    assert_eq!(world.index.bucket_quota("b").await.unwrap().usage.bytes, 5 + 3 * 7);
    assert_eq!(world.index.recount_usage("b", &[]).await.unwrap().bytes, 0);
}

#[tokio::test]
async fn pages_of_referrers_follow_each_other() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    for name in ["1", "2", "3", "4", "5"] {
        let id = world.index.begin_referrer(&referrer(&world.none, name, &subject)).await.unwrap();
        world.index.store_referrer(id, None, &[], None).await.unwrap();
    }
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let page = world.index.list_referrers("b", &subject, &[], after, 2).await.unwrap();
        found.extend(page.referrers.iter().map(|referrer| referrer.digest));
        after = page.referrers.last().unwrap().id;
        if !page.truncated {
            break;
        }
    }
    assert_eq!(found, ["1", "2", "3", "4", "5"].map(|name| Digest::of(name.as_bytes())));
    let of_type = async |wanted: &str| {
        world.index.list_referrers("b", &subject, &[wanted.to_owned()], 0, 10).await.unwrap().referrers.len()
    };
    assert_eq!((of_type("c/d").await, of_type("e/f").await), (5, 0));
}
