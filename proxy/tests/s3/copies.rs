//! CopyObject.

use crate::support::{World, md5_hex};

async fn with_source() -> World {
    let world = World::with_bucket().await;
    let put =
        world.put("/bucket/source").header("content-type", "text/plain").header("x-amz-meta-a", "1").body("hello");
    put.send().await.expect(200);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_bytes_headers_and_metadata_of_its_source() {
    let world = with_source().await;
    world.faults.reset_requests();
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "/bucket/source").send().await.expect(200);
    assert!(copy.element("ETag").contains(&md5_hex(b"hello")));
    assert!(!copy.element("LastModified").is_empty());
    assert_eq!(world.faults.total_requests(), 0, "no byte moves");
    let get = world.get("/bucket/copy").send().await.expect(200);
    assert_eq!(
        (get.text().as_str(), get.header("content-type"), get.header("x-amz-meta-a")),
        ("hello", "text/plain", "1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_outlives_its_source() {
    let world = with_source().await;
    world.put("/bucket/copy").header("x-amz-copy-source", "bucket/source").send().await.expect(200);
    world.delete("/bucket/source").send().await.expect(204);
    world.sweep().await;
    assert_eq!(world.get("/bucket/copy").send().await.expect(200).text(), "hello");
    world.delete("/bucket/copy").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_another_bucket_outlives_the_first_bucket() {
    let world = with_source().await;
    world.put("/other-bucket").send().await.expect(200);
    world.put("/other-bucket/copy").header("x-amz-copy-source", "bucket/source").send().await.expect(200);
    world.delete("/bucket/source").send().await.expect(204);
    world.delete("/bucket").send().await.expect(204);
    world.sweep().await;
    assert_eq!(world.get("/other-bucket/copy").send().await.expect(200).text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_can_be_replaced() {
    let world = with_source().await;
    let onto_itself = || world.put("/bucket/source").header("x-amz-copy-source", "bucket/source");
    onto_itself().send().await.expect_error(400, "InvalidRequest");
    let replace = onto_itself().header("x-amz-metadata-directive", "REPLACE").header("content-type", "text/html");
    replace.header("x-amz-meta-b", "2").send().await.expect(200);
    let get = world.get("/bucket/source").send().await.expect(200);
    assert_eq!(
        (get.text().as_str(), get.header("content-type"), get.header("x-amz-meta-b")),
        ("hello", "text/html", "2")
    );
    assert!(!get.headers.contains_key("x-amz-meta-a"));
    onto_itself().header("x-amz-metadata-directive", "MERGE").send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_the_source_are_kept() {
    let world = with_source().await;
    let copy = || world.put("/bucket/copy").header("x-amz-copy-source", "bucket/source");
    copy().header("x-amz-copy-source-if-match", "\"nope\"").send().await.expect_error(412, "PreconditionFailed");
    copy().header("x-amz-copy-source-if-none-match", "*").send().await.expect_error(412, "PreconditionFailed");
    let etag = format!("\"{}\"", md5_hex(b"hello"));
    copy().header("x-amz-copy-source-if-match", etag).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_none_is_refused() {
    let world = with_source().await;
    for (source, status, code) in [
        ("bucket/none", 404, "NoSuchKey"),
        ("no-bucket/key", 404, "NoSuchBucket"),
        ("bucket", 400, "InvalidArgument"),
        ("bucket/", 400, "InvalidArgument"),
        ("/", 400, "InvalidArgument"),
        ("bucket/a%2F..%2Fb", 400, "InvalidArgument"),
        ("bucket/a%00", 400, "InvalidArgument"),
        ("UPPER/key", 400, "InvalidArgument"),
        ("sthree-x/key", 400, "InvalidBucketName"),
        ("bucket/source?versionId=v1", 400, "InvalidArgument"),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint/abc/object/key", 501, "NotImplemented"),
    ] {
        let copy = world.put("/bucket/copy").header("x-amz-copy-source", source).send().await;
        copy.expect_error(status, code);
    }
    world.head("/bucket/copy").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_means_one_thing_however_it_is_spelt_and_for_a_part_too() {
    let world = with_source().await;
    let id = world.post("/bucket/part?uploads").send().await.expect(200).element("UploadId");
    let targets = ["/bucket/copy".to_owned(), format!("/bucket/part?partNumber=1&uploadId={id}")];
    for target in &targets {
        for (source, status, code) in [
            ("", 400, "InvalidArgument"),
            ("//", 400, "InvalidArgument"),
            ("bucket/%2e%2e/bucket/source", 400, "InvalidArgument"),
            ("bucket/a%2F%2e%2e%2Fsource", 400, "InvalidArgument"),
            // Decoded once: these are names of other keys.
            ("bucket/%252e%252e/source", 404, "NoSuchKey"),
            ("bucket/a%252F..%252Fsource", 404, "NoSuchKey"),
            ("bucket//source", 404, "NoSuchKey"),
            ("bucket/source%3FversionId=null", 404, "NoSuchKey"),
            ("bucket/source?versionId=v1", 400, "InvalidArgument"),
            ("no-bucket/key", 404, "NoSuchBucket"),
        ] {
            let copy = world.put(target).header("x-amz-copy-source", source).send().await;
            assert_eq!((copy.status.as_u16(), copy.element("Code").as_str()), (status, code), "{source:?} to {target}");
        }
    }
    world.head("/bucket/copy").send().await.expect(404);
    for target in &targets {
        for source in ["bucket/source", "/bucket/source", "bucket/%73ource", "bucket/source?versionId=null"] {
            world.put(target).header("x-amz-copy-source", source).send().await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_question_mark_belongs_to_the_key() {
    let world = World::with_bucket().await;
    world.put("/bucket/a%3FversionId%3Db").body("odd").send().await.expect(200);
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/a%3FversionId%3Db");
    copy.send().await.expect(200);
    assert_eq!(world.get("/bucket/copy").send().await.expect(200).text(), "odd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_marker_is_no_source_of_a_copy() {
    let world = World::with_bucket().await;
    let keep = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.put("/bucket?versioning").body(keep).send().await.expect(200);
    world.put("/bucket/key").body("x").send().await.expect(200);
    let deleted = world.delete("/bucket/key").send().await.expect(204);
    let source = format!("bucket/key?versionId={}", deleted.header("x-amz-version-id"));
    let upload = world.post("/bucket/parts?uploads").send().await.expect(200).element("UploadId");
    for target in ["/bucket/copy".to_owned(), format!("/bucket/parts?partNumber=1&uploadId={upload}")] {
        let copy = world.put(&target).header("x-amz-copy-source", &source);
        let refused = copy.send().await.expect_error(400, "InvalidRequest");
        assert!(refused.element("Message").contains("delete marker"), "{}", refused.text());
    }
}
