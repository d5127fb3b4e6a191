//! What a client pulls.

use bytes::Bytes;
use http::Method;
use zas_proxy::digest::Digest;

use super::{Door, EMPTY, IMAGE, put};
use crate::support::{World, bytes};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_pulled_by_its_name_and_by_its_digest() {
    let (world, body) = (World::with_bucket().await, bytes(100_000));
    let door = Door::open(&world).await;
    let put = world.put("/bucket/linux/amd64/app-1.2.tgz").header("content-type", "application/gzip");
    let digest = put.body(body.clone()).send().await.expect(200).header("x-zas-oci-digest").to_owned();

    let pulled = door.get("s3/bucket/linux/amd64/manifests/app-1.2.tgz").await.expect(200);
    assert_eq!((pulled.header("content-type"), pulled.header("docker-content-digest")), (IMAGE, digest.as_str()));
    assert_eq!(Digest::of(&pulled.body).to_string(), digest);
    let manifest = pulled.json();
    assert_eq!(manifest["artifactType"], "application/vnd.zot-artifact-store.object.v1");
    assert_eq!(manifest["config"]["mediaType"], EMPTY);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = &manifest["layers"][0];
    assert_eq!((&layer["mediaType"], &layer["size"]), (&"application/gzip".into(), &100_000.into()));
    assert_eq!(layer["annotations"]["org.opencontainers.image.title"], "app-1.2.tgz");
    assert_eq!(layer["digest"], Digest::of(&body).to_string());

    for repository in ["s3/bucket", "s3/bucket/linux", "s3/bucket/linux/amd64"] {
        let same = door.get(&format!("{repository}/manifests/{digest}")).await.expect(200);
        assert_eq!(same.body, pulled.body, "{repository}");
        let layer = door.get(&format!("{repository}/blobs/{}", Digest::of(&body))).await.expect(200);
        assert!(layer.body == body, "{repository}");
    }
    assert_eq!(&door.get(&format!("s3/bucket/blobs/{}", Digest::of(b"{}"))).await.expect(200).body[..], b"{}");
    // A folder has what is in it, and nothing else.
    for repository in ["s3/bucket/linux/arm64", "s3/bucket/lin", "s3/other-bucket"] {
        door.get(&format!("{repository}/manifests/{digest}")).await.expect_error(404, "MANIFEST_UNKNOWN");
        door.get(&format!("{repository}/blobs/{}", Digest::of(&body))).await.expect_error(404, "BLOB_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_ranges_are_answered_as_registries_do() {
    let (world, body) = (World::with_bucket().await, bytes(10_000));
    let door = Door::open(&world).await;
    let digest = put(&world, "app", body.clone()).await;
    let head = door.send(Method::HEAD, "s3/bucket/manifests/app").await.expect(200);
    assert_eq!((head.header("docker-content-digest"), head.body.len()), (digest.as_str(), 0));
    let length = door.get("s3/bucket/manifests/app").await.body.len().to_string();
    assert_eq!(head.header("content-length"), length);
    let blob = format!("s3/bucket/blobs/{}", Digest::of(&body));
    let head = door.send(Method::HEAD, &blob).await.expect(200);
    assert_eq!((head.header("content-length"), head.header("accept-ranges")), ("10000", "bytes"));
    let ranged = async |range: &str| {
        let ask = door.ask(Method::GET, &blob).header("range", range);
        super::Reply::of(ask.basic_auth(crate::support::KEY, Some(crate::support::SECRET))).await
    };
    let part = ranged("bytes=5000-5099").await.expect(206);
    assert!(part.body == body[5000..5100]);
    assert_eq!(part.header("content-range"), "bytes 5000-5099/10000");
    assert!(ranged("bytes=-10").await.expect(206).body == body[9990..]);
    ranged("bytes=10000-").await.expect_error(416, "RANGE_INVALID");
    assert_eq!(ranged("bytes=0-1,5-6").await.expect(200).body.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_the_same_name_have_the_same_digest_and_nothing_else_has() {
    let world = World::with_bucket().await;
    let first = put(&world, "app", "one").await;
    assert_eq!(put(&world, "app", "one").await, first);
    assert_ne!(put(&world, "app", "two").await, first);
    assert_eq!(put(&world, "app", "one").await, first, "put back");
    world.delete("/bucket/app").send().await.expect(204);
    assert_eq!(put(&world, "app", "one").await, first, "put again");
    assert_eq!(put(&world, "folder/app", "one").await, first, "the folder is no part of it");
    assert_ne!(put(&world, "other", "one").await, first, "the name is");
    let typed = world.put("/bucket/app").header("content-type", "text/plain").body("one").send().await.expect(200);
    assert_ne!(typed.header("x-zas-oci-digest"), first, "the type is");
    let with = |name: &str, value: &str| world.put("/bucket/app").header(name, value).body("one").send();
    assert_eq!(with("x-amz-meta-colour", "blue").await.expect(200).header("x-zas-oci-digest"), first);
    assert_eq!(with("cache-control", "no-store").await.expect(200).header("x-zas-oci-digest"), first);
    assert_eq!(with("content-type", "Binary/Octet-Stream").await.expect(200).header("x-zas-oci-digest"), first);
    let kind = with("x-amz-meta-zas-artifact-type", "application/vnd.example.model").await.expect(200);
    assert_ne!(kind.header("x-zas-oci-digest"), first);
    with("x-amz-meta-zas-artifact-type", "a model").await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_about_an_object_says_its_digest() {
    let world = World::with_bucket().await;
    let digest = put(&world, "app", "bytes").await;
    for answer in [world.get("/bucket/app").send().await, world.head("/bucket/app").send().await] {
        assert_eq!(answer.expect(200).header("x-zas-oci-digest"), digest);
    }
    let copy = |to: &str| world.put(to).header("x-amz-copy-source", "/bucket/app").send();
    assert_eq!(copy("/bucket/folder/app").await.expect(200).header("x-zas-oci-digest"), digest);
    assert_ne!(copy("/bucket/renamed").await.expect(200).header("x-zas-oci-digest"), digest);
    let empty = put(&world, "empty", "").await;
    assert_eq!(world.head("/bucket/empty").send().await.expect(200).header("x-zas-oci-digest"), empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_may_have_a_type_of_its_own() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let ask = world.put("/bucket/model").header("x-amz-meta-zas-artifact-type", "application/vnd.example.model");
    ask.body("weights").send().await.expect(200);
    let manifest = door.get("s3/bucket/manifests/model").await.expect(200).json();
    assert_eq!(manifest["artifactType"], "application/vnd.example.model");
    // It is metadata like any other: kept by a copy, and shown.
    world.put("/bucket/copy").header("x-amz-copy-source", "/bucket/model").send().await.expect(200);
    let manifest = door.get("s3/bucket/manifests/copy").await.expect(200).json();
    assert_eq!(manifest["artifactType"], "application/vnd.example.model");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_content_type_makes_a_layer_something_that_clients_treat_otherwise() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    for (sent, expected) in [
        ("text/plain; charset=utf-8", "text/plain"),
        ("Text/HTML", "text/html"),
        (IMAGE, "application/octet-stream"),
        ("application/vnd.oci.image.index.v1+json", "application/octet-stream"),
        ("application/vnd.docker.distribution.manifest.list.v2+json", "application/octet-stream"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", "application/octet-stream"),
        ("no type at all", "application/octet-stream"),
        ("/", "application/octet-stream"),
        ("a/b\"c", "application/octet-stream"),
    ] {
        world.put("/bucket/app").header("content-type", sent).body("x").send().await.expect(200);
        let manifest = door.get("s3/bucket/manifests/app").await.expect(200).json();
        assert_eq!(manifest["layers"][0]["mediaType"], expected, "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_tag_is_pulled_by_its_digest() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    for (key, title) in [
        ("Upper/Case", Some("Case")),
        ("with%20space", Some("with space")),
        ("k%C3%A4se%20%22%5C%E2%98%95", Some("käse \"\\☕")),
        ("a//b", Some("b")),
        (".hidden", Some(".hidden")),
        ("folder/", None),
    ] {
        let digest = put(&world, key, format!("bytes of {key}")).await;
        let pulled = door.get(&format!("s3/bucket/manifests/{digest}")).await.expect(200);
        assert_eq!(Digest::of(&pulled.body).to_string(), digest);
        let manifest = pulled.json();
        let annotations = &manifest["layers"][0]["annotations"];
        assert_eq!(annotations["org.opencontainers.image.title"].as_str(), title, "{key}: {manifest}");
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let body = door.get(&format!("s3/bucket/blobs/{layer}")).await.expect(200).body;
        assert_eq!(body, format!("bytes of {key}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_is_an_artifact_with_a_layer_of_no_bytes() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    put(&world, "empty", "").await;
    let manifest = door.get("s3/bucket/manifests/empty").await.expect(200).json();
    assert_eq!(manifest["layers"][0]["size"], 0);
    let blob = format!("s3/bucket/blobs/{}", Digest::of(b""));
    assert_eq!(door.get(&blob).await.expect(200).header("content-length"), "0");
}

/// Uploads parts of these sizes; all their bytes.
async fn upload_in_parts(world: &World, key: &str, sizes: &[usize]) -> (Bytes, crate::support::Answer) {
    let id = world.post(&format!("/bucket/{key}?uploads")).send().await.expect(200).element("UploadId");
    let (mut whole, mut parts) = (Vec::new(), String::new());
    for (number, size) in (1..).zip(sizes) {
        let body = bytes(*size);
        let uri = format!("/bucket/{key}?partNumber={number}&uploadId={id}");
        let etag = world.put(&uri).body(body.clone()).send().await.expect(200).etag();
        parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>");
        whole.extend_from_slice(&body);
    }
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let done = world.post(&format!("/bucket/{key}?uploadId={id}")).body(document).send().await.expect(200);
    (whole.into(), done)
}

const PART: usize = 5 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_several_parts_is_pulled_as_the_one_file_that_it_is() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let (whole, done) = upload_in_parts(&world, "large", &[PART, PART, 1234]).await;
    assert!(!done.headers.contains_key("x-zas-oci-digest"), "nobody has read it in one go yet");
    let manifest = door.get("s3/bucket/manifests/large").await.expect(200);
    let layers = manifest.json()["layers"].clone();
    assert_eq!(layers.as_array().unwrap().len(), 1);
    assert_eq!(layers[0]["digest"], Digest::of(&whole).to_string());
    let blob = format!("s3/bucket/blobs/{}", Digest::of(&whole));
    assert!(door.get(&blob).await.expect(200).body == whole);
    let ask = door.ask(Method::GET, &blob).header("range", format!("bytes={}-{}", PART - 3, PART + 2));
    let seam = super::Reply::of(ask.basic_auth(crate::support::KEY, Some(crate::support::SECRET))).await.expect(206);
    assert!(seam.body == whole[PART - 3..PART + 3]);

    let digest = manifest.header("docker-content-digest").to_owned();
    assert_eq!(world.head("/bucket/large").send().await.expect(200).header("x-zas-oci-digest"), digest);
    // What is known of the source is known of the copy.
    let copy = world.put("/bucket/folder/large").header("x-amz-copy-source", "/bucket/large").send().await.expect(200);
    assert_eq!(copy.header("x-zas-oci-digest"), digest);
    assert_eq!(world.count("undigested_objects").await, 0);
    // And it is what the same bytes have that came in one piece.
    assert_eq!(put(&world, "large", whole).await, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_one_part_has_its_digest_at_once() {
    let world = World::with_bucket().await;
    let (whole, done) = upload_in_parts(&world, "app", &[1000]).await;
    assert_eq!(done.header("x-zas-oci-digest"), put(&world, "app", whole).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_several_parts_get_their_digest_by_themselves() {
    let world = World::with_bucket().await;
    upload_in_parts(&world, "one", &[PART, 1]).await;
    upload_in_parts(&world, "two", &[PART, 2]).await;
    // A copy of a piece of an object, which is less than a blob.
    let id = world.post("/bucket/piece?uploads").send().await.expect(200).element("UploadId");
    let ask =
        world.put(&format!("/bucket/piece?partNumber=1&uploadId={id}")).header("x-amz-copy-source", "/bucket/one");
    let etag = ask.header("x-amz-copy-source-range", "bytes=10-19").send().await.expect(200).element("ETag");
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    world.post(&format!("/bucket/piece?uploadId={id}")).body(document).send().await.expect(200);
    assert_eq!(world.count("undigested_objects").await, 3);
    let stop = tokio_util::sync::CancellationToken::new();
    let worked_off = async {
        while world.count("undigested_objects").await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, async { tokio::join!(world.app.digester.run(stop.clone()), worked_off) })
        .await
        .unwrap();
    let piece = world.get("/bucket/piece").send().await.expect(200);
    assert_eq!(piece.header("x-zas-oci-digest"), put(&world, "piece", piece.body.clone()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found_and_nothing_reaches_the_registry() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    put(&world, "app", "bytes").await;
    let digest = Digest::of(b"nothing");
    let before =
        world.faults.requests(zas_registry::Route::Manifest) + world.faults.requests(zas_registry::Route::Blob);
    door.get("s3/bucket/manifests/none").await.expect_error(404, "MANIFEST_UNKNOWN");
    door.get("s3/bucket/app/manifests/app").await.expect_error(404, "MANIFEST_UNKNOWN");
    door.get("s3/no-such-bucket/manifests/app").await.expect_error(404, "NAME_UNKNOWN");
    door.get(&format!("s3/bucket/manifests/{digest}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    door.get(&format!("s3/bucket/blobs/{digest}")).await.expect_error(404, "BLOB_UNKNOWN");
    door.get(&format!("s3/bucket/manifests/sha512:{}", "0".repeat(128))).await.expect_error(404, "MANIFEST_UNKNOWN");
    for name in ["s3", "s3/xy", "s3/192.168.0.1"] {
        door.get(&format!("{name}/manifests/app")).await.expect_error(404, "NAME_UNKNOWN");
    }
    let after = world.faults.requests(zas_registry::Route::Manifest) + world.faults.requests(zas_registry::Route::Blob);
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_never_taken_for_a_place_of_bytes_nor_the_other_way_round() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    put(&world, "app", "secret bytes").await;
    let pool = world.database.pool().unwrap();
    let query = "SELECT r.placement_id || '/' || lpad(to_hex(r.shard::int), 2, '0') FROM repositories r JOIN blobs b ON b.repository_id = r.id";
    let place: String = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
    let blob = Digest::of(b"secret bytes");
    // The bytes are there, under this name, at the registry.
    assert_eq!(world.app.store.head_blob(&format!("s3/{place}"), &blob).await.unwrap(), Some(12));
    door.get(&format!("s3/{place}/blobs/{blob}")).await.expect_error(404, "NAME_UNKNOWN");
    // A bucket may well have a number for a name; its folders are its own.
    world.put("/1234").send().await.expect(200);
    door.get(&format!("s3/1234/00/blobs/{blob}")).await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_put_and_deleted_by_s3_alone() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let digest = put(&world, "app", "bytes").await;
    let manifest = String::from_utf8(door.get("s3/bucket/manifests/app").await.body.to_vec()).unwrap();
    for reference in ["app", "new", digest.as_str()] {
        let reply = door.put_manifest("s3/bucket", reference, &manifest).await.expect_error(405, "UNSUPPORTED");
        assert!(reply.json()["errors"][0]["message"].as_str().unwrap().contains("S3"));
    }
    for path in ["s3/bucket/manifests/app".to_owned(), format!("s3/bucket/manifests/{digest}")] {
        door.send(Method::DELETE, &path).await.expect_error(405, "UNSUPPORTED");
    }
    let blob = format!("s3/bucket/blobs/{}", Digest::of(b"bytes"));
    door.send(Method::DELETE, &blob).await.expect_error(405, "UNSUPPORTED");
    door.send(Method::POST, "s3/bucket/manifests/app").await.expect(405);
    assert_eq!(world.get("/bucket/app").send().await.expect(200).text(), "bytes");
}
