//! Units: statements that commit together or not at all.

use super::*;

#[tokio::test]
async fn what_is_done_in_a_unit_is_seen_by_others_once_it_is_committed() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    unit.index().create_bucket(new_bucket("two")).await.unwrap();
    assert_eq!(unit.index().bucket("one").await.unwrap().name, "one");
    assert_code(world.index.bucket("one").await, Code::NoSuchBucket);
    unit.commit().await.unwrap();
    assert_eq!(world.index.bucket("one").await.unwrap().name, "one");
    assert_eq!(world.index.bucket("two").await.unwrap().name, "two");
}

#[tokio::test]
async fn a_unit_that_is_dropped_leaves_nothing() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    drop(unit);
    world.index.create_bucket(new_bucket("one")).await.unwrap();
}

#[tokio::test]
async fn a_unit_is_undone_after_a_failure_and_goes_on() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    // Refused without a failure, then with one.
    assert_code(unit.index().create_bucket(new_bucket("b")).await, Code::BucketAlreadyOwnedByYou);
    assert_code(unit.index().bucket("a\0").await, Code::InvalidArgument);
    assert_code(unit.index().bucket("b").await, Code::InternalError);
    unit.undo().await.unwrap();
    unit.index().create_bucket(new_bucket("two")).await.unwrap();
    unit.commit().await.unwrap();
    assert_code(world.index.bucket("one").await, Code::NoSuchBucket);
    assert_eq!(world.index.bucket("two").await.unwrap().name, "two");
}

#[tokio::test]
async fn a_unit_that_is_abandoned_leaves_nothing_and_gives_its_connection_back() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    assert_code(unit.index().bucket("a\0").await, Code::InvalidArgument);
    let (connections, idle) = world.index.pool_use();
    unit.abandon().await;
    assert_eq!(world.index.pool_use(), (connections, idle + 1));
    assert_code(world.index.bucket("one").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_unit_with_a_failure_in_it_is_not_committed() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    assert_code(unit.index().bucket("a\0").await, Code::InvalidArgument);
    assert_code(unit.commit().await, Code::InternalError);
    assert_code(world.index.bucket("one").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_statement_that_is_given_up_ends_its_unit() {
    let world = World::new().await;
    let unit = world.index.begin().await.unwrap();
    unit.index().create_bucket(new_bucket("one")).await.unwrap();
    // Whoever makes a bucket of the same name waits for the first to end.
    let other = world.index.begin().await.unwrap();
    other.index().create_bucket(new_bucket("two")).await.unwrap();
    {
        let mut asking = std::pin::pin!(unit.index().create_bucket(new_bucket("two")));
        assert!(futures::poll!(&mut asking).is_pending());
    }
    other.abandon().await;
    assert_code(unit.index().bucket("one").await, Code::IndexUnavailable);
    assert_code(unit.commit().await, Code::InternalError);
    assert_code(world.index.bucket("one").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_request_is_claimed_until_its_unit_ends() {
    let world = World::new().await;
    let once = OnceRequest { owner: [1; 32], key: "k", request: [2; 32] };
    let (first, second) = (world.index.begin().await.unwrap(), world.index.begin().await.unwrap());
    assert_eq!(first.index().claim(&once, 10).await.unwrap(), Claimed::First);
    assert_code(second.index().claim(&once, 10).await, Code::IdempotencyKeyInUse);
    assert_eq!(second.index().claim(&OnceRequest { key: "l", ..once }, 10).await.unwrap(), Claimed::First);
    let kept = KeptAnswer { bytes: b"answer".to_vec(), ring_key: None };
    first.index().keep_answer(&once, &kept, LATER).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.index().claim(&once, 10).await.unwrap(), Claimed::Answered(kept));
    let other = OnceRequest { request: [3; 32], ..once };
    assert_code(second.index().claim(&other, 10).await, Code::IdempotencyMismatch);
    let another = OnceRequest { key: "m", ..once };
    assert_code(second.index().claim(&another, 1).await, Code::TooManyIdempotencyKeys);
}
