//! Bucket policies: kept, shown, removed, and decided by at once.

use http::StatusCode;

use super::support::{World, account};

/// Everybody may read what is under `public/`, and list it.
const PUBLIC: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/public/*"},
        {"Sid": "List", "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket",
         "Condition": {"StringLike": {"s3:prefix": "public/*"}}}
    ]
}"#;

fn md5(body: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, <md5::Md5 as md5::Digest>::digest(body))
}

async fn world() -> World {
    let world = World::with_bucket().await;
    world.put("/bucket/public/a").body("a").send().await.expect(200);
    world.put("/bucket/private/a").body("a").send().await.expect(200);
    world
}

async fn put(world: &World, policy: &str) {
    world.put("/bucket?policy").body(policy.to_owned()).send().await.expect(204);
}

#[tokio::test]
async fn a_policy_is_shown_as_it_was_sent_until_it_is_removed() {
    let world = world().await;
    world.get("/bucket?policy").send().await.expect_error(404, "NoSuchBucketPolicy");
    put(&world, PUBLIC).await;
    assert_eq!(world.get("/bucket?policy").send().await.expect(200).text(), PUBLIC);
    let status = world.get("/bucket?policyStatus").send().await.expect(200).text();
    assert!(status.contains("<IsPublic>true</IsPublic>"), "{status}");
    world.delete("/bucket?policy").send().await.expect(204);
    world.delete("/bucket?policy").send().await.expect(204);
    world.get("/bucket?policyStatus").send().await.expect_error(404, "NoSuchBucketPolicy");
    world.get("/nowhere?policy").send().await.expect_error(404, "NoSuchBucket");
    world
        .put("/nowhere?policy")
        .body(PUBLIC.replace("bucket", "nowhere"))
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn anonymous_requests_may_do_what_the_policy_allows_and_nothing_else() {
    let world = world().await;
    let anonymous = async |ask: super::support::Ask<'_>| world.send(ask.anonymous()).await;
    anonymous(world.get("/bucket/public/a")).await.expect_error(403, "AccessDenied");
    put(&world, PUBLIC).await;
    assert_eq!(anonymous(world.get("/bucket/public/a")).await.expect(200).text(), "a");
    assert_eq!(anonymous(world.head("/bucket/public/a")).await.status, StatusCode::OK);
    anonymous(world.get("/bucket?list-type=2&prefix=public%2F")).await.expect(200);
    anonymous(world.get("/bucket?list-type=2")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket?list-type=2&prefix=private%2F")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket/private/a")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket/public/../private/a")).await.expect_error(400, "InvalidArgument");
    anonymous(world.get("/bucket/public%2F..%2Fprivate/a")).await.expect_error(400, "InvalidArgument");
    anonymous(world.put("/bucket/public/b").body("b")).await.expect_error(403, "AccessDenied");
    anonymous(world.delete("/bucket/public/a")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket?policy")).await.expect_error(403, "AccessDenied");
    world.delete("/bucket?policy").send().await.expect(204);
    anonymous(world.get("/bucket/public/a")).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn anybody_may_put_where_the_policy_lets_everybody_and_nowhere_else() {
    let world = world().await;
    put(
        &world,
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "bucket/public/*"}]}"#,
    )
    .await;
    let anonymous = async |uri: &str| world.send(world.put(uri).body("b").anonymous()).await;
    anonymous("/bucket/public/b").await.expect(200);
    anonymous("/bucket/private/b").await.expect_error(403, "AccessDenied");
    anonymous("/bucket/public/../private/b").await.expect_error(400, "InvalidArgument");
    let tagged = world.put("/bucket/public/c").header("x-amz-tagging", "a=b").body("c");
    world.send(tagged.anonymous()).await.expect_error(403, "AccessDenied");
    assert_eq!(world.get("/bucket/public/b").send().await.expect(200).text(), "b");
    assert_eq!(world.count("objects").await, 3);
}

#[tokio::test]
async fn a_copy_needs_the_right_to_read_its_source() {
    let world = world().await;
    put(
        &world,
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "bucket/public/*"}]}"#,
    )
    .await;
    let copy = |source: &'static str| {
        let ask = world.put("/bucket/public/copy").header("x-amz-copy-source", source);
        ask.anonymous()
    };
    world.send(copy("/bucket/private/a")).await.expect_error(403, "AccessDenied");
    world.send(copy("/bucket/public%2F..%2Fprivate/a")).await.expect_error(400, "InvalidArgument");
    world.send(copy("/bucket/public/a")).await.expect(200);
}

#[tokio::test]
async fn many_keys_are_deleted_key_by_key() {
    let world = world().await;
    put(
        &world,
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "bucket/public/*"}]}"#,
    )
    .await;
    let body = "<Delete><Object><Key>public/a</Key></Object><Object><Key>private/a</Key></Object></Delete>";
    let ask =
        async |uri: &str| world.send(world.post(uri).header("content-md5", md5(body)).body(body).anonymous()).await;
    let answer = ask("/bucket?delete").await.expect(200).text();
    assert!(answer.contains("<Deleted><Key>public/a</Key>"), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert_eq!(world.get("/bucket/private/a").send().await.expect(200).text(), "a");
    world.get("/bucket/public/a").send().await.expect_error(404, "NoSuchKey");
    // Where they may delete nothing they are not heard.
    put(&world, PUBLIC).await;
    for bucket in ["/bucket?delete", "/nowhere?delete"] {
        ask(bucket).await.expect_error(403, "AccessDenied");
    }
}

/// The policy of AWS, "Enforce conditional writes on Amazon S3 buckets".
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_takes_writes_with_a_condition_alone_and_lets_uploads_begin() {
    let world = world().await;
    put(
        &world,
        r#"{"Version": "2012-10-17", "Statement": [
            {"Sid": "AllowConditionalPut", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*",
             "Condition": {"Null": {"s3:if-none-match": "false"}}},
            {"Sid": "AllowConditionalPutwithMPUs", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*",
             "Condition": {"Bool": {"s3:ObjectCreationOperation": "false"}}}]}"#,
    )
    .await;
    let reads = r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "bucket/public/*"}}"#;
    let writer = account(&world, reads).await;
    let (id, secret) = (writer.key.id.as_str(), writer.secret.expose());
    let put = |key: &str| world.put(&format!("/bucket/{key}")).key(id, secret).body("x");
    put("a").send().await.expect_error(403, "AccessDenied");
    put("a").header("if-none-match", "*").send().await.expect(200);
    put("a").header("if-none-match", "*").send().await.expect_error(412, "PreconditionFailed");
    let copy = || world.put("/bucket/copy").key(id, secret).header("x-amz-copy-source", "bucket/public/a");
    copy().send().await.expect_error(403, "AccessDenied");
    copy().header("if-none-match", "*").send().await.expect(200);

    let upload = world.post("/bucket/parts?uploads").key(id, secret).send().await.expect(200).element("UploadId");
    let part = put(&format!("parts?partNumber=1&uploadId={upload}")).send().await.expect(200);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    let complete = || world.post(&format!("/bucket/parts?uploadId={upload}")).key(id, secret).body(document.clone());
    complete().send().await.expect_error(403, "AccessDenied");
    complete().header("if-none-match", "*").send().await.expect(200);
}

#[tokio::test]
async fn a_document_that_is_wrong_is_refused_with_its_place_and_changes_nothing() {
    let world = world().await;
    put(&world, PUBLIC).await;
    for (document, says) in [
        ("{", "This is not JSON"),
        (&*PUBLIC.replace("s3:GetObject", "s3:GetObjects"), "Statement[0].Action: There is no action"),
        (&*PUBLIC.replace("arn:aws:s3:::bucket/public/*", "arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (&*PUBLIC.replace("\"Principal\": \"*\", ", ""), "The statement names its Principal."),
    ] {
        let answer = world.put("/bucket?policy").body(document.to_owned()).send().await;
        let text = answer.expect_error(400, "MalformedPolicy").text();
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(world.get("/bucket?policy").send().await.expect(200).text(), PUBLIC);
}

#[tokio::test]
async fn a_bucket_of_the_same_name_begins_without_a_policy() {
    let world = World::with_bucket().await;
    put(&world, PUBLIC).await;
    world.delete("/bucket").send().await.expect(204);
    world.put("/bucket").send().await.expect(200);
    world.get("/bucket?policy").send().await.expect_error(404, "NoSuchBucketPolicy");
}

#[tokio::test]
async fn each_change_of_a_policy_is_kept_as_history() {
    let world = World::with_bucket().await;
    put(&world, PUBLIC).await;
    put(&world, PUBLIC).await;
    world.delete("/bucket?policy").send().await.expect(204);
    world.delete("/bucket?policy").send().await.expect(204);
    assert_eq!(world.count("policy_history").await, 3);
}
