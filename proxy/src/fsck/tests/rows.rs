//! Rows that do not fit together.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_an_object_is_told_by_its_name() {
    let world = World::new().await;
    for key in ["sound", "old", "nowhere", "outside", "digest", "versions"] {
        world.put("a", key, key).await;
    }
    for key in ["gap", "parts", "waiting", "whole"] {
        world.put_in_parts(key).await;
    }
    let of = |key: &str| format!("(SELECT id FROM objects WHERE key = '{key}')");
    for change in [
        "UPDATE objects SET is_latest = false WHERE key = 'old'".to_owned(),
        "UPDATE objects SET segment_count = 0, repository_id = NULL, digest = NULL, blob_offset = NULL WHERE key = 'nowhere'"
            .to_owned(),
        "UPDATE objects SET blob_offset = 1 WHERE key = 'outside'".to_owned(),
        "UPDATE objects SET oci_digest = sha256('x') WHERE key = 'digest'".to_owned(),
        "INSERT INTO objects (bucket_id, key, version_id, is_latest, is_delete_marker, size, etag, segment_count, owner) \
         SELECT bucket_id, key, 'newer', false, true, 0, '', 0, 'o' FROM objects WHERE key = 'versions'"
            .to_owned(),
        format!("UPDATE object_segments SET object_offset = 4 WHERE object_offset = 3 AND object_id = {}", of("gap")),
        format!("DELETE FROM object_parts WHERE part_number = 2 AND object_id = {}", of("parts")),
        format!("DELETE FROM undigested_objects WHERE object_id = {}", of("waiting")),
    ] {
        world.sql(&change).await;
    }
    let (findings, _) = world.fsck(Options::default()).await;
    let told = [
        (Kind::NotLatest, "old"),
        (Kind::NoBytes, "nowhere"),
        // Nothing names its bytes any more.
        (Kind::OrphanBlob, ""),
        (Kind::SegmentOutsideBlob, "outside"),
        (Kind::WrongManifestDigest, "digest"),
        (Kind::NotLatest, "versions"),
        (Kind::WrongSegments, "gap"),
        (Kind::WrongParts, "parts"),
        (Kind::Undigested, "waiting"),
    ];
    assert_eq!(named(&findings), expected(told));
    let versions = findings.iter().find(|finding| finding.key.as_deref() == Some("versions")).unwrap();
    assert_eq!(versions.version_id.as_deref(), Some("newer"), "the one that should be the latest");
    assert_eq!(world.count("objects").await, 11);
}

#[tokio::test]
async fn a_segment_that_is_gone_is_told_of_the_object_and_of_its_part() {
    let world = World::new().await;
    world.put_in_parts("k").await;
    world.sql("DELETE FROM object_segments WHERE part_number = 2").await;
    let told = [(Kind::WrongSegments, "k"), (Kind::WrongParts, "k"), (Kind::OrphanBlob, "")];
    assert_eq!(world.found(Options::default()).await, expected(told));
}

#[tokio::test]
async fn parts_of_open_uploads_are_held_against_their_segments() {
    let world = World::new().await;
    for (key, change) in [
        ("size", "UPDATE upload_parts SET size = size + 1"),
        ("lone", "DELETE FROM upload_parts"),
        ("outside", "UPDATE upload_segments SET blob_offset = 1"),
        ("sound", "UPDATE upload_parts SET etag = etag"),
    ] {
        let upload = world.begin_upload(key).await;
        world.put_part(&upload, 1, "part").await;
        world.sql(&format!("{change} WHERE upload_id = '{}'", upload.id)).await;
    }
    world.index.recount_usage("a", &[]).await.unwrap();
    let (findings, _) = world.fsck(Options::default()).await;
    let told = [(Kind::WrongParts, "size"), (Kind::WrongParts, "lone"), (Kind::SegmentOutsideBlob, "outside")];
    assert_eq!(named(&findings), expected(told));
    assert!(findings.iter().all(|finding| finding.part_number == Some(1) && finding.upload_id.is_some()));
}

