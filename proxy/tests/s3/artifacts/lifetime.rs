//! How long what refers to an object stays.

use std::time::Duration;

use super::{Door, note, put};
use crate::support::World;

async fn rounds(world: &World) {
    // One to see that an object is gone, one to see that it was gone long enough, one for what was condemned last.
    for _ in 0..3 {
        world.app.referrers.round(Duration::ZERO).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_while_an_object_has_the_digest_and_goes_some_time_after() {
    let world = World::with(|config| config.artifacts.referrer_retention = Duration::ZERO).await;
    world.put("/bucket").send().await.expect(200);
    let door = Door::open(&world).await;
    let subject = put(&world, "one/app", "bytes").await;
    assert_eq!(put(&world, "two/app", "bytes").await, subject);
    let sbom = door.attach("s3/bucket", &note(&subject, "an sbom")).await;
    door.attach("s3/bucket", &note(&sbom, "signed")).await;
    rounds(&world).await;
    world.delete("/bucket/one/app").send().await.expect(204);
    rounds(&world).await;
    assert_eq!(door.referrers("s3/bucket", &subject).await, [sbom.as_str()], "the other object has it");
    world.delete("/bucket/two/app").send().await.expect(204);
    rounds(&world).await;
    assert!(door.referrers("s3/bucket", &subject).await.is_empty());
    assert_eq!(world.count("referrers").await, 0);
    let home = world.app.index.referrer_repository("bucket").await.unwrap();
    assert!(world.app.store.get_manifest(&home, &sbom).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_for_the_retention_and_an_object_that_comes_back_ends_the_wait() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let attached = door.attach("s3/bucket", &note(&subject, "signed")).await;
    world.delete("/bucket/app").send().await.expect(204);
    rounds(&world).await;
    assert_eq!(door.referrers("s3/bucket", &subject).await, [attached.as_str()]);
    let pool = world.database.pool().unwrap();
    let waiting = "SELECT count(*) FROM referrers WHERE orphaned_at IS NOT NULL";
    assert_eq!(sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap(), 1);
    put(&world, "app", "bytes").await;
    rounds(&world).await;
    assert_eq!(sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap(), 0);
    sqlx::query("UPDATE referrers SET orphaned_at = now() - interval '31 days'").execute(&pool).await.unwrap();
    rounds(&world).await;
    assert_eq!(door.referrers("s3/bucket", &subject).await, [attached.as_str()], "the object is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_with_the_bucket_and_then_the_bucket_s_place_is_forgotten() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let attached = door.attach("s3/bucket", &note(&subject, "signed")).await;
    let home = world.app.index.referrer_repository("bucket").await.unwrap();
    let delete = world.delete("/bucket").header("x-zas-force-delete", "true");
    delete.send().await.expect(204);
    world.sweep().await;
    let forget = || world.app.index.forget_placements(Duration::ZERO, 100);
    assert_eq!(forget().await.unwrap(), 0, "something is still in its repository");
    world.put("/bucket").send().await.expect(200);
    assert_eq!(put(&world, "app", "bytes").await, subject);
    assert!(door.referrers("s3/bucket", &subject).await.is_empty(), "a bucket of the same name is another one");
    rounds(&world).await;
    assert_eq!(world.count("referrers").await, 0);
    assert!(world.app.store.get_manifest(&home, &attached).await.unwrap().is_none());
    assert_eq!(forget().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_and_never_came_goes_too() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    door.push_blob("s3/bucket", b"hello").await;
    let fault = zas_registry::FaultKind::CutConnection { after_bytes: 0 };
    for _ in 0..8 {
        world.faults.inject(zas_registry::Fault::on(zas_registry::Route::Manifest, fault).method(http::Method::PUT));
    }
    let manifest = note(&subject, "hello").manifest();
    let digest = zas_proxy::digest::Digest::of(manifest.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &digest, &manifest).await.expect(503);
    assert_eq!(world.count("referrers").await, 1);
    rounds(&world).await;
    assert_eq!(world.count("referrers").await, 1, "it may still come");
    assert!(door.referrers("s3/bucket", &subject).await.is_empty());
    let pool = world.database.pool().unwrap();
    sqlx::query("UPDATE referrers SET begun_at = now() - interval '2 hours'").execute(&pool).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    rounds(&world).await;
    assert_eq!(world.count("referrers").await, 0);
}
