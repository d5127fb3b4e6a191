use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn an_object_is_given_back_as_it_was_committed() {
    let world = World::new().await;
    let pinned = world.pin("hello", LATER).await;
    let (checksums, headers) = (map(&[("crc32", "AAAA")]), map(&[("content-type", "text/plain")]));
    let metadata = map(&[("name", "käse ☕")]);
    let committed = world
        .index
        .commit_object(NewObject {
            checksums: &checksums,
            headers: &headers,
            metadata: &metadata,
            ..world.new_object("dir/käse", Some(&pinned))
        })
        .await
        .unwrap();
    let object = world.index.object("b", "dir/käse").await.unwrap();
    assert_eq!((object.head.id, object.head.last_modified), (committed.id, committed.last_modified));
    assert_eq!((object.head.key.as_str(), object.head.size, object.head.part_count), ("dir/käse", 5, 0));
    assert_eq!((object.head.checksums, object.head.headers, object.head.metadata), (checksums, headers, metadata));
    assert_eq!(object.head.checksum_type, Some(ChecksumType::FullObject));
    assert_eq!((object.segment_count, object.segment), (1, Some(whole(&pinned))));
    assert_eq!(committed.last_modified.microsecond() % 1000, 0, "whole milliseconds");
    assert_eq!(world.count("SELECT count(*) FROM blob_pins").await, 0, "the commit has spent the pin");
}

#[tokio::test]
async fn an_object_of_no_bytes_names_no_blob() {
    let world = World::new().await;
    world.index.commit_object(world.new_object("empty", None)).await.unwrap();
    let object = world.index.object("b", "empty").await.unwrap();
    assert_eq!((object.head.size, object.segment_count, object.segment), (0, 0, None));
}

