use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn each_request_of_a_batch_has_its_own_answer_in_its_place() {
    let world = World::new().await;
    let requests = [
        ("b", "one", None),
        ("missing", "two", None),
        ("b", "one", None),
        ("b", "three", Some(3)),
        ("b", "four", Some(9)),
    ]
    .map(|(bucket, bytes, shard)| pin_request(bucket, bytes, shard));
    let mut answers = world.index.pin_blobs(&requests, LATER).await.unwrap().into_iter();
    let first = answers.next().unwrap().unwrap();
    assert_code(answers.next().unwrap(), Code::NoSuchBucket);
    let again = answers.next().unwrap().unwrap();
    assert_eq!(first.blob, again.blob);
    assert_ne!(first.pin_id, again.pin_id, "two writers of the same bytes hold a pin each");
    let bound = answers.next().unwrap().unwrap();
    let placement = world.index.bucket("b").await.unwrap().placement;
    assert_eq!(bound.repository.name, format!("s3/{}/03", placement.id));
    assert_eq!(bound.repository.store, "main");
    assert_code(answers.next().unwrap(), Code::InternalError);
    assert_eq!(world.count("SELECT count(*) FROM blob_pins").await, 3);
    assert!(world.index.pin_blobs(&[], LATER).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_digest_has_its_shard() {
    let world = World::new().await;
    let placement = world.index.bucket("b").await.unwrap().placement;
    for bytes in ["a", "b", "c", "d", "e", "f"] {
        let pinned = world.pin(bytes, LATER).await;
        let shard = Digest::of(bytes.as_bytes()).shard(placement.shards);
        assert_eq!(pinned.repository.name, format!("s3/{}/{shard:02x}", placement.id));
        assert_eq!(*world.index.repository(pinned.blob.repository_id).await.unwrap(), pinned.repository);
    }
}

#[tokio::test]
async fn a_repository_is_asked_for_once() {
    let world = World::new().await;
    let id = world.pin("x", LATER).await.blob.repository_id;
    let first = world.index.repository(id).await.unwrap();
    world.index.close();
    assert_eq!(world.index.repository(id).await.unwrap(), first);
    assert_code(world.index.repository(id + 1000).await, Code::IndexUnavailable);
}

#[tokio::test]
async fn an_unknown_repository_is_a_fault_of_ours() {
    assert_code(World::new().await.index.repository(4711).await, Code::InternalError);
}

#[tokio::test]
async fn streams_spread_over_all_shards_of_their_bucket() {
    let world = World::new().await;
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let target = world.index.upload_target("b").await.unwrap();
        let pinned = world.try_pin("b", "streamed", Some(target.shard), LATER).await.unwrap();
        assert_eq!(pinned.repository, target.repository);
        seen.insert(target.shard);
    }
    assert_eq!(seen.len(), 4);
    assert_code(world.index.upload_target("missing").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn sessions_that_are_due_are_taken_once_and_come_back_when_they_are_not_closed() {
    let world = World::new().await;
    let due = world.index.open_session("main", "/v2/s3/1/00/blobs/uploads/u?state=1", NOW).await.unwrap();
    let live = world.index.open_session("main", "/v2/live", LATER).await.unwrap();
    let taken = world.index.due_sessions(10).await.unwrap();
    let [session] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((session.id, session.store.as_str()), (due, "main"));
    assert_eq!(session.location, "/v2/s3/1/00/blobs/uploads/u?state=1");
    assert!(world.index.due_sessions(10).await.unwrap().is_empty(), "another replica does not take it too");
    sqlx::query("UPDATE store_sessions SET due_at = due_at - interval '11 minutes'")
        .execute(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_eq!(world.index.due_sessions(10).await.unwrap().len(), 1);
    for id in [due, live] {
        world.index.close_session(id).await.unwrap();
    }
    assert_eq!(world.count("SELECT count(*) FROM store_sessions").await, 0);
    assert_code(world.index.open_session("unknown", "/v2/x", NOW).await, Code::InternalError);
}

/// Placements and repositories that are left.
async fn places(world: &World) -> (i64, i64) {
    (world.count("SELECT count(*) FROM placements").await, world.count("SELECT count(*) FROM repositories").await)
}

#[tokio::test]
async fn the_placement_of_a_deleted_bucket_is_forgotten_after_a_while_and_no_other() {
    let world = World::new().await;
    world.index.create_bucket(new_bucket("other")).await.unwrap();
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 0);
    world.index.delete_bucket("other", &[]).await.unwrap();
    assert_eq!(world.index.forget_placements(LATER, 100).await.unwrap(), 0, "not yet");
    assert_eq!(places(&world).await, (2, 8));
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 1);
    assert_eq!(places(&world).await, (1, 4));
    world.put("k", "the bucket that is left works").await;
}

#[tokio::test]
async fn a_placement_outlives_its_bucket_while_a_copy_elsewhere_names_its_blobs() {
    let world = World::new().await;
    let original = world.put("k", "x").await;
    world.index.create_bucket(new_bucket("other")).await.unwrap();
    let copy = CopySource { bucket: "other", ..world.copy(original.id, "copy") };
    world.index.copy_object(copy).await.unwrap();
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    world.index.delete_bucket("b", &[]).await.unwrap();
    world.sweep().await;
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 0);
    world.index.delete_object("other", "copy", NOW, &[]).await.unwrap();
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 0, "the blob is still to be swept");
    assert_eq!(world.sweep().await.len(), 1);
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 1);
    assert_eq!(places(&world).await, (1, 4));
}

#[tokio::test]
async fn a_placement_stays_while_a_blob_is_pinned_or_a_session_is_open_in_it() {
    let world = World::new().await;
    let target = world.index.upload_target("b").await.unwrap().repository;
    let location = format!("/v2/{}/blobs/uploads/1?_state=x", target.name);
    let session = world.index.open_session("main", &location, LATER).await.unwrap();
    let elsewhere = world.index.open_session("main", "/v2/s3/12345678/00/blobs/uploads/1", LATER).await.unwrap();
    world.pin("x", NOW).await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 0);
    world.sweep().await;
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 0, "the session is open");
    world.index.close_session(session).await.unwrap();
    assert_eq!(world.index.forget_placements(NOW, 100).await.unwrap(), 1);
    assert_eq!(places(&world).await, (0, 0));
    world.index.close_session(elsewhere).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_forgotten_does_not_stand_before_what_can() {
    let world = World::new().await;
    world.pin("x", LATER).await;
    world.index.create_bucket(new_bucket("other")).await.unwrap();
    for bucket in ["b", "other"] {
        world.index.delete_bucket(bucket, &[]).await.unwrap();
    }
    assert_eq!(world.index.forget_placements(NOW, 1).await.unwrap(), 1);
    assert_eq!(places(&world).await, (1, 4));
}
