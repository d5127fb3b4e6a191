//! Blobs that are lost or broken, and what explains that they are not there.

use futures::TryStreamExt as _;
use http::Method;
use zas_registry::{Fault, FaultKind, Route};

use super::*;

#[tokio::test]
async fn a_lost_blob_is_told_of_every_version_and_part_that_names_it() {
    let world = World::new().await;
    let lost = world.put("a", "one", "same").await;
    world.put("a", "two", "same").await;
    world.put("b", "elsewhere", "same").await;
    world.put("a", "sound", "other").await;
    let upload = world.begin_upload("open").await;
    world.put_part(&upload, 1, "same").await;
    world.lose(&lost);
    let (findings, report) = world.fsck(Options::default()).await;
    let keys = [(Kind::MissingBlob, "one"), (Kind::MissingBlob, "two"), (Kind::MissingBlob, "open")];
    assert_eq!(named(&findings), expected(keys));
    assert_eq!(report.left(), 3);
    for finding in &findings {
        assert_eq!(finding.digest, Some(lost.blob.digest.to_string()));
        assert_eq!(finding.repository.as_ref(), Some(&lost.repository.name));
        assert_eq!(finding.bucket.as_deref(), Some("a"));
        let is_part = finding.key.as_deref() == Some("open");
        assert_eq!((finding.upload_id.is_some(), finding.version_id.is_some()), (is_part, !is_part));
    }
    assert_eq!(world.count("objects").await, 4, "no object goes because its bytes are lost");
}

#[tokio::test]
async fn a_lost_piece_is_told_of_the_object_that_came_in_parts() {
    let world = World::new().await;
    let [_, two] = world.put_in_parts("k").await;
    world.lose(&two);
    assert_eq!(world.found(Options::default()).await, expected([(Kind::MissingBlob, "k")]));
}

#[tokio::test]
async fn a_short_blob_is_found_by_its_size_and_a_changed_one_only_by_reading() {
    let world = World::new().await;
    world.damage(&world.put("a", "short", "whole bytes").await, "whole");
    world.damage(&world.put("a", "changed", "good bytes").await, "baad bytes");
    assert_eq!(world.found(Options::default()).await, expected([(Kind::WrongSize, "short")]));
    let both = [(Kind::WrongSize, "short"), (Kind::CorruptBlob, "changed")];
    assert_eq!(world.found(reading()).await, expected(both));
    let all = Options { repairs: Repair::ALL.iter().copied().collect(), ..reading() };
    assert_eq!(world.found(all).await, expected(both), "what is there is never replaced");
}

#[tokio::test]
async fn what_is_not_named_yet_or_no_more_need_not_be_there() {
    let world = World::new().await;
    let pinned = world.store("a", "pinned").await;
    world.lose(&pinned);
    let condemned = world.put("a", "k", "condemned").await;
    world.delete("a", "k").await;
    let guard = world.index.begin_sweep(condemned.blob).await.unwrap().unwrap();
    world.lose(&condemned);
    assert_eq!(world.found(Options::default()).await, []);
    drop(guard);
    let (findings, _) = world.fsck(impatient()).await;
    assert_eq!(named(&findings), expected([(Kind::StuckBlob, "")]));
    assert_eq!(findings[0].digest, Some(condemned.blob.digest.to_string()));
}

#[tokio::test]
async fn a_slip_of_the_registry_is_no_finding() {
    let world = World::new().await;
    world.put("a", "k", "bytes").await;
    let slip = Fault::on(Route::Blob, FaultKind::Status(404)).method(Method::HEAD).times(1);
    let slipped = world.registry.faults().inject(slip);
    assert_eq!(world.found(Options::default()).await, []);
    assert_eq!(slipped.hits(), 1);
}

