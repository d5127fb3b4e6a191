//! Object lock: what stays, whoever wants it gone.

use crate::support::{Answer, World};

const LATER: &str = "2999-01-01T00:00:00Z";

async fn locking() -> World {
    let world = World::new().await;
    let bucket = world.put("/bucket").header("x-amz-bucket-object-lock-enabled", "true");
    bucket.send().await.expect(200);
    world
}

async fn put_locked(world: &World, key: &str, mode: &str) -> String {
    let put = world.put(&format!("/bucket/{key}")).header("x-amz-object-lock-mode", mode);
    let put = put.header("x-amz-object-lock-retain-until-date", LATER).body("x").send().await.expect(200);
    put.header("x-amz-version-id").to_owned()
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

async fn remove(world: &World, key: &str, version: &str, bypass: bool) -> Answer {
    let delete = world.delete(&format!("/bucket/{key}?versionId={version}"));
    let delete = if bypass { delete.header("x-amz-bypass-governance-retention", "true") } else { delete };
    delete.send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_locks_objects_from_the_beginning_or_once_it_keeps_versions() {
    let world = locking().await;
    let configuration = world.get("/bucket?object-lock").send().await.expect(200);
    assert_eq!(
        (configuration.element("ObjectLockEnabled").as_str(), configuration.element("Rule").as_str()),
        ("Enabled", "")
    );
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    world.put("/bucket?versioning").body(suspend).send().await.expect_error(409, "InvalidBucketState");

    world.put("/other").send().await.expect(200);
    world.get("/other?object-lock").send().await.expect_error(404, "ObjectLockConfigurationNotFoundError");
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                <Mode>GOVERNANCE</Mode><Days>7</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    world.put("/other?object-lock").body(rule).send().await.expect_error(409, "InvalidBucketState");
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.put("/other?versioning").body(enable).send().await.expect(200);
    world.put("/other?object-lock").body(rule).send().await.expect(200);
    let told = world.get("/other?object-lock").send().await.expect(200);
    assert_eq!((told.element("Mode").as_str(), told.element("Days").as_str()), ("GOVERNANCE", "7"));
    world.put("/other/key").body("x").send().await.expect(200);
    assert_eq!(world.head("/other/key").send().await.expect(200).header("x-amz-object-lock-mode"), "GOVERNANCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_is_not_removed() {
    let world = locking().await;
    let (soft, hard) = (put_locked(&world, "soft", "GOVERNANCE").await, put_locked(&world, "hard", "COMPLIANCE").await);
    let head = world.head("/bucket/soft").send().await.expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), "GOVERNANCE");
    assert_eq!(head.header("x-amz-object-lock-retain-until-date"), LATER);
    remove(&world, "soft", &soft, false).await.expect_error(403, "AccessDenied");
    for bypass in [false, true] {
        remove(&world, "hard", &hard, bypass).await.expect_error(403, "AccessDenied");
    }
    // Without a version it is hidden, and it is still there.
    world.delete("/bucket/hard").send().await.expect(204);
    world.get(&format!("/bucket/hard?versionId={hard}")).send().await.expect(200);
    let many = format!("<Delete><Object><Key>hard</Key><VersionId>{hard}</VersionId></Object></Delete>");
    let many = world.post("/bucket?delete").body(many).header("x-amz-bypass-governance-retention", "true");
    assert_eq!(many.send().await.expect(200).element("Code"), "AccessDenied");
    remove(&world, "soft", &soft, true).await.expect(204);
    let forced = world.delete("/bucket").header("x-zas-force-delete", "true");
    forced.send().await.expect_error(403, "AccessDenied");
    world.get(&format!("/bucket/hard?versionId={hard}")).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_hold_is_set_told_and_lifted() {
    let world = locking().await;
    let put = world.put("/bucket/key").header("x-amz-object-lock-legal-hold", "ON").body("x").send().await.expect(200);
    let version = put.header("x-amz-version-id").to_owned();
    assert_eq!(world.get("/bucket/key").send().await.expect(200).header("x-amz-object-lock-legal-hold"), "ON");
    assert_eq!(world.get("/bucket/key?legal-hold").send().await.expect(200).element("Status"), "ON");
    remove(&world, "key", &version, true).await.expect_error(403, "AccessDenied");
    let hold = |status: &str| {
        let document = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        world.put(&format!("/bucket/key?legal-hold&versionId={version}")).body(document)
    };
    hold("MAYBE").send().await.expect_error(400, "MalformedXML");
    hold("OFF").send().await.expect(200);
    assert_eq!(world.get("/bucket/key?legal-hold").send().await.expect(200).element("Status"), "OFF");
    remove(&world, "key", &version, false).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_made_longer_by_anybody_and_shorter_by_those_who_bypass_governance() {
    let world = locking().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.get("/bucket/key?retention").send().await.expect_error(404, "NoSuchObjectLockConfiguration");
    let put = |document: String| world.put("/bucket/key?retention").body(document);
    put(retention("GOVERNANCE", "2998-01-01T00:00:00Z")).send().await.expect(200);
    put(retention("GOVERNANCE", LATER)).send().await.expect(200);
    let told = world.get("/bucket/key?retention").send().await.expect(200);
    assert_eq!(told.element("Mode"), "GOVERNANCE");
    assert!(told.element("RetainUntilDate").starts_with("2999-01-01T00:00:00"));
    put(retention("GOVERNANCE", "2998-01-01T00:00:00Z")).send().await.expect_error(403, "AccessDenied");
    let bypassing = put(retention("GOVERNANCE", "2998-01-01T00:00:00Z"));
    bypassing.header("x-amz-bypass-governance-retention", "true").send().await.expect(200);
    put(retention("COMPLIANCE", LATER)).send().await.expect_error(403, "AccessDenied");
    for (document, code) in [
        (retention("GOVERNANCE", "2001-01-01T00:00:00Z"), "InvalidArgument"),
        ("<Retention><Mode>GOVERNANCE</Mode></Retention>".to_owned(), "MalformedXML"),
        (retention("FOREVER", LATER), "MalformedXML"),
    ] {
        put(document).send().await.expect_error(400, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_locked_nothing_can_be() {
    let world = World::with_bucket().await;
    let put = world.put("/bucket/key").header("x-amz-object-lock-mode", "GOVERNANCE");
    let put = put.header("x-amz-object-lock-retain-until-date", LATER).body("x");
    put.send().await.expect_error(400, "InvalidRequest");
    world.get("/bucket/key").send().await.expect_error(404, "NoSuchKey");
    world.put("/bucket/key").body("x").send().await.expect(200);
    let retain = world.put("/bucket/key?retention").body(retention("GOVERNANCE", LATER));
    retain.send().await.expect_error(400, "InvalidRequest");
    for query in ["retention", "legal-hold"] {
        world.get(&format!("/bucket/key?{query}")).send().await.expect_error(400, "InvalidRequest");
    }
    for (name, value) in [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-legal-hold", "maybe"),
        ("x-amz-object-lock-retain-until-date", LATER),
    ] {
        let put = world.put("/bucket/key").header(name, value).body("x");
        put.send().await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_and_a_copy_are_locked_as_their_makers_say() {
    let world = locking().await;
    let begin = world.post("/bucket/parts?uploads").header("x-amz-object-lock-mode", "COMPLIANCE");
    let begin = begin.header("x-amz-object-lock-retain-until-date", LATER).send().await.expect(200);
    let upload = begin.element("UploadId");
    let part = world.put(&format!("/bucket/parts?uploadId={upload}&partNumber=1")).body("x").send().await.expect(200);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    world.post(&format!("/bucket/parts?uploadId={upload}")).body(document).send().await.expect(200);
    assert_eq!(world.head("/bucket/parts").send().await.expect(200).header("x-amz-object-lock-mode"), "COMPLIANCE");
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/parts");
    copy.header("x-amz-object-lock-legal-hold", "ON").send().await.expect(200);
    let copied = world.head("/bucket/copy").send().await.expect(200);
    assert_eq!(copied.header("x-amz-object-lock-legal-hold"), "ON");
    assert!(!copied.headers.contains_key("x-amz-object-lock-mode"), "the source's lock stays with the source");
}
