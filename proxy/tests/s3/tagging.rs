//! Tags of objects, and policies that ask for them.

use crate::support::{World, account};

/// A policy of these statements.
fn allowing(statements: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#)
}

fn document(tags: &[(&str, &str)]) -> String {
    let tags: Vec<String> =
        tags.iter().map(|(name, value)| format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>")).collect();
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.concat())
}

async fn tags_of(world: &World, key: &str) -> Vec<(String, String)> {
    let answer = world.get(&format!("/bucket/{key}?tagging")).send().await.expect(200);
    answer.elements("Key").into_iter().zip(answer.elements("Value")).collect()
}

fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_put_shown_counted_and_removed() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    assert_eq!(tags_of(&world, "key").await, []);
    assert!(!world.head("/bucket/key").send().await.expect(200).headers.contains_key("x-amz-tagging-count"));
    let put = |tags: &[(&str, &str)]| world.put("/bucket/key?tagging").body(document(tags));
    put(&[("team", "a b"), ("stage", "")]).send().await.expect(200);
    assert_eq!(tags_of(&world, "key").await, pairs(&[("stage", ""), ("team", "a b")]));
    for answer in [world.head("/bucket/key").send().await, world.get("/bucket/key").send().await] {
        assert_eq!(answer.expect(200).header("x-amz-tagging-count"), "2");
    }
    put(&[("other", "1")]).send().await.expect(200);
    assert_eq!(tags_of(&world, "key").await, pairs(&[("other", "1")]));
    world.delete("/bucket/key?tagging").send().await.expect(204);
    assert_eq!(tags_of(&world, "key").await, []);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "x", "the object is still there");
    for ask in [world.get("/bucket/none?tagging"), world.delete("/bucket/none?tagging")] {
        ask.send().await.expect_error(404, "NoSuchKey");
    }
    world.put("/bucket/none?tagging").body(document(&[])).send().await.expect_error(404, "NoSuchKey");
    world.get("/none/key?tagging").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_break_a_rule_are_refused_and_change_nothing() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").header("x-amz-tagging", "team=a").body("x").send().await.expect(200);
    let names: Vec<String> = (0..11).map(|number| format!("k{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let put = |body: String| world.put("/bucket/key?tagging").body(body);
    for tags in [&many[..], &[("aws:x", "v")], &[("a", "1"), ("a", "2")], &[("", "v")]] {
        put(document(tags)).send().await.expect_error(400, "InvalidTag");
    }
    for text in ["", "<Tagging", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"] {
        let answer = put(text.to_owned()).send().await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.text());
    }
    let wrong = put(document(&[("a", "b")])).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    wrong.send().await.expect_error(400, "BadDigest");
    let written = |tags: &str| world.put("/bucket/key").header("x-amz-tagging", tags).body("y");
    written("a=1&a=2").send().await.expect_error(400, "InvalidArgument");
    written("aws%3Ax=1").send().await.expect_error(400, "InvalidTag");
    assert_eq!(tags_of(&world, "key").await, pairs(&[("team", "a")]));
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_come_with_writes_and_go_with_copies() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").header("x-amz-tagging", "team=a%20b&stage").body("x").send().await.expect(200);
    assert_eq!(tags_of(&world, "key").await, pairs(&[("stage", ""), ("team", "a b")]));
    let begun = world.post("/bucket/parts?uploads").header("x-amz-tagging", "team=c").send().await.expect(200);
    let id = begun.element("UploadId");
    let etag =
        world.put(&format!("/bucket/parts?partNumber=1&uploadId={id}")).body("x").send().await.expect(200).etag();
    let parts = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let parts = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    world.post(&format!("/bucket/parts?uploadId={id}")).body(parts).send().await.expect(200);
    assert_eq!(tags_of(&world, "parts").await, pairs(&[("team", "c")]));

    let copy = |to: &str| world.put(&format!("/bucket/{to}")).header("x-amz-copy-source", "bucket/key");
    copy("same").send().await.expect(200);
    assert_eq!(tags_of(&world, "same").await, tags_of(&world, "key").await);
    let replaced = copy("other").header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "a=b");
    replaced.send().await.expect(200);
    assert_eq!(tags_of(&world, "other").await, pairs(&[("a", "b")]));
    copy("none").header("x-amz-tagging-directive", "REPLACE").send().await.expect(200);
    assert_eq!(tags_of(&world, "none").await, []);
    // Unless it replaces them a copy gives no tags of its own.
    for directive in [None, Some("COPY")] {
        let kept = copy("kept").header("x-amz-tagging", "a=b");
        let kept = directive.into_iter().fold(kept, |kept, named| kept.header("x-amz-tagging-directive", named));
        kept.send().await.expect(200);
        assert_eq!(tags_of(&world, "kept").await, tags_of(&world, "key").await);
    }
    copy("x").header("x-amz-tagging-directive", "SOME").send().await.expect_error(400, "InvalidArgument");
    // What is written anew has no tags but its own.
    world.put("/bucket/key").body("y").send().await.expect(200);
    assert_eq!(tags_of(&world, "key").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_may_ask_for_the_tags_that_an_object_has() {
    let world = World::with_bucket().await;
    for key in ["open", "secret", "bare"] {
        world.put(&format!("/bucket/{key}")).body(key).send().await.expect(200);
    }
    for class in ["open", "secret"] {
        let tags = document(&[("class", class)]);
        world.put(&format!("/bucket/{class}?tagging")).body(tags).send().await.expect(200);
    }
    let statements = r#"[
        {"Effect": "Allow", "Action": "s3:*", "Resource": "bucket/*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "bucket/*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/class": "secret"}}}]"#;
    let key = account(&world, &allowing(statements)).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    for (key, status) in [("open", 200), ("bare", 200), ("secret", 403), ("none", 404)] {
        for uri in [format!("/bucket/{key}"), format!("/bucket/{key}?tagging")] {
            let answer = world.get(&uri).key(id, secret).send().await;
            assert_eq!(answer.status, status, "{uri}: {}", answer.text());
        }
        assert_eq!(world.head(&format!("/bucket/{key}")).key(id, secret).send().await.status, status, "{key}");
    }
    // Neither read by a copy, nor overwritten, deleted or made open.
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/secret").key(id, secret);
    copy.send().await.expect_error(403, "AccessDenied");
    world.put("/bucket/secret").body("x").key(id, secret).send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket/secret").key(id, secret).send().await.expect_error(403, "AccessDenied");
    let open = world.put("/bucket/secret?tagging").body(document(&[("class", "open")])).key(id, secret);
    open.send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket/secret?tagging").key(id, secret).send().await.expect_error(403, "AccessDenied");
    let many = "<Delete><Object><Key>open</Key></Object><Object><Key>secret</Key></Object></Delete>";
    let answer = world.post("/bucket?delete").body(many).key(id, secret).send().await.expect(200);
    assert_eq!(
        (answer.elements("Key"), answer.element("Code")),
        (names_of(&["open", "secret"]), "AccessDenied".to_owned())
    );
    assert_eq!(world.get("/bucket/secret").send().await.expect(200).text(), "secret");
}

fn names_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_may_ask_for_the_tags_that_a_request_gives() {
    let world = World::with_bucket().await;
    let statements = r#"[
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "bucket/*"},
        {"Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "bucket/*", "Condition": {
            "StringEquals": {"s3:RequestObjectTag/team": "a"}, "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team", "stage"]}}}]"#;
    let key = account(&world, &allowing(statements)).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    let put = |tags: &str| world.put("/bucket/key").header("x-amz-tagging", tags).body("x").key(id, secret);
    let tag = |tags: &[(&str, &str)]| world.put("/bucket/key?tagging").body(document(tags)).key(id, secret);
    for (good, tags) in
        [(true, "team=a"), (true, "team=a&stage=b"), (false, "team=b"), (false, "team=a&x=y"), (false, "x=y")]
    {
        let status = if good { 200 } else { 403 };
        assert_eq!(put(tags).send().await.status, status, "{tags}");
        let pairs: Vec<(&str, &str)> = tags.split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert_eq!(tag(&pairs).send().await.status, status, "{tags}");
    }
    // Without tags there is nothing to ask for; and who may not read tags is not told how many there are.
    world.put("/bucket/bare").body("x").key(id, secret).send().await.expect(200);
    let head = world.head("/bucket/key").key(id, secret).send().await.expect(200);
    assert!(!head.headers.contains_key("x-amz-tagging-count"));
    // The tags of a source go with it to those alone who may read and give them.
    let copy = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/key").key(id, secret);
    copy.send().await.expect_error(403, "AccessDenied");
    let replacing = world.put("/bucket/copy").header("x-amz-copy-source", "bucket/key").key(id, secret);
    let replacing = replacing.header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "team=a");
    replacing.send().await.expect(200);
    assert_eq!(tags_of(&world, "copy").await, pairs(&[("team", "a")]));
    // Tags that count for nothing take no right.
    let keeping = world.put("/bucket/untagged").header("x-amz-copy-source", "bucket/bare").key(id, secret);
    keeping.header("x-amz-tagging", "x=y").send().await.expect(200);
    assert_eq!(tags_of(&world, "untagged").await, []);
}
