use super::*;

#[tokio::test]
async fn a_pinned_blob_stays_until_its_pin_is_due() {
    let world = World::new().await;
    let live = world.pin("live", LATER).await;
    let due = world.pin("due", NOW).await;
    assert_eq!(world.sweep().await, [due.blob]);
    assert!(world.index.begin_sweep(live.blob).await.unwrap().is_none());
    world.index.commit_object(world.new_object("k", Some(&live))).await.unwrap();
}

#[tokio::test]
async fn a_live_pin_saves_a_blob_whose_other_pin_is_due() {
    let world = World::new().await;
    let (due, live) = (world.pin("x", NOW).await, world.pin("x", LATER).await);
    assert_eq!(due.blob, live.blob);
    assert!(world.sweep().await.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM blob_pins").await, 1, "the due pin has said all it had to say");
}

#[tokio::test]
async fn a_named_blob_is_never_condemned_whoever_names_it() {
    let world = World::new().await;
    world.put("k", "object").await;
    let upload = world.begin_upload("u").await;
    world.put_part(&upload, 1, "part").await.unwrap();
    let done = world.begin_upload("m").await;
    for (number, bytes) in [(1, "one"), (2, "two")] {
        world.put_part(&done, number, bytes).await.unwrap();
    }
    world.complete(&done, &[(1, "one"), (2, "two")], "e").await.unwrap();
    for bytes in ["object", "part", "one", "two"] {
        let again = world.pin(bytes, NOW).await;
        assert!(world.index.begin_sweep(again.blob).await.unwrap().is_none(), "{bytes}");
    }
    assert_eq!(world.count("SELECT count(*) FROM blob_pins").await, 0);
}

#[tokio::test]
async fn due_pins_of_named_blobs_are_dropped_without_a_sweep() {
    let world = World::new().await;
    world.put("k", "named").await;
    world.pin("named", NOW).await;
    world.pin("named", LATER).await;
    let nameless = world.pin("nameless", NOW).await;
    assert_eq!(world.index.drop_settled_pins(100).await.unwrap(), 1);
    let due: Vec<BlobRef> = world.index.due_pins(100).await.unwrap().into_iter().map(|due| due.blob).collect();
    assert_eq!(due, [nameless.blob]);
}

#[tokio::test]
async fn nothing_pins_or_names_a_condemned_blob() {
    let world = World::new().await;
    let lapsed = world.pin("x", NOW).await;
    let guard = world.index.begin_sweep(lapsed.blob).await.unwrap().unwrap();
    let commit = world.index.commit_object(world.new_object("k", Some(&lapsed))).await;
    assert_code(commit, Code::OperationAborted);
    let upload = world.begin_upload("u").await;
    assert_code(world.put_pinned_part(&upload, 1, "e", &lapsed).await, Code::OperationAborted);
    let copied = whole(&lapsed);
    let copy = world.new_part(&upload, 1, "e", std::slice::from_ref(&copied), None);
    assert_code(world.index.put_part(copy).await, Code::NoSuchKey);

    let elsewhere = world.pin("x", LATER).await;
    assert_ne!(elsewhere.repository, lapsed.repository, "the same bytes go to another shard meanwhile");
    let shard = Some(Digest::of(b"x").shard(4));
    assert_code(world.try_pin("b", "x", shard, LATER).await, Code::OperationAborted);
    guard.forget().await.unwrap();
    assert_eq!(world.try_pin("b", "x", shard, LATER).await.unwrap().blob, lapsed.blob);
    assert_code(world.index.object("b", "k").await, Code::NoSuchKey);
    assert!(world.index.parts("b", "u", &upload.id, 0, 10).await.unwrap().parts.is_empty());
}

#[tokio::test]
async fn a_pin_that_is_gone_no_longer_commits_even_where_its_blob_is_named() {
    let world = World::new().await;
    let lapsed = world.pin("x", NOW).await;
    world.put("other", "x").await;
    assert_eq!(world.index.drop_settled_pins(10).await.unwrap(), 1);
    let commit = world.index.commit_object(world.new_object("k", Some(&lapsed))).await;
    assert_code(commit, Code::OperationAborted);
}

#[tokio::test]
async fn a_pin_that_is_gone_does_not_commit_a_blob_that_another_writer_is_about_to_upload() {
    let world = World::new().await;
    let lapsed = world.pin("x", NOW).await;
    assert_eq!(world.sweep().await.len(), 1);
    let _uploading = world.pin("x", LATER).await;
    let commit = world.index.commit_object(world.new_object("k", Some(&lapsed))).await;
    assert_code(commit, Code::OperationAborted);
}

#[tokio::test]
async fn a_commit_of_a_forgotten_blob_is_refused() {
    let world = World::new().await;
    let lapsed = world.pin("x", NOW).await;
    assert_eq!(world.sweep().await.len(), 1);
    let commit = world.index.commit_object(world.new_object("k", Some(&lapsed))).await;
    assert_code(commit, Code::OperationAborted);
}

#[tokio::test]
async fn a_condemned_blob_is_left_to_its_sweeper_until_that_was_silent_for_long() {
    let world = World::new().await;
    let blob = world.pin("x", NOW).await.blob;
    let crashed = world.index.begin_sweep(blob).await.unwrap().unwrap();
    assert!(world.index.begin_sweep(blob).await.unwrap().is_none());
    assert!(world.index.due_pins(10).await.unwrap().is_empty());

    let impatient = world.index.clone().with_reclaim_after(NOW);
    let due = impatient.due_pins(10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.blob).collect::<Vec<_>>(), [blob]);
    let second = impatient.begin_sweep(blob).await.unwrap().unwrap();
    crashed.forget().await.unwrap();
    assert_eq!(world.blobs().await, 1, "the first sweeper no longer has the say");
    second.forget().await.unwrap();
    assert_eq!(world.blobs().await, 0);
}

