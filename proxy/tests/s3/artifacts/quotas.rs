//! How much may refer to objects: what it counts in the bucket's quota, and limits without one.

use std::time::Duration;

use bytesize::ByteSize;
use http::Method;
use zas_proxy::digest::Digest;
use zas_proxy::index::{Drift, NewQuota, Quota};

use super::{Door, Reply, note, put};
use crate::support::{KEY, SECRET, World};

async fn limit(world: &World, bytes: u64) {
    let quota = Quota { bytes: Some(bytes), objects: None };
    let new = NewQuota { bucket: "bucket", quota, expected: None, by: "root", audit: &[] };
    world.app.index.put_bucket_quota(new).await.unwrap();
}

/// What the bucket holds, which is what a recount finds.
async fn usage(world: &World) -> (u64, u64) {
    let drift = world.app.index.recount_usage("bucket", &[]).await.unwrap();
    assert_eq!(drift, Drift { bytes: 0, objects: 0 });
    let usage = world.app.index.bucket_quota("bucket").await.unwrap().usage;
    (usage.bytes, usage.objects)
}

async fn post_blob(door: &Door, text: &str) -> Reply {
    let path = format!("s3/bucket/blobs/uploads/?digest={}", Digest::of(text.as_bytes()));
    let ask = door.ask(Method::POST, &path).header("content-type", "application/octet-stream");
    Reply::of(ask.body(text.to_owned()).basic_auth(KEY, Some(SECRET))).await
}

async fn put_manifest(door: &Door, manifest: &str) -> Reply {
    door.put_manifest("s3/bucket", &Digest::of(manifest.as_bytes()).to_string(), manifest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_an_object_counts_with_its_blobs_until_it_is_removed() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let first = note(&subject, "hello");
    // The manifest, its layer, and the empty config.
    let held = first.manifest().len() as u64 + 5 + 2;
    let attached = door.attach("s3/bucket", &first).await;
    assert_eq!(usage(&world).await, (5 + held, 1));
    door.attach("s3/bucket", &first).await;
    assert_eq!(usage(&world).await, (5 + held, 1), "the same again adds nothing");
    door.attach("s3/bucket", &note(&attached, "hello")).await;
    let both = usage(&world).await.0;
    assert!(both > 5 + held);
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{attached}")).await.expect(202);
    assert_eq!(usage(&world).await, (both - held, 1));
    world.delete("/bucket/app").send().await.expect(204);
    assert_eq!(usage(&world).await, (both - held - 5, 0), "kept for a while, and takes room");
    let pool = world.database.pool().unwrap();
    world.app.referrers.round(Duration::ZERO).await.unwrap();
    sqlx::query("UPDATE referrers SET orphaned_at = now() - interval '31 days'").execute(&pool).await.unwrap();
    world.app.referrers.round(Duration::ZERO).await.unwrap();
    assert_eq!(usage(&world).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_takes_the_tag_of_another_takes_its_room_too() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let tag = format!("{}.sig", subject.replace(':', "-"));
    let mut sizes = Vec::new();
    for text in ["one", "two, and longer"] {
        assert_eq!(post_blob(&door, text).await.status, 201);
        let manifest = note(&subject, text).manifest().replace("\"subject\"", "\"object\"");
        door.put_manifest("s3/bucket", &tag, &manifest).await.expect(201);
        sizes.push((manifest.len() + text.len() + 2) as u64);
        assert_eq!(usage(&world).await, (5 + sizes[sizes.len() - 1], 1));
    }
    assert_ne!(sizes[0], sizes[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_attached_that_the_quota_has_no_room_for() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let manifest = note(&subject, "hello").manifest();
    let held = manifest.len() as u64 + 5 + 2;
    limit(&world, 5 + held - 1).await;
    post_blob(&door, "hello").await.expect(201);
    let refused = put_manifest(&door, &manifest).await.expect_error(403, "DENIED");
    let detail = refused.json()["errors"][0].to_string();
    assert!(detail.contains("quota") && detail.contains(&held.to_string()), "{detail}");
    assert_eq!((usage(&world).await, world.count("referrers").await), ((5, 1), 0));
    limit(&world, 5 + held).await;
    put_manifest(&door, &manifest).await.expect(201);
    // Full to the brim: what is there already may be pushed again, and nothing else.
    put_manifest(&door, &manifest).await.expect(201);
    world.put("/bucket/other").body("x").send().await.expect_error(403, "QuotaExceeded");
    put_manifest(&door, &note(&subject, "bytes").manifest()).await.expect_error(403, "DENIED");
    assert_eq!(usage(&world).await, (5 + held, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_nothing_names_fill_a_bucket_no_further_than_its_quota() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    limit(&world, 2000).await;
    let blobs: Vec<String> = (0..3).map(|n| n.to_string().repeat(900)).collect();
    post_blob(&door, &blobs[0]).await.expect(201);
    post_blob(&door, &blobs[1]).await.expect(201);
    post_blob(&door, &blobs[2]).await.expect_error(403, "DENIED");
    // In chunks, and without a length, it is no different.
    let begun = door.send(Method::POST, "s3/bucket/blobs/uploads/").await.expect(202);
    let session = begun.header("location").trim_start_matches("/v2/").to_owned();
    let ask = door.ask(Method::PATCH, &session).header("content-type", "application/octet-stream");
    Reply::of(ask.body(blobs[2].clone()).basic_auth(KEY, Some(SECRET))).await.expect_error(403, "DENIED");
    // What is named is not counted twice, so that there is room for another.
    limit(&world, 5000).await;
    let manifest = note(&subject, &blobs[0]).manifest();
    put_manifest(&door, &manifest).await.expect(201);
    let held = usage(&world).await.0;
    limit(&world, held + 900 + 900).await;
    post_blob(&door, &blobs[2]).await.expect(201);
    post_blob(&door, "one more").await.expect_error(403, "DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn size_and_number_of_what_refers_to_an_object_are_bounded_without_a_quota_too() {
    let world = World::with(|config| {
        config.artifacts.referrer_bytes = ByteSize::kib(2);
        config.artifacts.referrers_per_object = 2;
    })
    .await;
    world.put("/bucket").send().await.expect(200);
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let large = "x".repeat(2049);
    post_blob(&door, &large).await.expect_error(413, "SIZE_INVALID");
    // Two blobs that are small enough each.
    let half = "x".repeat(900);
    post_blob(&door, &half).await.expect(201);
    put_manifest(&door, &note(&subject, &half).manifest()).await.expect_error(413, "SIZE_INVALID");

    let first = door.attach("s3/bucket", &note(&subject, "one")).await;
    let second = door.attach("s3/bucket", &note(&first, "of one")).await;
    post_blob(&door, "three").await.expect(201);
    let third = note(&subject, "three").manifest();
    put_manifest(&door, &third).await.expect_error(409, "DENIED");
    put_manifest(&door, &note(&subject, "one").manifest()).await.expect(201);
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{second}")).await.expect(202);
    put_manifest(&door, &third).await.expect(201);
    let other = put(&world, "other", "other bytes").await;
    door.attach("s3/bucket", &note(&other, "of another")).await;
}
