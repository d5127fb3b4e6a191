use super::*;
use crate::bucket_configuration::Lifecycle;
use crate::bucket_configuration::lifecycle::{Rule, Scope};

#[tokio::test]
async fn an_upload_becomes_an_object_without_moving_bytes() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for (number, bytes) in [(2, "bbb"), (1, "aa"), (5, "c")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    let committed = world.complete(&upload, &[(1, "aa"), (2, "bbb"), (5, "c")], "sum-3").await.unwrap();
    let object = world.index.object("b", "k").await.unwrap();
    assert_eq!((object.head.id, object.head.last_modified), (committed.id, committed.last_modified));
    assert_eq!((object.head.size, object.head.part_count, object.segment_count), (6, 3, 3));
    assert_eq!((object.head.etag.as_str(), object.segment), ("sum-3", None));

    let all = world.index.segments(committed.id, 0..6).await.unwrap();
    let seen: Vec<_> = all.iter().map(|s| (s.blob.digest, s.blob_offset, s.size, s.part_number)).collect();
    let (a, b, c) = (Digest::of(b"aa"), Digest::of(b"bbb"), Digest::of(b"c"));
    assert_eq!(seen, [(a, 0, 2, 1), (b, 0, 3, 2), (c, 0, 1, 5)]);
    assert!(world.sweep().await.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM upload_segments").await, 0);
}

#[tokio::test]
async fn a_range_is_cut_out_of_the_segments_that_hold_it() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for (number, bytes) in [(1, "aaaa"), (2, "bbbb"), (3, "cccc")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    let id = world.complete(&upload, &[(1, "aaaa"), (2, "bbbb"), (3, "cccc")], "e").await.unwrap().id;
    for (range, expected) in [
        (0..12, vec![(1, 0, 4), (2, 0, 4), (3, 0, 4)]),
        (3..5, vec![(1, 3, 1), (2, 0, 1)]),
        (4..8, vec![(2, 0, 4)]),
        (5..7, vec![(2, 1, 2)]),
        (7..12, vec![(2, 3, 1), (3, 0, 4)]),
        (11..12, vec![(3, 3, 1)]),
    ] {
        let segments = world.index.segments(id, range.clone()).await.unwrap();
        let seen: Vec<_> = segments.iter().map(|s| (s.part_number, s.blob_offset, s.size)).collect();
        assert_eq!(seen, expected, "{range:?}");
    }
    assert!(world.index.segments(id, 4..4).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_of_one_part_is_one_segment() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 7, "only").await.unwrap();
    world.complete(&upload, &[(7, "only")], "e-1").await.unwrap();
    let object = world.index.object("b", "k").await.unwrap();
    assert_eq!((object.segment_count, object.head.part_count), (1, 1));
    assert_eq!(object.segment.unwrap().part_number, 7);
}

#[tokio::test]
async fn parts_of_no_bytes_make_an_object_of_no_bytes() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.index.put_part(world.new_part(&upload, 1, "empty", &[], None)).await.unwrap();
    world.complete(&upload, &[(1, "empty")], "e-1").await.unwrap();
    let object = world.index.object("b", "k").await.unwrap();
    assert_eq!((object.head.size, object.segment_count), (0, 0));
}

#[tokio::test]
async fn a_part_that_is_put_again_replaces_the_first() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "first").await.unwrap();
    world.put_part(&upload, 1, "second").await.unwrap();
    assert_eq!(world.sweep().await.iter().map(|blob| blob.digest).collect::<Vec<_>>(), [Digest::of(b"first")]);
    assert_code(world.complete(&upload, &[(1, "first")], "e").await, Code::InvalidPart);
    world.complete(&upload, &[(1, "second")], "e").await.unwrap();
    assert_eq!(world.index.object("b", "k").await.unwrap().head.size, 6);
}

#[tokio::test]
async fn parts_that_are_left_out_are_let_go() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for (number, bytes) in [(1, "used"), (2, "left out")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    world.complete(&upload, &[(1, "used")], "e-1").await.unwrap();
    assert_eq!(world.sweep().await.iter().map(|blob| blob.digest).collect::<Vec<_>>(), [Digest::of(b"left out")]);
}

#[tokio::test]
async fn a_completion_without_its_parts_is_refused_and_can_be_repaired() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    assert_code(world.complete(&upload, &[], "e").await, Code::InvalidPart);
    assert_code(world.complete(&upload, &[(1, "one"), (2, "two")], "e").await, Code::InvalidPart);
    assert_code(world.complete(&upload, &[(1, "one"), (1, "one")], "e").await, Code::InvalidPart);
    world.complete(&upload, &[(1, "one")], "e").await.unwrap();
}

