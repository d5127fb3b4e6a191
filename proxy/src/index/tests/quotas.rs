//! What buckets hold, and what they may hold.

mod before;
mod concurrency;
mod model;

use super::*;
use crate::error::Result;

/// Puts an object of `size` bytes that no other has.
async fn put(index: &Index, bucket: &str, key: &str, size: u64) -> Result<Committed> {
    let none = BTreeMap::new();
    let pinned = match size {
        0 => None,
        _ => Some(pin_sized(index, bucket, &format!("{key} of {size}"), size).await),
    };
    let object = NewObject {
        bucket,
        key,
        blob: pinned.as_ref(),
        etag: key,
        checksums: &none,
        headers: &none,
        metadata: &none,
        tags: &none,
        storage_class: "STANDARD",
        owner: "root",
        conditions: WriteConditions::default(),
        lock: NewLock::default(),
        by: CreatedBy::Put,
        grace: NOW,
        audit: &[],
    };
    index.commit_object(object).await
}

/// The index takes sizes as they are told.
async fn pin_sized(index: &Index, bucket: &str, bytes: &str, size: u64) -> PinnedBlob {
    let request = PinRequest { bucket: bucket.to_owned(), digest: Digest::of(bytes.as_bytes()), size, shard: None };
    index.pin_blobs(&[request], LATER).await.unwrap().pop().unwrap().unwrap()
}

fn limits(bytes: impl Into<Option<u64>>, objects: impl Into<Option<u64>>) -> Quota {
    Quota { bytes: bytes.into(), objects: objects.into() }
}

async fn set(index: &Index, bucket: &str, quota: Quota) -> BucketQuota {
    let new = NewQuota { bucket, quota, expected: None, by: "root", audit: &[] };
    index.put_bucket_quota(new).await.unwrap()
}

async fn usage(index: &Index, bucket: &str) -> (u64, u64) {
    let Usage { bytes, objects } = index.bucket_quota(bucket).await.unwrap().usage;
    (bytes, objects)
}

impl World {
    async fn put_sized(&self, key: &str, size: u64) -> Result<Committed> {
        put(&self.index, "b", key, size).await
    }

    async fn limit(&self, bytes: impl Into<Option<u64>>, objects: impl Into<Option<u64>>) {
        set(&self.index, "b", limits(bytes, objects)).await;
    }

    async fn usage(&self) -> (u64, u64) {
        usage(&self.index, "b").await
    }

    /// Buckets of which something else is counted than is there; all of them in one snapshot.
    async fn counted_wrong(&self) -> i64 {
        self.count(
            "SELECT count(*) FROM usage_recounted AS truth
             CROSS JOIN LATERAL (
                 SELECT sum(bytes)::bigint AS bytes, sum(objects)::bigint AS objects
                 FROM bucket_usage WHERE bucket_id = truth.bucket_id
             ) AS counted
             WHERE (truth.bytes, truth.objects) IS DISTINCT FROM (counted.bytes, counted.objects)",
        )
        .await
    }

    async fn put_part_sized(&self, upload: &Upload, number: i32, size: u64) -> Result<()> {
        let pinned = pin_sized(&self.index, "b", &format!("part {number} of {size}"), size).await;
        self.put_pinned_part(upload, number, &number.to_string(), &pinned).await
    }
}

#[tokio::test]
async fn a_bucket_holds_what_was_put_replaced_and_copied_and_not_what_was_deleted() {
    let world = World::new().await;
    assert_eq!(world.usage().await, (0, 0));
    let put = world.put_sized("k", 10).await.unwrap();
    world.put_sized("empty", 0).await.unwrap();
    assert_eq!(world.usage().await, (10, 2));
    world.index.copy_object(world.copy(put.id, "copy")).await.unwrap();
    assert_eq!(world.usage().await, (20, 3));
    world.index.copy_object(world.copy(put.id, "k")).await.unwrap();
    world.put_sized("copy", 3).await.unwrap();
    assert_eq!(world.usage().await, (13, 3));
    let keys = ["k", "empty", "never"].map(str::to_owned);
    world.index.delete_objects("b", &keys, NOW, &[]).await.unwrap();
    assert_eq!(world.usage().await, (3, 1));
    world.index.empty_bucket("b", 100, "root", NOW, &[]).await.unwrap();
    assert_eq!((world.usage().await, world.counted_wrong().await), ((0, 0), 0));
}

