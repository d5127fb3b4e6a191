use futures::future::join_all;

use super::*;

/// Deadlocks are tried again and so would not show; this counts them.
pub(super) async fn deadlocks(world: &World) -> i64 {
    // Each connection tells its statistics at its end.
    world.index.close();
    let pool = world.database.pool().unwrap();
    sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        .fetch_one(&pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_create_one_key_exactly_one_does() {
    let world = World::new().await;
    for round in 0..5 {
        let key = format!("k{round}");
        let writes = (0..16).map(|_| {
            let conditions = WriteConditions { absent: true, etag: None };
            world.index.commit_object(NewObject { conditions, ..world.new_object(&key, None) })
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(writes).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for lost in lost {
            assert_code(lost, Code::PreconditionFailed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_replace_one_version_exactly_one_does() {
    let world = World::new().await;
    world.put("k", "v0").await;
    for round in 0..5 {
        let (old, new) = (format!("v{round}"), format!("v{}", round + 1));
        let writes = (0..16).map(|_| {
            let conditions = WriteConditions { absent: false, etag: Some(&old) };
            world.index.commit_object(NewObject { etag: &new, conditions, ..world.new_object("k", None) })
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(writes).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for lost in lost {
            assert_code(lost, Code::PreconditionFailed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_delete_or_replace_one_version_exactly_one_does() {
    let world = World::new().await;
    for round in 0..10 {
        world.put("k", "old").await;
        let deletion = Deletion { etag: Some("old"), ..Deletion::of("k") };
        let batch = deletion;
        let deletes =
            join_all((0..8).map(|_| world.index.delete_versions("b", std::slice::from_ref(&deletion), BY, &[])));
        let other = Deletion::of("a");
        let batches = [[batch, other], [other, batch]];
        let batched = join_all(batches.iter().map(|batch| world.index.delete_versions("b", batch, BY, &[])));
        let writes = join_all((0..8).map(|_| {
            let conditions = WriteConditions { absent: false, etag: Some("old") };
            world.index.commit_object(NewObject { etag: "new", conditions, ..world.new_object("k", None) })
        }));
        let (deletes, batched, writes) = tokio::join!(deletes, batched, writes);
        let one = |outcomes: Result<Vec<Result<Deleted, Error>>, Error>, place: usize| {
            outcomes.unwrap().swap_remove(place).map(|deleted| assert!(deleted.existed))
        };
        let deletes = deletes.into_iter().map(|outcomes| one(outcomes, 0));
        let batched = batched.into_iter().enumerate().map(|(place, outcomes)| one(outcomes, place));
        let writes = writes.into_iter().map(|written| written.map(drop));
        let (won, lost): (Vec<_>, Vec<_>) = deletes.chain(batched).chain(writes).partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        for lost in lost {
            let code = lost.unwrap_err().code();
            assert!(matches!(code, Code::PreconditionFailed | Code::NoSuchKey), "{code:?}");
        }
    }
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_put_one_key_all_succeed_and_one_stands() {
    let world = World::new().await;
    let etags: Vec<String> = (0..16).map(|i| format!("v{i}")).collect();
    join_all(etags.iter().map(|etag| world.put("k", etag))).await;
    assert_eq!(world.count("SELECT count(*) FROM objects").await, 1);
    let stands = world.index.object("b", "k").await.unwrap().head.etag;
    assert!(etags.contains(&stands));
    assert_eq!(world.sweep().await.len(), 15);
    assert_eq!(world.lost_blobs().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_never_lands_in_a_bucket_that_is_gone() {
    let world = World::new().await;
    for round in 0..20 {
        let name = format!("bucket-{round}");
        world.index.create_bucket(new_bucket(&name)).await.unwrap();
        let put = world.index.commit_object(NewObject { bucket: &name, ..world.new_object("k", None) });
        let (put, delete) = tokio::join!(put, world.index.delete_bucket(&name, &[]));
        match (put, delete) {
            (Ok(_), deleted) => {
                assert_code(deleted, Code::BucketNotEmpty);
                world.index.object(&name, "k").await.unwrap();
            }
            (put, Ok(())) => {
                assert_code(put, Code::NoSuchBucket);
                assert_code(world.index.bucket(&name).await, Code::NoSuchBucket);
            }
            neither => panic!("{neither:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_keys_in_other_orders_do_not_block_each_other() {
    let world = World::new().await;
    let keys: Vec<String> = (0..8).map(|i| format!("k{i}")).collect();
    for key in &keys {
        world.put(key, key).await;
    }
    let writer = async |turn: usize| {
        for step in 0..30 {
            let (key, other) = (&keys[(turn * 3 + step) % 8], &keys[(turn * 5 + 7 * step) % 8]);
            match (turn + step) % 4 {
                0 => {
                    world.put(key, other).await;
                }
                1 => {
                    // The source may be replaced between its read and the copy: then there is nothing to copy.
                    if let Ok(source) = world.index.object("b", key).await {
                        let copied = world.index.copy_object(world.copy(source.head.id, other)).await;
                        assert!(copied.is_ok() || copied.is_err_and(|error| error.code() == Code::NoSuchKey));
                    }
                }
                2 => {
                    let mut order = keys.clone();
                    order.rotate_left(turn);
                    drop(world.index.delete_objects("b", &order, NOW, &[]).await.unwrap());
                }
                _ => {
                    let upload = world.begin_upload(key).await;
                    world.put_part(&upload, 1, other).await.unwrap();
                    world.complete(&upload, &[(1, other)], other).await.unwrap();
                }
            }
        }
    };
    join_all((0..8).map(writer)).await;
    assert_eq!((world.lost_blobs().await, world.named_and_condemned().await), (0, 0));
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_pins_in_other_orders_do_not_block_each_other() {
    let world = World::new().await;
    let requests: Vec<PinRequest> = (0..50).map(|i| pin_request("b", &format!("bytes {i}"), None)).collect();
    let pinner = async |turn: usize| {
        let mut requests = requests.clone();
        for _ in 0..10 {
            requests.rotate_left(7 * turn + 1);
            let answers = world.index.pin_blobs(&requests, LATER).await.unwrap();
            assert!(answers.iter().all(Result::is_ok));
        }
    };
    join_all((0..8).map(pinner)).await;
    assert_eq!((world.blobs().await, world.count("SELECT count(*) FROM blob_pins").await), (50, 4000));
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_sweepers_keep_the_blob_invariant() {
    let world = World::new().await;
    let bytes: Vec<String> = (0..6).map(|i| format!("bytes {i}")).collect();
    // Pins are due at once: every pin races with the sweepers from its first moment on.
    let writer = async |turn: usize| {
        for step in 0..40 {
            let (key, bytes) = (format!("k{}", (turn + step) % 3), &bytes[(turn * 5 + step) % 6]);
            if step % 5 == 4 {
                world.index.delete_object("b", &key, NOW, &[]).await.unwrap();
                continue;
            }
            let pinned = world.pin(bytes, NOW).await;
            match world.index.commit_object(world.new_object(&key, Some(&pinned))).await {
                Ok(_) => {}
                Err(error) => assert_eq!(error.code(), Code::OperationAborted, "{}", error.for_log()),
            }
            assert_eq!(world.named_and_condemned().await, 0);
        }
    };
    let sweeper = async || {
        for _ in 0..60 {
            for due in world.index.due_pins(10).await.unwrap() {
                let Some(guard) = world.index.begin_sweep(due.blob).await.unwrap() else { continue };
                tokio::task::yield_now().await;
                guard.forget().await.unwrap();
            }
            world.index.drop_settled_pins(5).await.unwrap();
        }
    };
    tokio::join!(join_all((0..6).map(writer)), sweeper(), sweeper());
    assert_eq!((world.lost_blobs().await, world.named_and_condemned().await), (0, 0));
    world.sweep().await;
    assert_eq!(world.blobs().await, world.count("SELECT count(DISTINCT (repository_id, digest)) FROM objects").await);
    assert_eq!(deadlocks(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_either_completed_or_given_up() {
    let world = World::new().await;
    for round in 0..20 {
        let key = format!("k{round}");
        let upload = world.begin_upload(&key).await;
        world.put_part(&upload, 1, &key).await.unwrap();
        let parts = [(1, key.as_str())];
        let (completed, aborted, late) = tokio::join!(
            world.complete(&upload, &parts, "e-1"),
            world.index.abort_upload("b", &key, &upload.id, NOW, &[]),
            world.put_part(&upload, 2, "late"),
        );
        assert!(late.is_ok() || late.is_err_and(|error| error.code() == Code::NoSuchUpload));
        match (completed, aborted) {
            (Ok(_), aborted) => {
                assert_code(aborted, Code::NoSuchUpload);
                world.index.object("b", &key).await.unwrap();
            }
            (completed, Ok(())) => {
                assert_code(completed, Code::NoSuchUpload);
                assert_code(world.index.object("b", &key).await, Code::NoSuchKey);
            }
            neither => panic!("{neither:?}"),
        }
    }
    assert_eq!(world.count("SELECT count(*) FROM upload_segments").await, 0);
    assert_eq!(world.lost_blobs().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_at_the_same_time_get_the_same_answer() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    let answers = join_all((0..8).map(|_| world.complete(&upload, &[(1, "one")], "e-1"))).await;
    let ids: std::collections::HashSet<i64> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM objects").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_part_leave_one_part() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    let bytes: Vec<String> = (0..10).map(|i| format!("bytes {i}")).collect();
    for put in join_all(bytes.iter().map(|bytes| world.put_part(&upload, 1, bytes))).await {
        put.unwrap();
    }
    assert_eq!(world.count("SELECT count(*) FROM upload_segments").await, 1);
    assert_eq!(world.sweep().await.len(), 9);
    let part = world.index.parts("b", "k", &upload.id, 0, 10).await.unwrap().parts.pop().unwrap();
    world.complete(&upload, &[(1, &part.etag)], "e-1").await.unwrap();
    let segment = world.index.object("b", "k").await.unwrap().segment.unwrap();
    assert_eq!(segment.blob.digest, Digest::of(part.etag.as_bytes()), "the part's ETag and its bytes belong together");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_takes_what_a_writer_made_that_it_has_waited_for() {
    let world = World::new().await;
    for round in 0..50 {
        world.put("k", "old").await;
        // It needs the old one to be there, so that it comes before the delete or not at all.
        let conditions = WriteConditions { absent: false, etag: Some("old") };
        let new = NewObject { etag: "new", conditions, ..world.new_object("k", None) };
        let (written, deleted) =
            tokio::join!(world.index.commit_object(new), world.index.delete_object("b", "k", NOW, &[]));
        assert!(deleted.unwrap().existed, "round {round}");
        let stands = world.index.object("b", "k").await.map(|object| object.head.etag);
        assert!(stands.is_err(), "round {round}: {written:?} was put before the delete, and {stands:?} stands");
    }
}
