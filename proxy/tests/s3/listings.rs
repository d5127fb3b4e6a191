//! ListObjects, versions 1 and 2, and ListMultipartUploads.

use crate::support::{Answer, World};

async fn filled(keys: &[&str]) -> World {
    let world = World::with_bucket().await;
    for key in keys {
        world.put(&format!("/bucket/{key}")).body("x").send().await.expect(200);
    }
    world
}

fn prefixes(answer: &Answer) -> Vec<String> {
    let groups = answer.elements("CommonPrefixes");
    groups.iter().map(|group| group.replace("<Prefix>", "").replace("</Prefix>", "")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_in_byte_order_with_what_is_known_of_them() {
    let world = filled(&["b", "a", "B", "a/b"]).await;
    let page = world.get("/bucket?list-type=2").send().await.expect(200);
    assert_eq!(page.elements("Key"), ["B", "a", "a/b", "b"]);
    assert_eq!(page.element("KeyCount"), "4");
    assert_eq!(page.element("IsTruncated"), "false");
    assert_eq!(page.element("Size"), "1");
    assert_eq!(page.element("StorageClass"), "STANDARD");
    assert_eq!(page.element("ChecksumAlgorithm"), "CRC64NVME");
    assert!(page.element("ETag").contains("9dd4e461268c8034f5c8564e155c67a6"));
    assert_eq!(page.element("Owner"), "");
    let owners = world.get("/bucket?list-type=2&fetch-owner=true").send().await.expect(200);
    assert!(owners.element("Owner").contains("root/AKIATEST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_version_2_follow_each_other() {
    let keys = ["a", "b/1", "b/2", "c", "d/1", "e"];
    let world = filled(&keys).await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let answer =
            world.get(&format!("/bucket?list-type=2&max-keys=2&delimiter=%2F{token}")).send().await.expect(200);
        let mut names = answer.elements("Key");
        names.extend(prefixes(&answer));
        names.sort();
        assert!(names.len() <= 2);
        seen.extend(names);
        if answer.element("IsTruncated") == "false" {
            break;
        }
        token = format!("&continuation-token={}", answer.element("NextContinuationToken"));
    }
    assert_eq!(seen, ["a", "b/", "c", "d/", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_version_1_follow_each_other() {
    let world = filled(&["a", "b/1", "b/2", "c"]).await;
    let first = world.get("/bucket?max-keys=2&delimiter=%2F").send().await.expect(200);
    assert_eq!((first.elements("Key"), prefixes(&first)), (vec!["a".to_owned()], vec!["b/".to_owned()]));
    assert_eq!(first.element("NextMarker"), "b/");
    let second = world.get("/bucket?max-keys=2&delimiter=%2F&marker=b%2F").send().await.expect(200);
    assert_eq!(second.elements("Key"), ["c"]);
    assert!(second.element("Owner").contains("root/AKIATEST"));
    let without = world.get("/bucket?max-keys=1").send().await.expect(200);
    assert_eq!((without.element("IsTruncated").as_str(), without.element("NextMarker").as_str()), ("true", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_begins_where_it_is_told() {
    let world = filled(&["a", "b", "c"]).await;
    let answer = world.get("/bucket?list-type=2&start-after=a").send().await.expect(200);
    assert_eq!((answer.elements("Key"), answer.element("StartAfter")), (vec!["b".into(), "c".into()], "a".into()));
    let answer = world.get("/bucket?list-type=2&prefix=c").send().await.expect(200);
    assert_eq!((answer.elements("Key"), answer.element("Prefix")), (vec!["c".into()], "c".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_delimiter_is_none_and_not_repeated() {
    let world = filled(&["a/b", "c"]).await;
    for uri in ["/bucket?delimiter=", "/bucket?list-type=2&delimiter=", "/bucket?versions&delimiter="] {
        let answer = world.get(uri).send().await.expect(200);
        assert_eq!((answer.elements("Key").len(), prefixes(&answer).len()), (2, 0), "{uri}");
        assert_eq!(answer.elements("Delimiter"), Vec::<String>::new(), "{uri}");
    }
    let uploads = world.get("/bucket?uploads&delimiter=").send().await.expect(200);
    assert_eq!(uploads.elements("Delimiter"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_encoded_on_request() {
    let world = filled(&["a%20b%2Bc/%E6%97%A5", "a%26b"]).await;
    let plain = world.get("/bucket?list-type=2").send().await.expect(200);
    assert_eq!(plain.elements("Key"), ["a b+c/日", "a&amp;b"]);
    let encoded = world.get("/bucket?list-type=2&encoding-type=url").send().await.expect(200);
    assert_eq!(encoded.elements("Key"), ["a%20b%2Bc/%E6%97%A5", "a%26b"]);
    assert_eq!(encoded.element("EncodingType"), "url");
    let grouped = world.get("/bucket?list-type=2&encoding-type=url&delimiter=%2F").send().await.expect(200);
    assert_eq!((prefixes(&grouped), grouped.element("Delimiter")), (vec!["a%20b%2Bc/".into()], "/".into()));
    world.get("/bucket?encoding-type=base64").send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_page_sizes_are_served_or_refused() {
    let world = filled(&["a"]).await;
    let none = world.get("/bucket?list-type=2&max-keys=0").send().await.expect(200);
    assert_eq!((none.elements("Key").len(), none.element("IsTruncated")), (0, "false".into()));
    let many = world.get("/bucket?list-type=2&max-keys=5000").send().await.expect(200);
    assert_eq!(many.element("MaxKeys"), "1000");
    for wrong in ["-1", "x", "99999999999"] {
        world.get(&format!("/bucket?max-keys={wrong}")).send().await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_no_bucket_and_a_foreign_token_are_errors() {
    let world = filled(&["a", "b"]).await;
    world.get("/absent-bucket?list-type=2").send().await.expect_error(404, "NoSuchBucket");
    let first = world.get("/bucket?list-type=2&max-keys=1").send().await.expect(200);
    let token = first.element("NextContinuationToken");
    let foreign = world.get(&format!("/bucket?list-type=2&prefix=a&continuation-token={token}"));
    foreign.send().await.expect_error(400, "InvalidArgument");
    world.get("/bucket?list-type=2&continuation-token=").send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_xml_cannot_carry_is_refused() {
    let world = filled(&["a"]).await;
    world.get("/bucket?prefix=%01").send().await.expect_error(400, "InvalidArgument");
    world.get("/bucket?prefix=%00&encoding-type=url").send().await.expect_error(400, "InvalidArgument");
    world.get("/bucket?prefix=%01&encoding-type=url").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_in_pages() {
    let world = World::with_bucket().await;
    for key in ["a/1", "a/2", "b"] {
        world.post(&format!("/bucket/{key}?uploads")).send().await.expect(200);
    }
    let all = world.get("/bucket?uploads").send().await.expect(200);
    assert_eq!(all.elements("Key"), ["a/1", "a/2", "b"]);
    assert_eq!(all.element("IsTruncated"), "false");
    let first = world.get("/bucket?uploads&max-uploads=2").send().await.expect(200);
    assert_eq!((first.elements("Key").len(), first.element("IsTruncated")), (2, "true".into()));
    let next = format!(
        "/bucket?uploads&key-marker={}&upload-id-marker={}",
        first.element("NextKeyMarker").replace('/', "%2F"),
        first.element("NextUploadIdMarker")
    );
    assert_eq!(world.get(&next).send().await.expect(200).elements("Key"), ["b"]);
    let grouped = world.get("/bucket?uploads&delimiter=%2F").send().await.expect(200);
    assert_eq!((grouped.elements("Key"), prefixes(&grouped)), (vec!["b".to_owned()], vec!["a/".to_owned()]));
}