#[tokio::test]
async fn parts_are_held_from_the_moment_they_are_there_until_they_go() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part_sized(&upload, 1, 100).await.unwrap();
    world.put_part_sized(&upload, 2, 50).await.unwrap();
    assert_eq!(world.usage().await, (150, 0));
    world.put_part_sized(&upload, 2, 20).await.unwrap();
    assert_eq!(world.usage().await, (120, 0));
    // A part that is left out goes with the completion, and so does the object that was there.
    world.put_sized("k", 7).await.unwrap();
    world.complete(&upload, &[(1, "1")], "e-1").await.unwrap();
    assert_eq!(world.usage().await, (100, 1));
    for given_up in ["aborted", "stale"] {
        let upload = world.begin_upload(given_up).await;
        world.put_part_sized(&upload, 1, 40).await.unwrap();
        assert_eq!(world.usage().await, (140, 1));
        match given_up {
            "aborted" => world.index.abort_upload("b", given_up, &upload.id, NOW, &[]).await.unwrap(),
            _ => assert_eq!(world.index.abort_stale_uploads(NOW, 10, NOW).await.unwrap(), 1),
        }
        assert_eq!(world.usage().await, (100, 1));
    }
    assert_eq!(world.counted_wrong().await, 0);
}

#[tokio::test]
async fn a_write_that_does_not_fit_is_refused_and_leaves_everything_as_it_was() {
    let world = World::new().await;
    world.limit(100, 2).await;
    let old = world.put_sized("k", 60).await.unwrap();
    world.put_sized("l", 40).await.unwrap();
    for (key, size) in [("k", 61), ("m", 1), ("m", 0)] {
        assert_code(world.put_sized(key, size).await, Code::QuotaExceeded);
    }
    assert_code(world.index.copy_object(world.copy(old.id, "m")).await, Code::QuotaExceeded);
    assert_code(world.index.copy_object(world.copy(old.id, "l")).await, Code::QuotaExceeded);
    assert_eq!(world.index.object("b", "k").await.unwrap().head.id, old.id);
    assert_eq!((world.usage().await, world.counted_wrong().await), ((100, 2), 0));
    // What does not grow is taken, and what goes makes room at once.
    world.put_sized("k", 60).await.unwrap();
    world.put_sized("k", 59).await.unwrap();
    world.index.delete_object("b", "l", NOW, &[]).await.unwrap();
    world.put_sized("m", 41).await.unwrap();
    assert_eq!((world.usage().await, world.lost_blobs().await), ((100, 2), 0));
}

#[tokio::test]
async fn a_refusal_says_which_limit_it_is_and_what_is_used() {
    let world = World::new().await;
    world.put_sized("k", 60).await.unwrap();
    for (quota, text, details) in [
        (
            limits(100, None),
            "The bucket may hold 100 bytes: it holds 60, and this would add 41.",
            [("Quota", "bytes"), ("Limit", "100"), ("Used", "60"), ("Added", "41")],
        ),
        (
            limits(None, 1),
            "The bucket may hold 1 objects: it holds 1, and this would add 1.",
            [("Quota", "objects"), ("Limit", "1"), ("Used", "1"), ("Added", "1")],
        ),
    ] {
        set(&world.index, "b", quota).await;
        let error = world.put_sized("l", 41).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::QuotaExceeded, text));
        assert_eq!(error.details().collect::<Vec<_>>(), details);
    }
}

