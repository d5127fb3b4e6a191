//! Reads of a part: `partNumber` on GetObject and HeadObject.

use http::Method;

use crate::support::{World, bytes};

const PART: usize = 5 * 1024 * 1024;

/// An object of the parts 1, 2 and 5, the last one small; gives the checksum of each.
async fn upload(world: &World) -> Vec<String> {
    let begin = world.post("/bucket/large?uploads").header("x-amz-checksum-algorithm", "CRC32");
    let id = begin.header("x-amz-checksum-type", "FULL_OBJECT").send().await.expect(200).element("UploadId");
    let (mut document, mut checksums) = (String::new(), Vec::new());
    for (number, size) in [(1, PART), (2, PART + 1), (5, 7)] {
        let ask = world.put(&format!("/bucket/large?partNumber={number}&uploadId={id}")).body(bytes(size));
        let put = ask.send().await.expect(200);
        checksums.push(put.header("x-amz-checksum-crc32").to_owned());
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{}\"</ETag></Part>", put.etag());
    }
    let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
    world.post(&format!("/bucket/large?uploadId={id}")).body(document).send().await.expect(200);
    checksums
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_read_by_its_number() {
    let world = World::with_bucket().await;
    let checksums = upload(&world).await;
    let size = 2 * PART + 8;
    let whole = world.get("/bucket/large").send().await.expect(200);
    assert!(!whole.headers.contains_key("x-amz-mp-parts-count"), "only who asks for a part is told");
    for (at, (number, range)) in
        [(1, 0..PART), (2, PART..2 * PART + 1), (5, 2 * PART + 1..size)].into_iter().enumerate()
    {
        for method in [Method::GET, Method::HEAD] {
            let ask = world.ask(method.clone(), &format!("/bucket/large?partNumber={number}"));
            let answer = ask.header("x-amz-checksum-mode", "ENABLED").send().await.expect(206);
            assert_eq!(answer.header("content-range"), format!("bytes {}-{}/{size}", range.start, range.end - 1));
            assert_eq!(answer.header("content-length"), range.len().to_string());
            assert_eq!(answer.header("x-amz-mp-parts-count"), "3");
            assert_eq!(answer.etag(), whole.etag(), "the ETag is the object's");
            assert_eq!(answer.header("x-amz-checksum-crc32"), checksums[at]);
            assert_eq!(answer.header("x-amz-checksum-type"), "FULL_OBJECT");
            if method == Method::GET {
                assert!(answer.body == whole.body[range.clone()], "part {number}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_there_is_not_satisfiable() {
    let world = World::with_bucket().await;
    upload(&world).await;
    for number in [3, 4, 6, 10_000] {
        let answer = world.get(&format!("/bucket/large?partNumber={number}")).send().await;
        let answer = answer.expect_error(416, "InvalidPartNumber");
        assert_eq!(answer.element("ActualPartCount"), "3");
        assert_eq!(world.head(&format!("/bucket/large?partNumber={number}")).send().await.status, 416);
    }
    for number in ["0", "-1", "10001", "x"] {
        let answer = world.get(&format!("/bucket/large?partNumber={number}")).send().await;
        assert_eq!(answer.status, 400, "{number}: {}", answer.text());
    }
    let both = world.get("/bucket/large?partNumber=1").header("range", "bytes=0-1").send().await;
    both.expect_error(400, "InvalidRequest");
    world.get("/bucket/none?partNumber=1").send().await.expect_error(404, "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_put_in_one_piece_has_one_part() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("hello").send().await.expect(200);
    let answer = world.get("/bucket/key?partNumber=1").send().await.expect(206);
    assert_eq!((answer.text().as_str(), answer.header("content-range")), ("hello", "bytes 0-4/5"));
    assert!(!answer.headers.contains_key("x-amz-mp-parts-count"));
    world.get("/bucket/key?partNumber=2").send().await.expect_error(416, "InvalidPartNumber");
    world.put("/bucket/empty").send().await.expect(200);
    assert_eq!(world.get("/bucket/empty?partNumber=1").send().await.expect(200).header("content-length"), "0");
    // A condition comes before the part.
    let etag = answer.header("etag").to_owned();
    world.get("/bucket/key?partNumber=2").header("if-none-match", etag).send().await.expect(304);
}