#[tokio::test]
async fn an_object_that_is_deleted_and_swept_while_it_is_looked_at_is_no_finding() {
    let world = World::new().await;
    let pinned = world.put("a", "k", "bytes").await;
    let late = Fault::on(Route::Blob, FaultKind::Delay(Duration::from_secs(3))).method(Method::HEAD).times(1);
    let delayed = world.registry.faults().inject(late);
    let deleting = async {
        while delayed.hits() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.delete("a", "k").await;
        assert_eq!(world.blobs.sweep_once().await.deleted, 1);
        // Past the delayed question, whose answer now is that there is none.
        assert!(!file(world.folder.path(), &pinned.repository.name, &pinned.blob.digest).exists());
    };
    let (found, ()) = tokio::join!(world.found(Options::default()), deleting);
    assert_eq!(found, []);
}

#[tokio::test]
async fn a_blob_that_the_registry_alone_fails_on_is_told_and_the_rest_is_looked_at() {
    let world = World::new().await;
    world.put("a", "k", "bytes").await;
    let lost = world.put("a", "lost", "lost").await;
    world.lose(&lost);
    world.registry.faults().inject(Fault::on(Route::Blob, FaultKind::Status(500)).method(Method::GET));
    let found = world.found(reading()).await;
    assert_eq!(found, expected([(Kind::UnreadableBlob, "k"), (Kind::MissingBlob, "lost")]));
}

#[tokio::test]
async fn a_lost_blob_is_brought_back_from_another_bucket_that_has_the_same_bytes() {
    let world = World::new().await;
    let lost = world.put("a", "k", "same").await;
    world.put("b", "k", "same").await;
    world.lose(&lost);
    let (findings, report) = world.fsck(mending(Repair::Copies)).await;
    assert_eq!(named(&findings), expected([(Kind::MissingBlob, "k")]));
    assert!(findings[0].repaired.as_ref().is_some_and(|how| how.contains("s3/")), "{}", findings[0]);
    assert_eq!((report.left(), world.records("RestoreBlob").await), (0, 1));
    let segment = Segment { blob: lost.blob, blob_size: 4, blob_offset: 0, size: 4, part_number: 1 };
    let read: Vec<u8> = world.blobs.read(vec![segment]).map_ok(|bytes| bytes.to_vec()).try_concat().await.unwrap();
    assert_eq!(read, b"same");
    assert_eq!(world.found(reading()).await, []);
    world.blobs.sweep_once().await;
    assert!(world.is_stored(&lost).await, "the pins of the repair let it be");
    assert_eq!(world.count("store_sessions").await, 0);
}

#[tokio::test]
async fn nothing_is_brought_back_from_where_the_bytes_are_broken_or_from_nowhere() {
    let world = World::new().await;
    let lost = world.put("a", "k", "same").await;
    let only = world.put("a", "only", "nowhere else").await;
    let broken = world.put("b", "k", "same").await;
    world.lose(&lost);
    world.lose(&only);
    world.damage(&broken, "emas");
    let (findings, report) = world.fsck(mending(Repair::Copies)).await;
    assert_eq!(named(&findings), expected([(Kind::MissingBlob, "k"), (Kind::MissingBlob, "only")]));
    assert!(findings.iter().all(|finding| finding.not_repaired.is_some()), "{findings:?}");
    assert_eq!((report.left(), world.records("RestoreBlob").await), (2, 0));
    assert!(!world.is_stored(&lost).await);
}

#[tokio::test]
async fn a_blob_that_no_sweep_would_find_is_left_to_the_sweep_and_then_gone() {
    let world = World::new().await;
    let orphan = world.store("a", "orphan").await;
    world.put("a", "k", "named").await;
    world.sql("DELETE FROM blob_pins").await;
    let (findings, report) = world.fsck(Options::default()).await;
    assert_eq!((named(&findings), report.left()), (expected([(Kind::OrphanBlob, "")]), 1));
    assert_eq!(world.blobs.sweep_once().await.deleted, 0);
    let (findings, report) = world.fsck(mending(Repair::Orphans)).await;
    assert_eq!((findings.len(), report.left(), world.records("PinOrphan").await), (1, 0, 1));
    assert!(world.is_stored(&orphan).await, "fsck itself deletes nothing");
    assert_eq!(world.blobs.sweep_once().await.deleted, 1);
    assert_eq!(world.found(Options::default()).await, []);
}