#[tokio::test]
async fn parts_that_do_not_fit_are_refused_and_a_completion_needs_no_room_but_for_an_object() {
    let world = World::new().await;
    world.limit(100, 1).await;
    let upload = world.begin_upload("k").await;
    world.put_part_sized(&upload, 1, 60).await.unwrap();
    assert_code(world.put_part_sized(&upload, 2, 41).await, Code::QuotaExceeded);
    world.put_part_sized(&upload, 2, 40).await.unwrap();
    assert_code(world.put_part_sized(&upload, 1, 61).await, Code::QuotaExceeded);
    world.put_sized("other", 0).await.unwrap();
    let parts = [(1, "1"), (2, "2")];
    assert_code(world.complete(&upload, &parts, "e-2").await, Code::QuotaExceeded);
    world.index.delete_object("b", "other", NOW, &[]).await.unwrap();
    world.complete(&upload, &parts, "e-2").await.unwrap();
    assert_eq!((world.usage().await, world.counted_wrong().await), ((100, 1), 0));
    // Where no object has room the parts would be sent in vain; what replaces one needs none.
    assert_code(world.try_begin_upload("new").await, Code::QuotaExceeded);
    world.try_begin_upload("k").await.unwrap();
}

#[tokio::test]
async fn whoever_asks_before_sending_is_told_what_the_commit_would_say() {
    let world = World::new().await;
    world.limit(100, 1).await;
    world.put_sized("k", 60).await.unwrap();
    let ask = async |key: &str, size: u64| world.index.expect_room("b", key, size).await;
    ask("k", 100).await.unwrap();
    assert_code(ask("k", 101).await, Code::QuotaExceeded);
    assert_code(ask("l", 1).await, Code::QuotaExceeded);
    world.index.expect_room("none", "k", 1000).await.unwrap();
    let upload = world.begin_upload("k").await;
    world.put_part_sized(&upload, 1, 30).await.unwrap();
    let ask = async |part| world.index.upload("b", "k", &upload.id, part).await;
    ask(Some((1, 40))).await.unwrap();
    ask(None).await.unwrap();
    assert_code(ask(Some((1, 41))).await, Code::QuotaExceeded);
    assert_code(ask(Some((2, 11))).await, Code::QuotaExceeded);
    assert_code(world.index.upload("b", "l", &upload.id, Some((1, 1000))).await, Code::NoSuchUpload);
}

#[tokio::test]
async fn where_no_more_versions_are_kept_an_older_null_version_makes_room_for_the_next() {
    let world = World::new().await;
    let keep = async |versioning| world.index.put_bucket_versioning("b", versioning, &[]).await.unwrap();
    world.put_sized("k", 60).await.unwrap();
    keep(Versioning::Enabled).await;
    world.put_sized("k", 10).await.unwrap();
    world.limit(75, 2).await;
    assert_code(world.index.expect_room("b", "k", 1).await, Code::QuotaExceeded);
    keep(Versioning::Suspended).await;
    assert_code(world.index.expect_room("b", "k", 66).await, Code::QuotaExceeded);
    assert_code(world.index.expect_room("b", "l", 1).await, Code::QuotaExceeded);
    world.index.expect_room("b", "k", 65).await.unwrap();
    world.put_sized("k", 65).await.unwrap();
    assert_eq!((world.usage().await, world.counted_wrong().await), ((75, 2), 0));
}

#[tokio::test]
async fn a_limit_may_be_below_what_is_held_and_then_nothing_grows() {
    let world = World::new().await;
    world.put_sized("k", 60).await.unwrap();
    world.put_sized("l", 60).await.unwrap();
    let stands = set(&world.index, "b", limits(100, 1)).await;
    assert_eq!((stands.usage, stands.quota), (Usage { bytes: 120, objects: 2 }, limits(100, 1)));
    for (key, size) in [("k", 61), ("m", 0)] {
        assert_code(world.put_sized(key, size).await, Code::QuotaExceeded);
    }
    world.put_sized("k", 50).await.unwrap();
    world.put_sized("k", 50).await.unwrap();
    assert_code(world.put_sized("k", 51).await, Code::QuotaExceeded);
    assert_eq!(world.usage().await, (110, 2));
}

