//! GetObjectAttributes.

use http::HeaderValue;

use crate::support::{Answer, World, bytes};

const PART: usize = 5 * 1024 * 1024;
const ALL: &str = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";
const ATTRIBUTES: &str = "x-amz-object-attributes";

async fn attributes(world: &World, key: &str, names: &str) -> Answer {
    world.get(&format!("/bucket/{key}?attributes")).header(ATTRIBUTES, names).send().await
}

/// An object of three parts, its checksum as `headers` ask for it.
async fn upload(world: &World, key: &str, headers: &[(&str, &str)]) {
    let mut begin = world.post(&format!("/bucket/{key}?uploads"));
    for (name, value) in headers {
        begin = begin.header(name, value);
    }
    let id = begin.send().await.expect(200).element("UploadId");
    let mut document = String::new();
    for (number, size) in [(1, PART), (2, PART), (3, 7)] {
        let ask = world.put(&format!("/bucket/{key}?partNumber={number}&uploadId={id}")).body(bytes(size));
        let etag = ask.send().await.expect(200).etag();
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
    world.post(&format!("/bucket/{key}?uploadId={id}")).body(document).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_told_and_nothing_else() {
    let world = World::with_bucket().await;
    let put =
        world.put("/bucket/key").header("x-amz-checksum-crc32", "NhCmhg==").body("hello").send().await.expect(200);
    let all = attributes(&world, "key", ALL).await.expect(200);
    assert_eq!(all.element("ETag"), put.etag(), "this answer alone has no quotes around it");
    assert_eq!(
        (all.element("ChecksumCRC32").as_str(), all.element("ChecksumType").as_str()),
        ("NhCmhg==", "FULL_OBJECT")
    );
    assert_eq!((all.element("ObjectSize").as_str(), all.element("StorageClass").as_str()), ("5", "STANDARD"));
    assert!(!all.text().contains("ObjectParts"), "it has no parts: {}", all.text());
    assert!(all.headers.contains_key("last-modified"));
    let size = attributes(&world, "key", "ObjectSize").await.expect(200);
    assert_eq!(size.element("ObjectSize"), "5");
    for name in ["ETag", "Checksum", "StorageClass"] {
        assert!(!size.text().contains(name), "{}", size.text());
    }
    attributes(&world, "key", "Colour").await.expect_error(400, "InvalidArgument");
    attributes(&world, "none", ALL).await.expect_error(404, "NoSuchKey");
    assert_eq!(world.get("/bucket/key?attributes").send().await.status, 400, "somebody asks for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_listed_in_pages_where_they_have_checksums() {
    let world = World::with_bucket().await;
    upload(&world, "sha", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let all = attributes(&world, "sha", ALL).await.expect(200);
    assert_eq!((all.element("PartsCount").as_str(), all.element("ChecksumType").as_str()), ("3", "COMPOSITE"));
    assert_eq!(all.elements("PartNumber"), ["1", "2", "3"]);
    assert_eq!(all.elements("Size"), [PART.to_string(), PART.to_string(), "7".to_owned()]);
    assert_eq!(all.elements("ChecksumSHA256").len(), 4, "of the object and of each part");
    assert_eq!(all.element("ObjectSize"), (2 * PART + 7).to_string());
    let page = |marker: &str| {
        let ask = world.get("/bucket/sha?attributes").header(ATTRIBUTES, "ObjectParts");
        ask.header("x-amz-max-parts", 2).header("x-amz-part-number-marker", marker)
    };
    let first = page("0").send().await.expect(200);
    assert_eq!(
        (first.elements("PartNumber"), first.element("IsTruncated").as_str()),
        (vec!["1".into(), "2".into()], "true")
    );
    let second = page(&first.element("NextPartNumberMarker")).send().await.expect(200);
    assert_eq!((second.elements("PartNumber"), second.element("IsTruncated").as_str()), (vec!["3".into()], "false"));
    page("-1").send().await.expect_error(400, "InvalidArgument");
    // Where S3 alone has computed a checksum, parts are counted.
    upload(&world, "plain", &[]).await;
    let plain = attributes(&world, "plain", ALL).await.expect(200);
    assert_eq!((plain.element("PartsCount").as_str(), plain.elements("PartNumber").len()), ("3", 0));
    assert!(!plain.element("ChecksumCRC64NVME").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_come_in_one_header_each() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("hello").send().await.expect(200);
    // What is signed is the list, whichever way it is sent.
    let mut request = world.get("/bucket/key?attributes").header(ATTRIBUTES, "ETag,ObjectSize").signed();
    request.headers_mut().insert(ATTRIBUTES, HeaderValue::from_static("ETag"));
    request.headers_mut().append(ATTRIBUTES, HeaderValue::from_static("ObjectSize"));
    let answer = world.send(request).await.expect(200);
    assert_eq!(answer.element("ObjectSize"), "5");
    assert!(!answer.element("ETag").is_empty());
}