#[tokio::test]
async fn a_repeated_completion_gets_the_same_answer() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    assert_code(world.index.completed_upload("b", "k", &upload.id).await, Code::NoSuchUpload);
    let first = world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    let again = world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    assert_eq!((first.id, first.last_modified), (again.id, again.last_modified));
    assert_eq!(world.index.completed_upload("b", "k", &upload.id).await.unwrap().etag, "e-1");
    assert_code(world.complete(&upload, &[(1, "one")], "other-1").await, Code::NoSuchUpload);
    assert_code(world.index.completed_upload("b", "other", &upload.id).await, Code::NoSuchUpload);
    assert_code(world.put_part(&upload, 1, "late").await, Code::NoSuchUpload);
}

#[tokio::test]
async fn answers_of_completions_are_forgotten_after_a_day() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap();
    assert_eq!(world.index.completed_upload("b", "k", &upload.id).await.unwrap().etag, "e-1");
    sqlx::query("UPDATE completed_uploads SET completed_at = now() - interval '25 hours'")
        .execute(&world.database.pool().unwrap())
        .await
        .unwrap();
    world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap();
    assert_code(world.index.completed_upload("b", "k", &upload.id).await, Code::NoSuchUpload);
}

#[tokio::test]
async fn a_completion_that_must_create_does_not_replace() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    world.put("k", "first").await;
    let parts = [CompletedPart { part_number: 1, etag: "one".to_owned() }];
    let completion = CompleteUpload {
        bucket: "b",
        key: "k",
        upload_id: &upload.id,
        parts: &parts,
        etag: "e-1",
        checksums: &world.none,
        checksum_type: Some(ChecksumType::Composite),
        conditions: WriteConditions { absent: true, etag: None },
        grace: NOW,
        audit: &[],
    };
    assert_code(world.index.complete_upload(completion.clone()).await, Code::PreconditionFailed);
    world.index.upload("b", "k", &upload.id, None).await.unwrap();
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    world.index.complete_upload(completion).await.unwrap();
    let head = world.index.object("b", "k").await.unwrap().head;
    assert_eq!(head.checksum_type, Some(ChecksumType::Composite));
}

#[tokio::test]
async fn an_upload_that_is_given_up_lets_its_parts_go() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    world.put_part(&upload, 2, "one").await.unwrap();
    assert_code(world.index.abort_upload("b", "other", &upload.id, NOW, &[]).await, Code::NoSuchUpload);
    assert_code(world.index.abort_upload("c", "k", &upload.id, NOW, &[]).await, Code::NoSuchBucket);
    world.index.abort_upload("b", "k", &upload.id, NOW, &[]).await.unwrap();
    assert_code(world.index.abort_upload("b", "k", &upload.id, NOW, &[]).await, Code::NoSuchUpload);
    assert_code(world.index.upload("b", "k", &upload.id, None).await, Code::NoSuchUpload);
    assert_eq!(world.sweep().await.len(), 1);
}

