//! Object lock: what stays, whoever wants it gone.

use time::OffsetDateTime;

use super::*;

fn days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(days)
}

fn governed(until: i64) -> Retention {
    Retention { mode: RetentionMode::Governance, until: days(until) }
}

fn complied(until: i64) -> Retention {
    Retention { mode: RetentionMode::Compliance, until: days(until) }
}

/// A bucket `l` that locks objects.
async fn locking() -> World {
    let world = World::new().await;
    world.index.create_bucket(NewBucket { object_lock: true, ..new_bucket("l") }).await.unwrap();
    world
}

async fn put(world: &World, key: &str, lock: NewLock) -> String {
    let new = NewObject { bucket: "l", lock, ..world.new_object(key, None) };
    world.index.commit_object(new).await.unwrap().version_id.unwrap()
}

async fn remove(world: &World, key: &str, version: &str, bypass: bool) -> Result<Deleted, Error> {
    let wanted = [Deletion { version: Some(version), bypass, ..Deletion::of(key) }];
    world.index.delete_versions("l", &wanted, BY, &[]).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn a_bucket_that_locks_objects_keeps_versions_for_good() {
    let world = locking().await;
    assert_eq!(world.index.bucket_versioning("l").await.unwrap(), Versioning::Enabled);
    let suspended = world.index.put_bucket_versioning("l", Versioning::Suspended, &[]).await;
    assert_code(suspended, Code::InvalidBucketState);
    assert_eq!(world.index.object_lock("l").await.unwrap(), Some(None));
    assert_eq!(world.index.object_lock("b").await.unwrap(), None);
    assert_code(world.index.object_lock("none").await, Code::NoSuchBucket);
    let default = DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Years(2) };
    assert_code(world.index.put_object_lock("b", Some(default), &[]).await, Code::InvalidBucketState);
    world.index.put_bucket_versioning("b", Versioning::Enabled, &[]).await.unwrap();
    world.index.put_object_lock("b", Some(default), &[]).await.unwrap();
    assert_eq!(world.index.object_lock("b").await.unwrap(), Some(Some(default)));
}

#[tokio::test]
async fn what_is_retained_is_hidden_and_not_removed() {
    let world = locking().await;
    let lock = |retention| NewLock { retention: Some(retention), legal_hold: None };
    let (soft, hard) = (put(&world, "soft", lock(governed(1))).await, put(&world, "hard", lock(complied(1))).await);
    for (key, version) in [("soft", &soft), ("hard", &hard)] {
        assert_code(remove(&world, key, version, false).await, Code::AccessDenied);
        let hidden = world.index.delete_object("l", key, NOW, &[]).await.unwrap();
        assert!(hidden.delete_marker, "a delete without a version hides what is locked");
        world.index.version("l", key, Some(version)).await.unwrap();
    }
    assert_code(remove(&world, "hard", &hard, true).await, Code::AccessDenied);
    assert!(remove(&world, "soft", &soft, true).await.unwrap().existed);
}

#[tokio::test]
async fn a_legal_hold_holds_until_it_is_lifted() {
    let world = locking().await;
    let version = put(&world, "k", NewLock { retention: None, legal_hold: Some(true) }).await;
    assert_code(remove(&world, "k", &version, true).await, Code::AccessDenied);
    let place = ("l", "k", Some(version.as_str()));
    world.index.put_object_legal_hold(place, false, &[]).await.unwrap();
    world.index.put_object_legal_hold(place, true, &[]).await.unwrap();
    assert!(world.index.object("l", "k").await.unwrap().head.legal_hold);
    world.index.put_object_legal_hold(("l", "k", None), false, &[]).await.unwrap();
    assert!(remove(&world, "k", &version, false).await.unwrap().existed);
    assert_code(world.index.put_object_legal_hold(place, true, &[]).await, Code::NoSuchVersion);
}

