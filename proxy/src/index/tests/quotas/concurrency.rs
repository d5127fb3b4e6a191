//! Many writers at once: a limit holds to the byte, and where it is far away nobody waits.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::future::join_all;

use super::super::concurrency::deadlocks;
use super::*;

/// The indexes of two replicas.
fn replicas(world: &World) -> [Index; 2] {
    [world.database.index().unwrap(), world.database.index().unwrap()]
}

/// Looks until `done`, in one snapshot after the other, that no more is there than the limits allow, and that it is counted.
async fn watch(world: &World, done: &AtomicBool, looks: &AtomicU32, quota: Quota) {
    let pool = world.database.pool().unwrap();
    while !done.load(Ordering::Relaxed) {
        let (bytes, objects, wrong): (i64, i64, bool) = sqlx::query_as(
            "SELECT truth.bytes, truth.objects, (truth.bytes, truth.objects) IS DISTINCT FROM (counted.bytes, counted.objects)
             FROM usage_recounted AS truth
             CROSS JOIN LATERAL (
                 SELECT sum(bytes)::bigint AS bytes, sum(objects)::bigint AS objects
                 FROM bucket_usage WHERE bucket_id = truth.bucket_id
             ) AS counted",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert!(!wrong, "{bytes} bytes and {objects} objects are not what is counted");
        assert!(quota.bytes.is_none_or(|limit| bytes.unsigned_abs() <= limit), "{bytes} bytes");
        assert!(quota.objects.is_none_or(|limit| objects.unsigned_abs() <= limit), "{objects} objects");
        looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Looks in which a violation must show while writers are at it.
const LOOKS: u32 = 5;

/// Thirty-two writers on two replicas put objects of the sizes that `size` gives, each until one of its own is refused and
/// somebody has looked; gives what was taken.
async fn fill(world: &World, quota: Quota, size: impl Fn(usize) -> u64) -> (u64, u64) {
    set(&world.index, "b", quota).await;
    let (replicas, done, looks) = (replicas(world), AtomicBool::new(false), AtomicU32::new(0));
    let writer = async |turn: usize| {
        let (index, mut taken) = (&replicas[turn % 2], (0, 0));
        for step in 0.. {
            let size = size(turn + step);
            match put(index, "b", &format!("{turn}/{step}"), size).await {
                Ok(_) => taken = (taken.0 + size, taken.1 + 1),
                Err(error) => {
                    assert_eq!(error.code(), Code::QuotaExceeded, "{}", error.for_log());
                    if looks.load(Ordering::Relaxed) >= LOOKS {
                        break;
                    }
                }
            }
        }
        taken
    };
    let writers = async {
        let taken = join_all((0..32).map(writer)).await;
        done.store(true, Ordering::Relaxed);
        taken.into_iter().fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1))
    };
    let (taken, ()) = tokio::join!(writers, watch(world, &done, &looks, quota));
    assert_eq!((taken, world.counted_wrong().await), (world.usage().await, 0));
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_two_replicas_fill_a_bucket_to_the_last_object_and_no_further() {
    let world = World::new().await;
    assert_eq!(fill(&world, limits(None, 333), |_| 0).await, (0, 333));
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_two_replicas_fill_a_bucket_to_the_last_byte_and_no_further() {
    let world = World::new().await;
    // A step of this limit is 7 bytes: the first nine tenths are put by writers that wait for nobody.
    assert_eq!(fill(&world, limits(7 * 512, None), |_| 7).await, (7 * 512, 512));
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_all_sizes_leave_less_room_than_the_smallest_that_was_refused() {
    let world = World::new().await;
    let (bytes, _) = fill(&world, limits(5000, None), |i| [3, 9, 27, 81, 243][i % 5]).await;
    assert!((5000 - 243..=5000).contains(&bytes), "{bytes}");
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_set_while_writers_are_at_it_holds_from_then_on() {
    let world = World::new().await;
    let (replicas, stop) = (replicas(&world), AtomicBool::new(false));
    let writer = async |turn: usize| {
        for step in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = put(&replicas[turn % 2], "b", &format!("{turn}/{step}"), 10).await {
                assert_eq!(error.code(), Code::QuotaExceeded, "{}", error.for_log());
            }
        }
    };
    let setter = async {
        for round in 1..=10_u64 {
            let limit = round * 400;
            let stands = set(&world.index, "b", limits(limit, None)).await;
            let most = limit.max(stands.usage.bytes);
            for _ in 0..10 {
                let (bytes, _) = world.usage().await;
                assert!(bytes <= most, "{bytes} of {most}");
            }
            if round % 3 == 0 {
                world.index.delete_bucket_quota("b", None, &[]).await.unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(setter, join_all((0..16).map(writer)));
    assert_eq!((world.counted_wrong().await, deadlocks(&world).await), (0, 0));
}

/// Runs a statement in a transaction that stays open.
async fn begun(world: &World, statement: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = world.database.pool().unwrap().begin().await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    transaction
}

/// How long something is looked at that must not get any further.
const WHILE: Duration = Duration::from_millis(300);

/// Longer than anything takes that nobody holds up.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_writer_far_from_a_limit_waits_for_nobody_and_one_near_it_for_all() {
    let world = World::new().await;
    // No writer's own row, and one of those that whoever is near locks.
    const OTHER: &str = "SELECT FROM bucket_usage WHERE stripe = 0 FOR UPDATE";
    for far in [limits(None, None), limits(100_000, 10_000)] {
        if far != Quota::default() {
            set(&world.index, "b", far).await;
        }
        let other = begun(&world, OTHER).await;
        let put = tokio::time::timeout(PATIENCE, world.put_sized("far", 10)).await;
        put.expect("far from a limit a writer waits").unwrap();
        world.index.delete_object("b", "far", NOW, &[]).await.unwrap();
        other.rollback().await.unwrap();
    }
    for (key, near) in [("bytes", limits(100, None)), ("objects", limits(None, 20))] {
        set(&world.index, "b", near).await;
        let other = begun(&world, OTHER).await;
        let mut put = std::pin::pin!(world.put_sized(key, 10));
        assert!(tokio::time::timeout(WHILE, &mut put).await.is_err(), "near the limit of {key} a writer does not wait");
        other.rollback().await.unwrap();
        put.await.unwrap();
        // What takes nothing away from anybody waits for nobody.
        let other = begun(&world, OTHER).await;
        let delete = tokio::time::timeout(PATIENCE, world.index.delete_object("b", key, NOW, &[])).await;
        assert!(delete.expect("a delete waits").unwrap().existed);
        other.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn whoever_sets_a_limit_waits_for_writers_that_do_not_know_of_it() {
    let world = World::new().await;
    let commit =
        "SELECT commit_object('b', 'k', 10, 'e', NULL, NULL, NULL, '{}', '{}', '{}', 'STANDARD', 'o', false, NULL, 0)";
    let writer = begun(&world, commit).await;
    let mut set = std::pin::pin!(set(&world.index, "b", limits(10, None)));
    assert!(tokio::time::timeout(WHILE, &mut set).await.is_err(), "it did not wait");
    writer.commit().await.unwrap();
    assert_eq!(set.await.usage, Usage { bytes: 10, objects: 1 });
    assert_code(world.put_sized("l", 1).await, Code::QuotaExceeded);
}

#[tokio::test]
async fn a_writer_that_meets_a_new_limit_is_run_again_and_refused() {
    let world = World::new().await;
    for old in [limits(None, None), limits(1 << 30, None)] {
        if old.bytes.is_some() {
            set(&world.index, "b", old).await;
        }
        let setter = begun(&world, "SELECT put_bucket_quota('b', 5, NULL, NULL, 'o')").await;
        let mut put = std::pin::pin!(world.put_sized("k", 10));
        assert!(tokio::time::timeout(WHILE, &mut put).await.is_err(), "it did not wait");
        setter.commit().await.unwrap();
        assert_code(put.await, Code::QuotaExceeded);
    }
    assert_eq!(world.usage().await, (0, 0));
}

#[tokio::test]
async fn a_recount_waits_for_another_and_no_writer_for_either() {
    let world = World::new().await;
    world.sql("UPDATE bucket_usage SET bytes = bytes + 100 WHERE stripe = 0").await;
    // What a recount holds from its first moment on, while it counts.
    let other = begun(&world, "SELECT FROM buckets WHERE name = 'b' FOR NO KEY UPDATE").await;
    let mut recount = std::pin::pin!(world.index.recount_usage("b", &[]));
    assert!(tokio::time::timeout(WHILE, &mut recount).await.is_err(), "it did not wait");
    let put = tokio::time::timeout(PATIENCE, world.put_sized("k", 10)).await;
    put.expect("a writer waits for a recount").unwrap();
    other.commit().await.unwrap();
    assert_eq!(recount.await.unwrap(), Drift { bytes: -100, objects: 0 });
    assert_eq!((world.usage().await, world.counted_wrong().await), ((10, 1), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn recounts_find_nothing_to_set_right_while_writers_are_at_it() {
    let world = World::new().await;
    let replicas = replicas(&world);
    let writer = async |turn: usize| {
        for step in 0..40 {
            put(&replicas[turn % 2], "b", &format!("{}", step % 7), (turn + step) as u64).await.unwrap();
            if step % 5 == 0 {
                replicas[turn % 2].delete_object("b", &format!("{}", turn % 7), NOW, &[]).await.unwrap();
            }
        }
    };
    let recounter = async || {
        for _ in 0..10 {
            let drift = world.index.recount_usage("b", &[]).await.unwrap();
            assert_eq!(drift, Drift { bytes: 0, objects: 0 });
        }
    };
    tokio::join!(join_all((0..8).map(writer)), recounter(), recounter());
    // And what they find is added once, however many look.
    world.sql("UPDATE bucket_usage SET bytes = bytes + 100 WHERE stripe = 0").await;
    let found = join_all((0..4).map(|_| world.index.recount_usage("b", &[]))).await;
    let found: i64 = found.into_iter().map(|drift| drift.unwrap().bytes).sum();
    assert_eq!((found, world.counted_wrong().await, deadlocks(&world).await), (-100, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_near_a_limit_neither_blocks_nor_exceeds_it() {
    let world = World::new().await;
    let (quota, done, looks) = (limits(300, 12), AtomicBool::new(false), AtomicU32::new(0));
    set(&world.index, "b", quota).await;
    let keys: Vec<String> = (0..16).map(|i| format!("k{i}")).collect();
    let refused = |result: Result<()>| match result {
        Err(error) if ![Code::QuotaExceeded, Code::NoSuchKey, Code::NoSuchUpload].contains(&error.code()) => {
            panic!("{}", error.for_log())
        }
        _ => {}
    };
    let writer = async |turn: usize| {
        for step in 0..40 {
            let (key, other) = (&keys[(turn * 3 + step) % 16], &keys[(turn * 5 + 7 * step) % 16]);
            match (turn + step) % 6 {
                0 | 1 => refused(world.put_sized(key, (7 * step % 60) as u64).await.map(drop)),
                2 => {
                    if let Ok(source) = world.index.object("b", key).await {
                        refused(world.index.copy_object(world.copy(source.head.id, other)).await.map(drop));
                    }
                }
                3 => {
                    let mut order = keys.clone();
                    order.rotate_left(turn);
                    order.truncate(4);
                    drop(world.index.delete_objects("b", &order, NOW, &[]).await.unwrap());
                }
                4 => {
                    let Ok(upload) = world.try_begin_upload(key).await else { continue };
                    refused(world.put_part_sized(&upload, 1, 20).await);
                    refused(world.complete(&upload, &[(1, "1")], "e-1").await.map(drop).or_else(invalid_part));
                }
                _ => {
                    let Ok(upload) = world.try_begin_upload(key).await else { continue };
                    refused(world.put_part_sized(&upload, 1, 30).await);
                    world.index.abort_stale_uploads(NOW, 5, NOW).await.unwrap();
                }
            }
        }
    };
    let writers = async {
        join_all((0..12).map(writer)).await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(writers, watch(&world, &done, &looks, quota));
    assert!(looks.into_inner() > 0, "nobody has looked");
    assert_eq!((world.counted_wrong().await, world.lost_blobs().await, deadlocks(&world).await), (0, 0, 0));
}

/// An upload whose only part was refused, or given up by another writer.
fn invalid_part(error: Error) -> Result<()> {
    if error.code() == Code::InvalidPart { Ok(()) } else { Err(error) }
}