#[tokio::test]
async fn a_quota_changes_for_whoever_knows_its_version_and_ends_with_its_bucket() {
    let world = World::new().await;
    let put = async |expected: Option<i64>| {
        let new = NewQuota { bucket: "b", quota: limits(5, None), expected, by: "user/alice", audit: &[] };
        world.index.put_bucket_quota(new).await
    };
    assert_code(put(Some(7)).await, Code::PreconditionFailed);
    let first = put(Some(0)).await.unwrap();
    assert_code(put(Some(0)).await, Code::PreconditionFailed);
    let second = put(Some(first.version)).await.unwrap();
    assert_code(put(Some(first.version)).await, Code::PreconditionFailed);
    let stands = world.index.bucket_quota("b").await.unwrap();
    assert_eq!((stands.version, stands.changed_by.as_deref()), (second.version, Some("user/alice")));
    assert_code(world.index.delete_bucket_quota("b", Some(first.version), &[]).await, Code::PreconditionFailed);
    world.index.delete_bucket_quota("b", Some(second.version), &[]).await.unwrap();
    assert_code(world.index.delete_bucket_quota("b", None, &[]).await, Code::NoSuchEntity);
    world.put_sized("k", 1000).await.unwrap();
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();

    let third = put(None).await.unwrap();
    assert!(third.version > second.version, "a version that was is never again");
    assert_eq!(world.index.list_quotas("", "", 10).await.unwrap().0.len(), 1);
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_code(put(None).await, Code::NoSuchBucket);
    assert_code(world.index.bucket_quota("b").await, Code::NoSuchBucket);
    assert_eq!(world.count("SELECT count(*) FROM bucket_usage").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM bucket_quotas").await, 0);
}

#[tokio::test]
async fn a_bucket_is_made_with_a_quota_and_a_later_one_of_its_name_without() {
    let world = World::new().await;
    let made = NewBucket { quota: limits(10, 1), ..new_bucket("small") };
    world.index.create_bucket(made).await.unwrap();
    assert_code(put(&world.index, "small", "k", 11).await, Code::QuotaExceeded);
    put(&world.index, "small", "k", 10).await.unwrap();
    assert_code(put(&world.index, "small", "l", 0).await, Code::QuotaExceeded);
    world.index.empty_bucket("small", 10, "root", NOW, &[]).await.unwrap();
    world.index.delete_bucket("small", &[]).await.unwrap();
    world.index.create_bucket(new_bucket("small")).await.unwrap();
    put(&world.index, "small", "k", 11).await.unwrap();
    let beyond = NewBucket { quota: limits(u64::MAX, None), ..new_bucket("beyond") };
    assert_code(world.index.create_bucket(beyond).await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_recount_sets_right_what_was_counted_wrong() {
    let world = World::new().await;
    world.put_sized("k", 10).await.unwrap();
    assert_eq!(world.index.recount_usage("b", &[]).await.unwrap(), Drift { bytes: 0, objects: 0 });
    world.sql("UPDATE bucket_usage SET bytes = bytes + 5, objects = 7 WHERE stripe = 3").await;
    world.limit(20, None).await;
    let Drift { bytes, objects } = world.index.recount_usage("b", &[]).await.unwrap();
    assert!(bytes < 0 && objects < 0, "{bytes} {objects}");
    assert_eq!((world.usage().await, world.counted_wrong().await), ((10, 1), 0));
    // Rows that are lost are made again, and know of the limit.
    world.sql("DELETE FROM bucket_usage").await;
    assert_code(world.put_sized("l", 1).await, Code::InternalError);
    assert_eq!(world.index.recount_usage("b", &[]).await.unwrap(), Drift { bytes: 10, objects: 1 });
    world.put_sized("l", 10).await.unwrap();
    assert_code(world.put_sized("m", 1).await, Code::QuotaExceeded);
    assert_code(world.index.recount_usage("none", &[]).await, Code::NoSuchBucket);
}