#[tokio::test]
async fn counters_that_went_wrong_are_told_and_set_right_when_that_is_asked_for() {
    let world = World::new().await;
    world.put("a", "k", "bytes").await;
    world.put("b", "k", "bytes").await;
    let of = |name: &str| format!("bucket_id = (SELECT id FROM buckets WHERE name = '{name}')");
    let skew =
        format!("UPDATE bucket_usage SET bytes = bytes + 100, objects = objects - 1 WHERE stripe = 1 AND {}", of("a"));
    world.sql(&skew).await;
    world.sql(&format!("DELETE FROM bucket_usage WHERE stripe = 0 AND {}", of("b"))).await;
    let (findings, report) = world.fsck(mending(Repair::Orphans)).await;
    let mut buckets: Vec<_> = findings.iter().filter_map(|finding| finding.bucket.as_deref()).collect();
    buckets.sort_unstable();
    assert_eq!((buckets, report.left(), report.tally.found["wrong_counter"]), (vec!["a", "b"], 2, 2));
    let detail = &findings.iter().find(|finding| finding.bucket.as_deref() == Some("a")).unwrap().detail;
    assert!(detail.contains("-100 bytes and 1 objects"), "{detail}");

    let (findings, report) = world.fsck(mending(Repair::Counters)).await;
    assert_eq!((findings.len(), report.left(), world.records("RecountUsage").await), (2, 0, 2));
    let usage = world.index.bucket_quota("a").await.unwrap().usage;
    assert_eq!((usage.bytes, usage.objects), (5, 1));
    assert_eq!(world.found(Options::default()).await, []);
}

#[tokio::test]
async fn a_placement_that_counts_as_orphaned_is_told_of_its_bucket() {
    let world = World::new().await;
    world
        .sql("UPDATE placements SET orphaned_at = now() WHERE id = (SELECT placement_id FROM buckets WHERE name = 'b')")
        .await;
    let (findings, _) = world.fsck(Options::default()).await;
    assert_eq!(named(&findings), expected([(Kind::WrongPlacement, "")]));
    assert_eq!(findings[0].bucket.as_deref(), Some("b"));
}

#[tokio::test]
async fn pins_are_told_that_nothing_ends_or_that_pin_nothing() {
    let world = World::new().await;
    let [overdue, lasting, sound] =
        [world.store("a", "overdue").await, world.store("a", "lasting").await, world.store("a", "sound").await];
    let due = |pin: &PinnedBlob, when: &str| format!("UPDATE blob_pins SET due_at = {when} WHERE id = {}", pin.pin_id);
    world.sql(&due(&overdue, "now() - interval '2 hours'")).await;
    world.sql(&due(&lasting, "now() + interval '10 years'")).await;
    world
        .sql(
            "INSERT INTO blob_pins (repository_id, digest, due_at) \
             SELECT id, sha256('nothing'), now() FROM repositories ORDER BY id LIMIT 1",
        )
        .await;
    let (findings, _) = world.fsck(Options::default()).await;
    let told = [(Kind::OverduePin, ""), (Kind::LastingPin, ""), (Kind::DanglingPin, "")];
    assert_eq!(named(&findings), expected(told));
    let digest = Some(sound.blob.digest.to_string());
    assert!(findings.iter().all(|finding| finding.digest != digest), "{findings:?}");
}

#[tokio::test]
async fn sessions_that_are_long_over_are_told_and_cancelled_when_that_is_asked_for() {
    let world = World::new().await;
    let repository = world.store("a", "x").await.repository.name;
    let open = async |ttl| {
        let session = world.store.start_upload(&repository).await.unwrap();
        world.index.open_session("default", session.location(), ttl).await.unwrap();
    };
    open(Duration::ZERO).await;
    open(Duration::from_secs(3600)).await;
    let uploads = || world.folder.path().join("_uploads").read_dir().unwrap().count();
    let (open_at_first, none) = (uploads(), world.found(Options::default()).await);
    assert_eq!((none, world.count("store_sessions").await), (vec![], 2), "it may be somebody's who is late");
    assert_eq!(world.found(impatient()).await, expected([(Kind::StaleSession, "")]));
    let (findings, report) = world.fsck(Options { stale_after: Duration::ZERO, ..mending(Repair::Sessions) }).await;
    assert_eq!((findings.len(), report.left(), world.records("CancelUploadSession").await), (1, 0, 1));
    assert_eq!((world.count("store_sessions").await, uploads()), (1, open_at_first - 1));
}