#[tokio::test]
async fn a_released_blob_can_be_pinned_again_and_is_swept_later() {
    let world = World::new().await;
    let blob = world.pin("x", NOW).await.blob;
    world.index.begin_sweep(blob).await.unwrap().unwrap().release(NOW).await.unwrap();
    assert_eq!(world.pin("x", NOW).await.blob, blob);
    assert_eq!(world.sweep().await, [blob]);
}

#[tokio::test]
async fn a_blob_that_is_not_known_is_not_swept() {
    let world = World::new().await;
    let mut blob = world.pin("x", NOW).await.blob;
    blob.digest = Digest::of(b"unknown");
    assert!(world.index.begin_sweep(blob).await.unwrap().is_none());
}

#[tokio::test]
async fn a_pin_waits_for_a_sweeper_that_holds_the_blob_and_then_starts_afresh() {
    let world = World::new().await;
    let blob = world.pin("x", NOW).await.blob;
    let mut sweeper = world.database.pool().unwrap().begin().await.unwrap();
    sqlx::query("SELECT FROM blobs FOR UPDATE").execute(&mut *sweeper).await.unwrap();
    let pin = async {
        let pin = world.pin("x", LATER).await;
        assert_eq!(pin.blob, blob);
    };
    let sweep = async {
        wait_for_lock(&world).await;
        sqlx::query("DELETE FROM blob_pins").execute(&mut *sweeper).await.unwrap();
        sqlx::query("DELETE FROM blobs").execute(&mut *sweeper).await.unwrap();
        sweeper.commit().await.unwrap();
    };
    tokio::join!(pin, sweep);
    assert_eq!((world.blobs().await, world.count("SELECT count(*) FROM blob_pins").await), (1, 1));
}

/// Waits until some statement waits for a lock.
pub(super) async fn wait_for_lock(world: &World) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    for _ in 0..3000 {
        if world.count(waiting).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing waits for the lock");
}
