//! What buckets are configured with: kept, shown, removed, and gone with the bucket; and what no bucket has.

use crate::support::World;

const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn tagging(tags: &[(&str, &str)]) -> String {
    let tag = |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    format!("<Tagging {NAMESPACE}><TagSet>{}</TagSet></Tagging>", tags.iter().map(tag).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_a_bucket_are_shown_as_they_were_sent_until_they_are_removed() {
    let world = World::with_bucket().await;
    world.get("/bucket?tagging").send().await.expect_error(404, "NoSuchTagSet");
    world.put("/bucket?tagging").body(tagging(&[("team", "a"), ("cost", "")])).send().await.expect(204);
    let shown = world.get("/bucket?tagging").send().await.expect(200);
    assert_eq!(shown.elements("Key"), ["team", "cost"]);
    assert_eq!(shown.elements("Value"), ["a", ""]);
    world.put("/bucket?tagging").body(tagging(&[("team", "b")])).send().await.expect(204);
    assert_eq!(world.get("/bucket?tagging").send().await.expect(200).elements("Value"), ["b"]);
    world.delete("/bucket?tagging").send().await.expect(204);
    world.delete("/bucket?tagging").send().await.expect(204);
    world.get("/bucket?tagging").send().await.expect_error(404, "NoSuchTagSet");
    world.put("/nowhere?tagging").body(tagging(&[("a", "b")])).send().await.expect_error(404, "NoSuchBucket");
    world.get("/nowhere?tagging").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_s3_refuses_change_nothing() {
    let world = World::with_bucket().await;
    world.put("/bucket?tagging").body(tagging(&[("team", "a")])).send().await.expect(204);
    let many: Vec<(String, String)> = (0..51).map(|n| (format!("k{n}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for (tags, code) in [
        (tagging(&many), "BadRequest"),
        (tagging(&[("a", "1"), ("a", "2")]), "InvalidTag"),
        (tagging(&[("aws:a", "1")]), "InvalidTag"),
        (tagging(&[("", "1")]), "InvalidTag"),
        (tagging(&[("a", "1*")]), "InvalidTag"),
        ("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>".to_owned(), "MalformedXML"),
        ("<Tagging>".to_owned(), "MalformedXML"),
    ] {
        world.put("/bucket?tagging").body(tags).send().await.expect_error(400, code);
    }
    let tampered = world.put("/bucket?tagging").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    tampered.body(tagging(&[("a", "1")])).send().await.expect_error(400, "BadDigest");
    assert_eq!(world.get("/bucket?tagging").send().await.expect(200).elements("Key"), ["team"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_the_same_name_begins_with_no_configuration() {
    let world = World::with_bucket().await;
    world.put("/bucket?tagging").body(tagging(&[("team", "a")])).send().await.expect(204);
    world.put("/bucket?publicAccessBlock").body(block("BlockPublicAcls")).send().await.expect(200);
    world.delete("/bucket").send().await.expect(204);
    assert_eq!(world.count("bucket_configurations").await, 0);
    world.put("/bucket").send().await.expect(200);
    world.get("/bucket?tagging").send().await.expect_error(404, "NoSuchTagSet");
    let none = world.get("/bucket?publicAccessBlock").send().await;
    none.expect_error(404, "NoSuchPublicAccessBlockConfiguration");
}

fn block(setting: &str) -> String {
    format!("<PublicAccessBlockConfiguration {NAMESPACE}><{setting}>true</{setting}></PublicAccessBlockConfiguration>")
}

const PUBLIC: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_public_policy_is_refused_where_it_is_blocked() {
    let world = World::with_bucket().await;
    world.put("/bucket?publicAccessBlock").body(block("BlockPublicPolicy")).send().await.expect(200);
    let shown = world.get("/bucket?publicAccessBlock").send().await.expect(200);
    assert_eq!(shown.element("BlockPublicPolicy"), "true");
    for off in ["BlockPublicAcls", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        assert_eq!(shown.element(off), "false", "{off}");
    }
    let refused = world.put("/bucket?policy").body(PUBLIC).send().await.expect_error(403, "AccessDenied");
    assert!(refused.element("Message").contains("BlockPublicPolicy"), "{}", refused.text());
    world.get("/bucket?policy").send().await.expect_error(404, "NoSuchBucketPolicy");
    let private = PUBLIC.replace("\"*\", \"Action\"", "{\"AWS\": \"user/alice\"}, \"Action\"");
    world.put("/bucket?policy").body(private).send().await.expect(204);
    world.delete("/bucket?publicAccessBlock").send().await.expect(204);
    world.put("/bucket?policy").body(PUBLIC).send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_public_is_restricted_lets_in_nobody_who_is_not_known() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.put("/bucket?policy").body(PUBLIC).send().await.expect(204);
    world.send(world.get("/bucket/key").anonymous()).await.expect(200);
    world.put("/bucket?publicAccessBlock").body(block("RestrictPublicBuckets")).send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
    world.get("/bucket/key").send().await.expect(200);
    world.delete("/bucket?publicAccessBlock").send().await.expect(204);
    world.send(world.get("/bucket/key").anonymous()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_owns_everything_until_that_is_no_longer_said() {
    let world = World::with_bucket().await;
    let shown = world.get("/bucket?ownershipControls").send().await.expect(200);
    assert_eq!(shown.element("ObjectOwnership"), "BucketOwnerEnforced");
    let controls = |ownership: &str| {
        format!("<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>")
    };
    world.delete("/bucket?ownershipControls").send().await.expect(204);
    let none = world.get("/bucket?ownershipControls").send().await;
    none.expect_error(404, "OwnershipControlsNotFoundError");
    world.put("/bucket?ownershipControls").body(controls("BucketOwnerEnforced")).send().await.expect(200);
    world.get("/bucket?ownershipControls").send().await.expect(200);
    for ownership in ["ObjectWriter", "BucketOwnerPreferred"] {
        world.put("/bucket?ownershipControls").body(controls(ownership)).send().await.expect(200);
        let shown = world.get("/bucket?ownershipControls").send().await.expect(200);
        assert_eq!(shown.element("ObjectOwnership"), ownership);
    }
    let unknown = world.put("/bucket?ownershipControls").body(controls("Nobody")).send().await;
    unknown.expect_error(400, "MalformedXML");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_that_the_owner_may_do_everything_and_can_say_nothing_else() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    for target in ["/bucket?acl", "/bucket/key?acl"] {
        let shown = world.get(target).send().await.expect(200);
        assert_eq!(shown.elements("ID"), ["root/AKIATEST", "root/AKIATEST"], "{}", shown.text());
        assert_eq!(shown.elements("Permission"), ["FULL_CONTROL"]);
        world.put(target).body(shown.body.clone()).send().await.expect(200);
        world.put(target).header("x-amz-acl", "private").send().await.expect(200);
        let public = world.put(target).header("x-amz-acl", "public-read").send().await;
        public.expect_error(400, "AccessControlListNotSupported");
        let grant = world.put(target).header("x-amz-grant-read", "id=\"x\"").send().await;
        grant.expect_error(400, "AccessControlListNotSupported");
        world.put(target).send().await.expect_error(400, "MissingSecurityHeader");
    }
    world.get("/bucket/none?acl").send().await.expect_error(404, "NoSuchKey");
    let object = world.put("/bucket/key").header("x-amz-acl", "public-read").body("x").send().await;
    object.expect_error(400, "AccessControlListNotSupported");
    let bucket = world.put("/other").header("x-amz-acl", "public-read").send().await;
    bucket.expect_error(400, "InvalidBucketAclWithObjectOwnership");
}

fn encryption(algorithm: &str) -> String {
    format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_promised_by_nobody_who_does_not_know_of_it() {
    let world = World::with_bucket().await;
    let none = world.get("/bucket?encryption").send().await;
    none.expect_error(404, "ServerSideEncryptionConfigurationNotFoundError");
    world.put("/bucket?encryption").body(encryption("AES256")).send().await.expect_error(501, "NotImplemented");
    world.delete("/bucket?encryption").send().await.expect(204);
    let put = world.put("/bucket/key").header("x-amz-server-side-encryption", "AES256").body("x").send().await;
    assert!(put.expect_error(501, "NotImplemented").element("Message").contains("s3.encryption_at_rest"));
    let put = world.put("/bucket/key").body("x").send().await.expect(200);
    assert!(!put.headers.contains_key("x-amz-server-side-encryption"));
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_said_to_encrypt_is_told_of_in_every_answer_about_an_object() {
    let world = World::with(|config| config.s3.encryption_at_rest = true).await;
    world.put("/bucket").send().await.expect(200);
    assert_eq!(world.get("/bucket?encryption").send().await.expect(200).element("SSEAlgorithm"), "AES256");
    world.put("/bucket?encryption").body(encryption("AES256")).send().await.expect(200);
    assert_eq!(world.get("/bucket?encryption").send().await.expect(200).element("BucketKeyEnabled"), "true");
    world.put("/bucket?encryption").body(encryption("aws:kms")).send().await.expect_error(501, "NotImplemented");
    let asked = world.put("/bucket/key").header("x-amz-server-side-encryption", "AES256").body("x");
    for answer in [asked.send().await, world.get("/bucket/key").send().await, world.head("/bucket/key").send().await] {
        assert_eq!(answer.expect(200).header("x-amz-server-side-encryption"), "AES256");
    }
    let kms = world.put("/bucket/key").header("x-amz-server-side-encryption", "aws:kms").body("x").send().await;
    kms.expect_error(501, "NotImplemented");
    let listed = world.get("/bucket").send().await.expect(200);
    assert!(!listed.headers.contains_key("x-amz-server-side-encryption"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_bucket_has_is_answered_as_s3_answers_it() {
    let world = World::with_bucket().await;
    for (query, status, code) in [
        ("website", 404, "NoSuchWebsiteConfiguration"),
        ("replication", 404, "ReplicationConfigurationNotFoundError"),
        ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
        ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
        ("analytics&id=a", 404, "NoSuchConfiguration"),
        ("inventory&id=a", 404, "NoSuchConfiguration"),
        ("metrics&id=a", 404, "NoSuchConfiguration"),
        ("intelligent-tiering&id=a", 404, "NoSuchConfiguration"),
    ] {
        world.get(&format!("/bucket?{query}")).send().await.expect_error(status, code);
        world.get(&format!("/nowhere?{query}")).send().await.expect_error(404, "NoSuchBucket");
    }
    for query in ["analytics", "inventory", "metrics", "intelligent-tiering"] {
        let listed = world.get(&format!("/bucket?{query}")).send().await.expect(200);
        assert_eq!(listed.element("IsTruncated"), "false", "{query}");
    }
    for query in ["website", "replication", "lifecycle", "encryption", "cors"] {
        world.delete(&format!("/bucket?{query}")).send().await.expect(204);
        world.delete(&format!("/nowhere?{query}")).send().await.expect_error(404, "NoSuchBucket");
    }
    for (query, root) in [
        ("accelerate", "AccelerateConfiguration"),
        ("logging", "BucketLoggingStatus"),
        ("notification", "NotificationConfiguration"),
    ] {
        let text = world.get(&format!("/bucket?{query}")).send().await.expect(200).text();
        assert!(text.contains(&format!("<{root} ")) && !text.contains("<Status>"), "{text}");
    }
    assert_eq!(world.get("/bucket?requestPayment").send().await.expect(200).element("Payer"), "BucketOwner");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_so_already_may_be_asked_for_and_nothing_else() {
    let world = World::with_bucket().await;
    for (query, document, status) in [
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
            200,
        ),
        ("requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>", 501),
        ("requestPayment", "<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>", 400),
        ("accelerate", "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>", 200),
        ("accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>", 501),
        ("logging", "<BucketLoggingStatus/>", 200),
        (
            "logging",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
            501,
        ),
        ("notification", "<NotificationConfiguration/>", 200),
        (
            "notification",
            "<NotificationConfiguration><TopicConfiguration><Topic>t</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>",
            400,
        ),
        ("notification", "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>", 501),
        ("website", "<WebsiteConfiguration/>", 501),
        ("lifecycle", "<LifecycleConfiguration/>", 400),
    ] {
        world.put(&format!("/bucket?{query}")).body(document).send().await.expect(status);
    }
}