#[tokio::test]
async fn a_missing_bucket_and_a_missing_key_are_told_apart() {
    let world = World::new().await;
    assert_code(world.index.object("b", "k").await, Code::NoSuchKey);
    assert_code(world.index.object("c", "k").await, Code::NoSuchBucket);
    let missing = NewObject { bucket: "c", ..world.new_object("k", None) };
    assert_code(world.index.commit_object(missing).await, Code::NoSuchBucket);
    assert_code(world.index.delete_object("c", "k", NOW, &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_put_lets_go_of_the_version_that_it_replaces() {
    let world = World::new().await;
    let old = world.put("k", "old").await;
    let new = world.put("k", "new").await;
    assert_ne!(old.id, new.id);
    assert_eq!(world.index.object("b", "k").await.unwrap().head.etag, "new");
    let gone: Vec<Digest> = world.sweep().await.into_iter().map(|blob| blob.digest).collect();
    assert_eq!(gone, [Digest::of(b"old")]);
}

#[tokio::test]
async fn a_replaced_version_keeps_its_bytes_for_the_grace() {
    let world = World::new().await;
    world.put("k", "old").await;
    let pinned = world.pin("new", LATER).await;
    world.index.commit_object(NewObject { grace: LATER, ..world.new_object("k", Some(&pinned)) }).await.unwrap();
    assert!(world.sweep().await.is_empty());
    assert_eq!(world.blobs().await, 2);
}

#[tokio::test]
async fn putting_the_same_bytes_again_keeps_them() {
    let world = World::new().await;
    world.put("k", "same").await;
    world.put("k", "same").await;
    assert!(world.sweep().await.is_empty());
    assert_eq!(world.blobs().await, 1);
}

#[tokio::test]
async fn a_write_that_must_create_does_not_replace() {
    let world = World::new().await;
    let absent = WriteConditions { absent: true, etag: None };
    let write = || NewObject { conditions: absent, ..world.new_object("k", None) };
    world.index.commit_object(write()).await.unwrap();
    assert_code(world.index.commit_object(write()).await, Code::PreconditionFailed);
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    world.index.commit_object(write()).await.unwrap();
}

#[tokio::test]
async fn a_write_that_must_match_replaces_only_that_version() {
    let world = World::new().await;
    let matching = |etag| NewObject {
        etag: "two",
        conditions: WriteConditions { absent: false, etag: Some(etag) },
        ..world.new_object("k", None)
    };
    assert_code(world.index.commit_object(matching("one")).await, Code::NoSuchKey);
    assert_code(world.index.commit_object(matching("*")).await, Code::NoSuchKey);
    world.put("k", "one").await;
    assert_code(world.index.commit_object(matching("zero")).await, Code::PreconditionFailed);
    world.index.commit_object(matching("one")).await.unwrap();
    assert_code(world.index.commit_object(matching("one")).await, Code::PreconditionFailed);
    world.index.commit_object(matching("*")).await.unwrap();
}

#[tokio::test]
async fn a_refused_write_leaves_the_version_and_its_bytes() {
    let world = World::new().await;
    world.put("k", "kept").await;
    let pinned = world.pin("refused", NOW).await;
    let conditions = WriteConditions { absent: true, etag: None };
    let refused = NewObject { conditions, ..world.new_object("k", Some(&pinned)) };
    assert_code(world.index.commit_object(refused).await, Code::PreconditionFailed);
    assert_eq!(world.index.object("b", "k").await.unwrap().head.etag, "kept");
    assert_eq!(world.sweep().await, [pinned.blob], "only what the refused write had stored goes");
}

#[tokio::test]
async fn deletes_say_what_was_there() {
    let world = World::new().await;
    world.put("a", "1").await;
    world.put("b", "2").await;
    let keys: Vec<String> = ["b", "missing", "a", "b"].map(str::to_owned).into();
    let deleted = world.index.delete_objects("b", &keys, NOW, &[]).await.unwrap();
    assert_eq!(deleted.iter().map(|deleted| deleted.existed).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(world.index.delete_object("b", "a", NOW, &[]).await.unwrap(), Deleted::default());
    assert!(world.index.delete_objects("b", &[], NOW, &[]).await.unwrap().is_empty());
    assert_eq!(world.sweep().await.len(), 2);
}

#[tokio::test]
async fn a_copy_names_the_same_bytes() {
    let world = World::new().await;
    let source = world.put("from", "bytes").await;
    let metadata = map(&[("new", "yes")]);
    world.index.copy_object(world.copy(source.id, "kept")).await.unwrap();
    let replace = Some((&world.none, &metadata));
    world.index.copy_object(CopySource { replace, ..world.copy(source.id, "replaced") }).await.unwrap();
    world.index.delete_object("b", "from", NOW, &[]).await.unwrap();
    assert!(world.sweep().await.is_empty(), "the copies still name the blob");
    let (kept, replaced) =
        (world.index.object("b", "kept").await.unwrap(), world.index.object("b", "replaced").await.unwrap());
    assert_eq!(kept.segment, replaced.segment);
    assert_eq!((kept.head.etag.as_str(), kept.head.metadata.len()), ("bytes", 0));
    assert_eq!(replaced.head.metadata, metadata);
}

#[tokio::test]
async fn a_copy_of_a_version_that_is_gone_is_refused() {
    let world = World::new().await;
    let old = world.put("from", "old").await;
    world.put("from", "new").await;
    assert_code(world.index.copy_object(world.copy(old.id, "to")).await, Code::NoSuchKey);
    assert_code(world.index.copy_object(world.copy(old.id, "from")).await, Code::NoSuchKey);
    let elsewhere = CopySource { bucket: "c", ..world.copy(old.id, "to") };
    assert_code(world.index.copy_object(elsewhere).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_copy_onto_itself_keeps_its_segments() {
    let world = World::new().await;
    let upload = world.begin_upload("k").await;
    for (number, bytes) in [(1, "one"), (2, "two")] {
        world.put_part(&upload, number, bytes).await.unwrap();
    }
    let object = world.complete(&upload, &[(1, "one"), (2, "two")], "e").await.unwrap();
    let before = world.index.segments(object.id, 0..6).await.unwrap();
    let copied = world.index.copy_object(world.copy(object.id, "k")).await.unwrap();
    assert_eq!(world.index.segments(copied.id, 0..6).await.unwrap(), before);
    assert_code(world.index.segments(object.id, 0..6).await, Code::NoSuchKey);
    assert!(world.sweep().await.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM object_parts").await, 2);
}

#[tokio::test]
async fn text_that_postgres_cannot_hold_is_the_clients_mistake() {
    let world = World::new().await;
    assert_code(world.index.object("b", "a\0b").await, Code::InvalidArgument);
    assert_code(world.index.commit_object(world.new_object("a\0b", None)).await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_delete_goes_by_what_each_key_must_be() {
    let world = World::new().await;
    for key in ["a", "b", "c", "d"] {
        world.put(key, &format!("etag of {key}")).await;
    }
    let wanted = [
        Deletion { etag: Some("etag of d"), ..Deletion::of("d") },
        Deletion { etag: Some("another"), ..Deletion::of("a") },
        Deletion { etag: Some("*"), ..Deletion::of("none") },
        Deletion { etag: Some("*"), ..Deletion::of("b") },
        Deletion::of("nothing"),
        Deletion::of("c"),
    ];
    let outcomes = world.index.delete_versions("b", &wanted, BY, &[]).await.unwrap();
    let outcomes: Vec<_> = outcomes.into_iter().map(|one| one.map_err(|error| error.code())).collect();
    let gone = || Ok(Deleted { existed: true, ..Deleted::default() });
    let nothing = Ok(Deleted::default());
    let expected = [gone(), Err(Code::PreconditionFailed), Err(Code::NoSuchKey), gone(), nothing, gone()];
    assert_eq!(outcomes, expected);
    assert_eq!(world.count("SELECT count(*) FROM objects").await, 1);
    world.index.object("b", "a").await.unwrap();
    assert_code(world.index.delete_versions("c", &wanted, BY, &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn tags_are_written_with_an_object_go_with_its_copies_and_are_replaced_by_themselves() {
    let world = World::new().await;
    let (tags, other) = (map(&[("team", "a")]), map(&[("team", "b"), ("stage", "c")]));
    let tags_of = async |key: &str| world.index.object("b", key).await.unwrap().head.tags;
    let put = world.index.commit_object(NewObject { tags: &tags, ..world.new_object("k", None) }).await.unwrap();
    assert_eq!(tags_of("k").await, tags);
    world.index.copy_object(world.copy(put.id, "kept")).await.unwrap();
    world.index.copy_object(CopySource { tags: Some(&other), ..world.copy(put.id, "replaced") }).await.unwrap();
    world.index.copy_object(CopySource { tags: Some(&world.none), ..world.copy(put.id, "none") }).await.unwrap();
    assert_eq!((tags_of("kept").await, tags_of("replaced").await), (tags, other.clone()));
    assert!(tags_of("none").await.is_empty());
    let before = world.index.object("b", "k").await.unwrap().head.last_modified;
    world.index.put_object_tags(("b", "k", None), &other, "root", &[]).await.unwrap();
    let after = world.index.object("b", "k").await.unwrap().head;
    assert_eq!((after.tags, after.last_modified, after.id), (other.clone(), before, put.id));
    world.put("k", "new").await;
    assert!(tags_of("k").await.is_empty(), "a new version has tags of its own");
    assert_code(world.index.put_object_tags(("b", "nothing", None), &other, "root", &[]).await, Code::NoSuchKey);
    assert_code(world.index.put_object_tags(("c", "k", None), &other, "root", &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn an_object_that_came_in_parts_has_the_tags_of_its_upload() {
    let world = World::new().await;
    let tags = map(&[("team", "a")]);
    let new = NewUpload {
        bucket: "b",
        key: "k",
        checksum_algorithm: None,
        checksum_type: None,
        headers: &world.none,
        metadata: &world.none,
        tags: &tags,
        storage_class: "STANDARD",
        lock: NewLock::default(),
        owner: "root",
        audit: &[],
    };
    let upload = world.index.create_upload(new).await.unwrap();
    world.put_part(&upload, 1, "one").await.unwrap();
    world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    assert_eq!(world.index.object("b", "k").await.unwrap().head.tags, tags);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_land_on_the_version_that_stands() {
    let world = World::new().await;
    let tags = map(&[("team", "a")]);
    for round in 0..20 {
        world.put("k", "old").await;
        let (put, tagged) =
            tokio::join!(world.put("k", "new"), world.index.put_object_tags(("b", "k", None), &tags, "root", &[]));
        tagged.unwrap();
        let object = world.index.object("b", "k").await.unwrap();
        assert_eq!(object.head.id, put.id, "round {round}");
    }
}