#[tokio::test]
async fn retention_grows_and_shrinks_only_for_those_who_bypass_governance() {
    let world = locking().await;
    let version = put(&world, "k", NewLock { retention: Some(governed(10)), legal_hold: None }).await;
    let place = ("l", "k", Some(version.as_str()));
    let change = |retention, bypass| world.index.put_object_retention(place, retention, bypass, &[]);
    change(Some(governed(20)), false).await.unwrap();
    assert_code(change(Some(governed(5)), false).await, Code::AccessDenied);
    assert_code(change(None, false).await, Code::AccessDenied);
    change(Some(governed(5)), true).await.unwrap();
    change(None, true).await.unwrap();
    assert_eq!(world.index.object("l", "k").await.unwrap().head.retention, None);
    change(Some(governed(5)), false).await.unwrap();
    assert_code(change(Some(complied(6)), false).await, Code::AccessDenied);
    change(Some(complied(6)), true).await.unwrap();
    for weaker in [None, Some(governed(50)), Some(complied(1))] {
        assert_code(change(weaker, true).await, Code::AccessDenied);
    }
    change(Some(complied(7)), false).await.unwrap();
}

#[tokio::test]
async fn new_versions_are_locked_as_the_bucket_says_unless_their_writer_does() {
    let world = locking().await;
    let default = DefaultRetention { mode: RetentionMode::Governance, period: RetentionPeriod::Days(3) };
    world.index.put_object_lock("l", Some(default), &[]).await.unwrap();
    let own = NewLock { retention: Some(complied(9)), legal_hold: Some(true) };
    put(&world, "default", NewLock::default()).await;
    put(&world, "own", own).await;
    let of = async |key: &str| world.index.object("l", key).await.unwrap().head;
    let (like_bucket, as_said) = (of("default").await, of("own").await);
    let retention = like_bucket.retention.unwrap();
    assert_eq!((retention.mode, (retention.until - days(3)).whole_minutes()), (RetentionMode::Governance, 0));
    assert_eq!((as_said.retention.unwrap().mode, as_said.legal_hold), (RetentionMode::Compliance, true));
    let copy = CopySource { bucket: "l", ..world.copy(as_said.id, "copy") };
    world.index.copy_object(copy).await.unwrap();
    let copied = of("copy").await;
    assert_eq!((copied.retention.unwrap().mode, copied.legal_hold), (RetentionMode::Governance, false));
}

#[tokio::test]
async fn where_nothing_is_locked_nothing_can_be() {
    let world = locking().await;
    let lock = NewLock { retention: Some(governed(1)), legal_hold: None };
    let new = NewObject { lock, ..world.new_object("k", None) };
    assert_code(world.index.commit_object(new).await, Code::ObjectLockMissing);
    assert_code(world.index.object("b", "k").await, Code::NoSuchKey);
    world.put("k", "k").await;
    assert_code(world.index.put_object_retention(("b", "k", None), None, false, &[]).await, Code::ObjectLockMissing);
    assert_code(world.index.put_object_legal_hold(("b", "k", None), true, &[]).await, Code::ObjectLockMissing);
    let upload = NewUpload { lock, ..world.new_upload("k") };
    assert_code(world.index.create_upload(upload).await, Code::ObjectLockMissing);
}

#[tokio::test]
async fn no_path_removes_what_is_locked() {
    let world = locking().await;
    let version = put(&world, "k", NewLock { retention: Some(complied(1)), legal_hold: None }).await;
    put(&world, "other", NewLock::default()).await;
    assert_code(world.index.empty_bucket("l", 10, NOW, &[]).await, Code::AccessDenied);
    assert_code(world.index.delete_bucket("l", &[]).await, Code::BucketNotEmpty);
    world.index.object("l", "other").await.unwrap();
    let refused = sqlx::query("SELECT remove_objects(ARRAY(SELECT id FROM objects), 0)")
        .execute(&world.database.pool().unwrap())
        .await;
    let refused = refused.unwrap_err().into_database_error().unwrap();
    assert_eq!(refused.code().as_deref(), Some("ZA006"));
    world.index.version("l", "k", Some(&version)).await.unwrap();
}