#[tokio::test]
async fn abandoned_uploads_are_given_up_and_fresh_ones_stay() {
    let world = World::new().await;
    let (old, fresh) = (world.begin_upload("old").await, world.begin_upload("fresh").await);
    sqlx::query("UPDATE uploads SET initiated_at = now() - interval '8 days' WHERE key = 'old'")
        .execute(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_eq!(world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap(), 1);
    assert_code(world.index.upload("b", "old", &old.id, None).await, Code::NoSuchUpload);
    assert_eq!(world.index.upload("b", "fresh", &fresh.id, None).await.unwrap().id, fresh.id);
}

#[tokio::test]
async fn abandoned_uploads_that_a_rule_in_force_is_about_are_left_to_it() {
    let world = World::new().await;
    let rule = |prefix: Option<&str>, enabled, abort_days| {
        let scope = Scope { prefix: prefix.map(str::to_owned), ..Scope::default() };
        Rule { enabled, scope, abort_days, ..Rule::default() }
    };
    let kind = ConfigurationKind::Lifecycle;
    let set = async |rules| {
        let document = serde_json::to_value(Lifecycle { rules }).unwrap();
        let new = NewConfiguration { bucket: "b", kind, document: &document, by: "root", audit: &[] };
        world.index.put_bucket_configuration(new).await.unwrap();
    };
    set(vec![rule(Some("kept/"), true, Some(30)), rule(None, false, Some(30)), rule(None, true, None)]).await;
    let (kept, other) = (world.begin_upload("kept/k").await, world.begin_upload("other").await);
    let pool = world.database.pool().unwrap();
    sqlx::query("UPDATE uploads SET initiated_at = now() - interval '8 days'").execute(&pool).await.unwrap();
    assert_eq!(world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap(), 1);
    assert_code(world.index.upload("b", "other", &other.id, None).await, Code::NoSuchUpload);
    assert_eq!(world.index.upload("b", "kept/k", &kept.id, None).await.unwrap().id, kept.id);

    set(vec![rule(None, true, Some(30))]).await;
    assert_eq!(world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap(), 0, "a rule about all keys");
    world.index.delete_bucket_configuration("b", kind, &[]).await.unwrap();
    assert_eq!(world.index.abort_stale_uploads(LATER, 10, NOW).await.unwrap(), 1);
}

#[tokio::test]
async fn parts_are_listed_page_by_page() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for number in [3, 1, 10, 2] {
        world.put_part(&upload, number, &format!("part {number}")).await.unwrap();
    }
    let numbers = |page: &PartPage| page.parts.iter().map(|part| part.part_number).collect::<Vec<_>>();
    let first = world.index.parts("b", "k", &upload.id, 0, 3).await.unwrap();
    assert_eq!((numbers(&first), first.truncated), (vec![1, 2, 3], true));
    let last = world.index.parts("b", "k", &upload.id, 3, 3).await.unwrap();
    assert_eq!((numbers(&last), last.truncated), (vec![10], false));
    let none = world.index.parts("b", "k", &upload.id, 10, 3).await.unwrap();
    assert_eq!((numbers(&none), none.truncated), (vec![], false));
    assert_eq!(none.upload.checksum_algorithm.as_deref(), Some("crc32"));
    assert_code(world.index.parts("b", "k", "no", 0, 3).await, Code::NoSuchUpload);
    assert_code(world.index.parts("c", "k", &upload.id, 0, 3).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_copied_part_names_the_bytes_of_its_source() {
    let world = World::new().await;
    world.put("from", "0123456789").await;
    let source = world.index.object("b", "from").await.unwrap();
    let segments = slice(std::slice::from_ref(&source.segment.unwrap()), &(2..7));
    let upload = world.begin_upload("k").await;
    world.index.put_part(world.new_part(&upload, 1, "p", &segments, None)).await.unwrap();
    world.index.delete_object("b", "from", NOW, &[]).await.unwrap();
    assert!(world.sweep().await.is_empty());
    world.complete(&upload, &[(1, "p")], "e-1").await.unwrap();
    let segment = world.index.object("b", "k").await.unwrap().segment.unwrap();
    assert_eq!((segment.blob_offset, segment.size, segment.blob_size), (2, 5, 10));
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    assert_eq!(world.sweep().await.len(), 1);
    let late = world.begin_upload("late").await;
    let part = world.new_part(&late, 1, "p", &segments, None);
    assert_code(world.index.put_part(part).await, Code::NoSuchKey);
}

#[tokio::test]
async fn parts_of_an_object_are_found_by_their_numbers() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for (number, bytes) in [(1, "aaaa"), (2, "bb"), (7, "cccccc")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    let id = world.complete(&upload, &[(1, "aaaa"), (2, "bb"), (7, "cccccc")], "e-3").await.unwrap().id;
    let place = |part: ObjectPart| (part.part_number, part.start, part.size);
    for (number, expected) in [(1, Some((1, 0, 4))), (2, Some((2, 4, 2))), (3, None), (7, Some((7, 6, 6))), (8, None)] {
        assert_eq!(world.index.object_part(id, number).await.unwrap().map(place), expected, "{number}");
    }
    let page = async |after: i32, limit: u32| {
        let (parts, truncated) = world.index.object_parts(id, after, limit).await.unwrap();
        (parts.into_iter().map(place).collect::<Vec<_>>(), truncated)
    };
    assert_eq!(page(0, 2).await, (vec![(1, 0, 4), (2, 4, 2)], true));
    assert_eq!(page(2, 2).await, (vec![(7, 6, 6)], false));
    assert_eq!(page(7, 2).await, (Vec::new(), false));
    // A copy has the same parts; what is gone has none.
    let copy = world.index.copy_object(world.copy(id, "copy")).await.unwrap().id;
    assert_eq!(world.index.object_part(copy, 7).await.unwrap().map(place), Some((7, 6, 6)));
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    assert_code(world.index.object_part(id, 1).await, Code::BlobUnknown);
}
