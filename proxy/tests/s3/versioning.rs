//! Versions: what a bucket keeps, how it is named, listed, hidden and brought back.

use serde_json::json;

use crate::support::{Answer, World, account};

async fn set(world: &World, status: &str) {
    let document = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    world.put("/bucket?versioning").body(document).send().await.expect(200);
}

async fn keeping() -> World {
    let world = World::with_bucket().await;
    set(&world, "Enabled").await;
    world
}

fn version(answer: &Answer) -> String {
    answer.header("x-amz-version-id").to_owned()
}

async fn put(world: &World, key: &str, body: &'static str) -> String {
    version(&world.put(&format!("/bucket/{key}")).body(body).send().await.expect(200))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_says_whether_it_keeps_versions() {
    let world = World::with_bucket().await;
    let status = async || world.get("/bucket?versioning").send().await.expect(200).element("Status");
    assert_eq!(status().await, "");
    for wanted in ["Enabled", "Suspended", "Enabled"] {
        set(&world, wanted).await;
        assert_eq!(status().await, wanted);
    }
    let put = |text: &'static str| world.put("/bucket?versioning").body(text);
    let off = put("<VersioningConfiguration><Status>Off</Status></VersioningConfiguration>");
    off.send().await.expect_error(400, "MalformedXML");
    let empty = put("<VersioningConfiguration/>");
    empty.send().await.expect_error(400, "IllegalVersioningConfigurationException");
    let mfa =
        "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>";
    put(mfa).send().await.expect_error(501, "NotImplemented");
    world.get("/nowhere?versioning").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_versions_are_kept_nothing_tells_of_them() {
    let world = World::with_bucket().await;
    for answer in [
        world.put("/bucket/key").body("x").send().await.expect(200),
        world.get("/bucket/key").send().await.expect(200),
        world.head("/bucket/key").send().await.expect(200),
        world.delete("/bucket/key").send().await.expect(204),
    ] {
        assert!(
            !answer.headers.contains_key("x-amz-version-id") && !answer.headers.contains_key("x-amz-delete-marker")
        );
    }
    world.put("/bucket/key").body("x").send().await.expect(200);
    assert_eq!(world.get("/bucket/key?versionId=null").send().await.expect(200).text(), "x");
    assert_eq!(world.get("/bucket?versions").send().await.expect(200).element("VersionId"), "null");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_by_its_id() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("null").send().await.expect(200);
    set(&world, "Enabled").await;
    let (one, two) = (put(&world, "key", "one").await, put(&world, "key", "two").await);
    for (id, body) in [(one.as_str(), "one"), (two.as_str(), "two"), ("null", "null")] {
        let uri = format!("/bucket/key?versionId={id}");
        let got = world.get(&uri).send().await.expect(200);
        assert_eq!((got.text().as_str(), got.header("x-amz-version-id")), (body, id));
        assert_eq!(world.head(&uri).send().await.expect(200).header("content-length"), body.len().to_string());
        let part = world.get(&uri).header("range", "bytes=1-1").send().await.expect(206);
        assert_eq!(part.text(), body[1..2]);
    }
    assert_eq!(version(&world.get("/bucket/key").send().await.expect(200)), two);
    let nowhere = "0".repeat(32);
    world.get(&format!("/bucket/key?versionId={nowhere}")).send().await.expect_error(404, "NoSuchVersion");
    world.get(&format!("/bucket/other?versionId={one}")).send().await.expect_error(404, "NoSuchVersion");
    for malformed in ["", "x", "null&versionId=null"] {
        let answer = world.get(&format!("/bucket/key?versionId={malformed}")).send().await;
        answer.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_hides_and_its_marker_can_be_removed() {
    let world = keeping().await;
    let one = put(&world, "key", "one").await;
    let deleted = world.delete("/bucket/key").send().await.expect(204);
    assert_eq!(deleted.header("x-amz-delete-marker"), "true");
    let marker = version(&deleted);
    for answer in [world.get("/bucket/key").send().await, world.head("/bucket/key").send().await] {
        assert_eq!((answer.status.as_u16(), answer.header("x-amz-delete-marker")), (404, "true"));
        assert_eq!(version(&answer), marker);
    }
    let on_marker = world.get(&format!("/bucket/key?versionId={marker}")).send().await;
    assert_eq!((on_marker.status.as_u16(), on_marker.element("Code").as_str()), (405, "MethodNotAllowed"));
    assert_eq!((on_marker.header("x-amz-delete-marker"), on_marker.header("allow")), ("true", "DELETE"));
    assert!(on_marker.header("last-modified").ends_with(" GMT"));
    assert!(world.get("/bucket").send().await.expect(200).elements("Key").is_empty());
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/key");
    copy.send().await.expect_error(404, "NoSuchKey");

    let undone = world.delete(&format!("/bucket/key?versionId={marker}")).send().await.expect(204);
    assert_eq!((undone.header("x-amz-delete-marker"), version(&undone)), ("true", marker));
    assert_eq!(version(&world.get("/bucket/key").send().await.expect(200)), one);
    let gone = world.delete(&format!("/bucket/key?versionId={one}")).send().await.expect(204);
    assert_eq!(version(&gone), one);
    world.get("/bucket/key").send().await.expect_error(404, "NoSuchKey");
    world.delete(&format!("/bucket/key?versionId={one}")).send().await.expect(204);
    world.delete("/bucket").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_bucket_writes_the_null_version() {
    let world = keeping().await;
    let kept = put(&world, "key", "kept").await;
    set(&world, "Suspended").await;
    assert_eq!(put(&world, "key", "one").await, "null");
    assert_eq!(put(&world, "key", "two").await, "null");
    let marker = world.delete("/bucket/key").send().await.expect(204);
    assert_eq!((marker.header("x-amz-delete-marker"), version(&marker).as_str()), ("true", "null"));
    let listed = world.get("/bucket?versions").send().await.expect(200);
    let mut ids = listed.elements("VersionId");
    ids.sort();
    assert_eq!(ids, [kept, "null".to_owned()]);
    assert_eq!((listed.elements("Version").len(), listed.elements("DeleteMarker").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_versions_and_keys_are_deleted_at_once() {
    let world = keeping().await;
    let (one, two) = (put(&world, "a", "one").await, put(&world, "a", "two").await);
    put(&world, "b", "b").await;
    let document = format!(
        "<Delete><Object><Key>a</Key><VersionId>{one}</VersionId></Object><Object><Key>b</Key></Object>\
         <Object><Key>a</Key><VersionId>bad</VersionId></Object></Delete>"
    );
    let answer = world.post("/bucket?delete").body(document).send().await.expect(200);
    assert_eq!(answer.element("Code"), "InvalidArgument");
    assert_eq!(answer.elements("DeleteMarker"), ["true"]);
    assert_eq!(answer.elements("VersionId"), [one, "bad".to_owned()]);
    let marker = answer.element("DeleteMarkerVersionId");
    let undo = format!("<Delete><Object><Key>b</Key><VersionId>{marker}</VersionId></Object></Delete>");
    let undone = world.post("/bucket?delete").body(undo).send().await.expect(200);
    assert_eq!((undone.element("DeleteMarkerVersionId"), undone.element("VersionId")), (marker.clone(), marker));
    assert_eq!(world.get("/bucket/b").send().await.expect(200).text(), "b");
    assert_eq!(version(&world.get("/bucket/a").send().await.expect(200)), two);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_versions_goes_on_where_it_ended() {
    let world = keeping().await;
    for key in ["a", "a", "dir/x", "dir/y", "z"] {
        put(&world, key, "x").await;
    }
    world.delete("/bucket/z").send().await.expect(204);
    let all = world.get("/bucket?versions").send().await.expect(200);
    assert_eq!((all.elements("Version").len(), all.elements("DeleteMarker").len()), (5, 1));
    assert_eq!(all.element("IsTruncated"), "false");
    let (mut seen, mut markers) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/bucket?versions&max-keys=1{markers}")).send().await.expect(200);
        seen.extend(page.elements("Key"));
        if page.element("IsTruncated") == "false" {
            break;
        }
        let (key, id) = (page.element("NextKeyMarker"), page.element("NextVersionIdMarker"));
        markers = format!("&key-marker={}&version-id-marker={id}", key.replace('/', "%2F"));
    }
    assert_eq!(seen, ["a", "a", "dir/x", "dir/y", "z", "z"]);
    let rolled = world.get("/bucket?versions&delimiter=%2F").send().await.expect(200);
    assert_eq!((rolled.elements("Version").len(), rolled.elements("CommonPrefixes").len()), (3, 1));
    let below = world.get("/bucket?versions&prefix=dir%2F&encoding-type=url").send().await.expect(200);
    assert_eq!(below.elements("Key"), ["dir/x", "dir/y"]);
    for bad in ["version-id-marker=null", "key-marker=a&version-id-marker=x", "max-keys=-1"] {
        world.get(&format!("/bucket?versions&{bad}")).send().await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_parts_may_be_of_an_older_version() {
    let world = keeping().await;
    let old = put(&world, "key", "old").await;
    put(&world, "key", "new").await;
    let source = format!("bucket/key?versionId={old}");
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", &source).send().await.expect(200);
    assert_eq!(copy.header("x-amz-copy-source-version-id"), old);
    assert_eq!(version(&copy).len(), 32);
    assert_eq!(world.get("/bucket/copy").send().await.expect(200).text(), "old");
    // An older version is brought back by a copy onto its own key.
    world.put("/bucket/key").header("x-amz-copy-source", &source).send().await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "old");
    let upload = world.post("/bucket/parts?uploads").send().await.expect(200).element("UploadId");
    let part = world.put(&format!("/bucket/parts?uploadId={upload}&partNumber=1"));
    let part = part.header("x-amz-copy-source", &source).send().await.expect(200);
    assert_eq!(part.header("x-amz-copy-source-version-id"), old);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_attributes_are_those_of_the_version_that_is_named() {
    let world = keeping().await;
    let old = put(&world, "key", "old").await;
    put(&world, "key", "newer").await;
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>";
    let tagged = world.put(&format!("/bucket/key?tagging&versionId={old}")).body(tags).send().await.expect(200);
    assert_eq!(version(&tagged), old);
    let of =
        async |query: &str| world.get(&format!("/bucket/key?tagging{query}")).send().await.expect(200).element("Key");
    assert_eq!((of("").await, of(&format!("&versionId={old}")).await), (String::new(), "team".to_owned()));
    world.delete(&format!("/bucket/key?tagging&versionId={old}")).send().await.expect(204);
    assert_eq!(of(&format!("&versionId={old}")).await, "");
    let attributes = world.get(&format!("/bucket/key?attributes&versionId={old}"));
    let attributes = attributes.header("x-amz-object-attributes", "ObjectSize").send().await.expect(200);
    assert_eq!((attributes.element("ObjectSize"), version(&attributes)), ("3".to_owned(), old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_rights_of_its_own() {
    let world = keeping().await;
    let old = put(&world, "key", "old").await;
    put(&world, "key", "new").await;
    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "bucket/*",
        "Action": ["s3:GetObject", "s3:DeleteObject", "s3:GetObjectTagging"]}});
    let key = account(&world, &policy.to_string()).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    world.get("/bucket/key").key(id, secret).send().await.expect(200);
    for query in ["", "tagging&"] {
        let named = world.get(&format!("/bucket/key?{query}versionId={old}")).key(id, secret);
        named.send().await.expect_error(403, "AccessDenied");
    }
    let removal = world.delete(&format!("/bucket/key?versionId={old}")).key(id, secret);
    removal.send().await.expect_error(403, "AccessDenied");
    let many = format!("<Delete><Object><Key>key</Key><VersionId>{old}</VersionId></Object></Delete>");
    let many = world.post("/bucket?delete").body(many).key(id, secret).send().await.expect(200);
    assert_eq!(many.element("Code"), "AccessDenied");
    world.delete("/bucket/key").key(id, secret).send().await.expect(204);
    assert_eq!(world.get(&format!("/bucket/key?versionId={old}")).send().await.expect(200).text(), "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_about_the_version_that_stands() {
    let world = keeping().await;
    let put_if_absent = || world.put("/bucket/key").header("if-none-match", "*").body("x");
    put_if_absent().send().await.expect(200);
    put_if_absent().send().await.expect_error(412, "PreconditionFailed");
    world.delete("/bucket/key").send().await.expect(204);
    let matching = world.put("/bucket/key").header("if-match", "\"x\"").body("x");
    matching.send().await.expect_error(404, "NoSuchKey");
    put_if_absent().send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_versions_is_deleted_by_force_alone() {
    let world = keeping().await;
    put(&world, "key", "one").await;
    put(&world, "key", "two").await;
    world.delete("/bucket/key").send().await.expect(204);
    world.delete("/bucket").send().await.expect_error(409, "BucketNotEmpty");
    world.delete("/bucket").header("x-zas-force-delete", "true").send().await.expect(204);
    world.expect_nothing_left().await;
}
