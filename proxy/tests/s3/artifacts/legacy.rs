//! What older clients do: tags that are made of a digest.

use http::Method;
use serde_json::json;
use zas_proxy::digest::Digest;

use super::{Door, IMAGE, note, put};
use crate::support::World;

/// A signature as cosign wrote it before bundles: no subject, found by its tag.
fn signature(text: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"{\"config\":1}").to_string(), "size": 12},
        "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": text.len(),
                    "digest": Digest::of(text.as_bytes()).to_string(), "annotations": {"dev.cosignproject.cosign/signature": "MEUC"}}],
    })
    .to_string()
}

fn tag(subject: &str, end: &str) -> String {
    format!("{}{end}", subject.replace(':', "-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_under_its_tag_is_found_there_and_moves_with_it() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let at = tag(&subject, ".sig");
    door.get(&format!("s3/bucket/manifests/{at}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    door.push_blob("s3/bucket", b"{\"config\":1}").await;
    door.push_blob("s3/bucket", b"one").await;
    door.push_blob("s3/bucket", b"one and two").await;
    let first = door.put_manifest("s3/bucket", &at, &signature("one")).await.expect(201);
    assert!(!first.headers.contains_key("oci-subject"), "it names none");
    assert_eq!(door.get(&format!("s3/bucket/manifests/{at}")).await.expect(200).body, signature("one"));
    assert!(door.referrers("s3/bucket", &subject).await.is_empty(), "the list is of those that name a subject");
    // Signed again: the tag moves to a manifest with both, and the old one goes.
    door.put_manifest("s3/bucket", &at, &signature("one and two")).await.expect(201);
    assert_eq!(door.get(&format!("s3/bucket/manifests/{at}")).await.expect(200).body, signature("one and two"));
    door.get(&format!("s3/bucket/manifests/{}", first.header("docker-content-digest"))).await.expect(404);
    world.app.referrers.round(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(world.count("referrers").await, 1);
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{at}")).await.expect(202);
    door.get(&format!("s3/bucket/manifests/{at}")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_manifest_may_be_about_two_objects_and_goes_with_the_last() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let (one, two) = (put(&world, "one", "1").await, put(&world, "two", "2").await);
    door.push_blob("s3/bucket", b"{\"config\":1}").await;
    door.push_blob("s3/bucket", b"an sbom").await;
    for subject in [&one, &two] {
        door.put_manifest("s3/bucket", &tag(subject, ".sbom"), &signature("an sbom")).await.expect(201);
    }
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{}", tag(&one, ".sbom"))).await.expect(202);
    door.get(&format!("s3/bucket/manifests/{}", tag(&one, ".sbom"))).await.expect(404);
    assert_eq!(
        door.get(&format!("s3/bucket/manifests/{}", tag(&two, ".sbom"))).await.expect(200).body,
        signature("an sbom")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_nothing_that_is_there_takes_nothing() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    door.push_blob("s3/bucket", b"{\"config\":1}").await;
    door.push_blob("s3/bucket", b"x").await;
    let stranger = Digest::of(b"nobody").to_string();
    let reply = door.put_manifest("s3/bucket", &tag(&stranger, ".sig"), &signature("x")).await;
    reply.expect_error(400, "MANIFEST_INVALID");
    let subject = put(&world, "app", "bytes").await;
    let of_another = note(&subject, "x").manifest();
    let reply = door.put_manifest("s3/bucket", &tag(&stranger, ".sig"), &of_another).await;
    reply.expect_error(400, "MANIFEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_does_not_hide_behind_the_tag_of_a_signature() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let digest = put(&world, &tag(&subject, ".sig"), "a forgery").await;
    door.get(&format!("s3/bucket/manifests/{}", tag(&subject, ".sig"))).await.expect_error(404, "MANIFEST_UNKNOWN");
    door.get(&format!("s3/bucket/manifests/{digest}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_under_a_tag_is_the_list_that_is_kept_here() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let path = format!("s3/bucket/manifests/{}", tag(&subject, ""));
    door.get(&path).await.expect_error(404, "MANIFEST_UNKNOWN");
    let attached = door.attach("s3/bucket", &note(&subject, "hello")).await;
    let list = door.get(&path).await.expect(200);
    assert_eq!(list.json()["manifests"][0]["digest"], attached);
    assert_eq!(Digest::of(&list.body).to_string(), list.header("docker-content-digest"));
    // A client that keeps the list may put what it has read; it may not make something up.
    let text = String::from_utf8(list.body.to_vec()).unwrap();
    door.put_manifest("s3/bucket", &tag(&subject, ""), &text).await.expect(201);
    let forged = text.replace(&attached, &Digest::of(b"nobody").to_string());
    door.put_manifest("s3/bucket", &tag(&subject, ""), &forged).await.expect_error(400, "MANIFEST_INVALID");
    door.send(Method::DELETE, &path).await.expect_error(405, "UNSUPPORTED");
}
