//! Forms that browsers post to a bucket.

use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use zas_proxy::index::{NewQuota, Quota};

use super::bearer::{attach, world_with_issuer};
use super::form::{Form, content_type};
use super::sessions::{session, world_with_role};
use super::support::{Answer, Ask, KEY, SECRET, World, bytes, full, md5_hex};

/// A request with this form.
fn posting<'a>(world: &'a World, uri: &str, form: &Form) -> Ask<'a> {
    world.post(uri).header("content-type", content_type()).body(form.body())
}

async fn post(world: &World, form: &Form) -> Answer {
    world.send(posting(world, "/bucket", form).anonymous()).await
}

/// A form to a key, signed with the key that may do everything.
fn signed(form: Form) -> Form {
    form.signed(KEY, SECRET)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_puts_an_object_with_all_that_its_fields_say() {
    let world = World::with_bucket().await;
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, b"content of a form");
    let crc = u32::try_from(crc).unwrap().to_be_bytes();
    let crc = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, crc);
    let wrong = Form::new("bucket", "key").field("x-amz-checksum-crc32", &crc).content("other content");
    post(&world, &signed(wrong)).await.expect_error(400, "BadDigest");
    world.expect_nothing_left().await;

    let form = Form::new("bucket", "folder/a b")
        .field("Content-Type", "text/plain; charset=UTF-8")
        .field("Cache-Control", "no-store")
        .field("acl", "private")
        .field("x-amz-meta-kind", "grün")
        .field("x-amz-checksum-crc32", &crc)
        .field("tagging", "<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>")
        .stray("x-ignore-this", "x")
        .behind("key", "another")
        .behind("submit", "Upload")
        .content("content of a form");
    let answer = post(&world, &signed(form)).await.expect(204);
    assert_eq!(answer.etag(), md5_hex(b"content of a form"));
    assert_eq!(answer.header("location"), "http://localhost:9800/bucket/folder/a%20b");
    assert_eq!(answer.header("x-amz-checksum-crc32"), crc);
    assert!(answer.body.is_empty());

    let found = world.get("/bucket/folder/a%20b").header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert_eq!(found.text(), "content of a form");
    for (name, value) in [
        ("content-type", "text/plain; charset=UTF-8"),
        ("cache-control", "no-store"),
        ("x-amz-tagging-count", "1"),
        ("x-amz-checksum-crc32", &crc),
    ] {
        assert_eq!(found.header(name), value, "{name}");
    }
    assert!(found.headers.contains_key("x-amz-meta-kind"));
    assert_eq!(world.count("objects").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_says_how_it_is_answered() {
    let world = World::with_bucket().await;
    let form = |status: &str| signed(Form::new("bucket", "key").field("success_action_status", status));
    let answer = post(&world, &form("201")).await.expect(201);
    assert_eq!(answer.header("content-type"), "application/xml");
    for (name, value) in [("Location", "http://localhost:9800/bucket/key"), ("Bucket", "bucket"), ("Key", "key")] {
        assert_eq!(answer.element(name), value);
    }
    assert_eq!(answer.element("ETag"), format!("&quot;{}&quot;", md5_hex(b"content")));
    for (wanted, status) in [("200", 200), ("204", 204), ("404", 204)] {
        assert!(post(&world, &form(wanted)).await.expect(status).body.is_empty(), "{wanted}");
    }
    let target = "https://app.example/done?a=1";
    let form = signed(Form::new("bucket", "key").field("success_action_redirect", target));
    let answer = post(&world, &form).await.expect(303);
    let etag = md5_hex(b"content");
    assert_eq!(answer.header("location"), format!("{target}&bucket=bucket&key=key&etag=%22{etag}%22"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_the_file_becomes_part_of_the_key() {
    let world = World::with_bucket().await;
    let form = Form::new("bucket", "user/${filename}").condition(json!(["starts-with", "$key", "user/"]));
    post(&world, &signed(form.clone().filename("C:\\folder\\a b.txt"))).await.expect(204);
    assert_eq!(world.get("/bucket/user/a%20b.txt").send().await.expect(200).text(), "content");
    // What is asked of the key is asked of what it becomes.
    let form = Form::new("bucket", "${filename}").condition(json!(["starts-with", "$key", "user"]));
    post(&world, &signed(form.clone().filename("user.txt"))).await.expect(204);
    post(&world, &signed(form.filename("other.txt"))).await.expect_error(403, "AccessDenied");
    world.head("/bucket/other.txt").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_held_to_its_policy_and_what_is_not_leaves_nothing() {
    let world = World::with_bucket().await;
    world.put("/other").send().await.expect(200);
    let form = || Form::new("bucket", "key").field("acl", "private");
    let hour = Duration::from_secs(3600);
    let other_policy = signed(Form::new("bucket", "other").field("acl", "private")).value("policy").to_owned();
    for (what, form, status, code) in [
        ("a field without a condition", signed(form().stray("x-amz-meta-a", "1")), 403, "AccessDenied"),
        ("one that was added", signed(form()).stray("success_action_status", "201"), 403, "AccessDenied"),
        ("one that was changed", signed(form()).stray("acl", "bucket-owner-full-control"), 403, "AccessDenied"),
        ("one that was taken away", signed(form()).without("acl"), 403, "AccessDenied"),
        ("another bucket", signed(Form::new("other", "key")), 403, "AccessDenied"),
        ("the name of another bucket", signed(form().field("bucket", "other")), 403, "AccessDenied"),
        ("a policy that is over", signed(form().at(SystemTime::now() - hour)), 403, "AccessDenied"),
        ("a policy of tomorrow", signed(form().at(SystemTime::now() + hour)), 403, "RequestTimeTooSkewed"),
        ("another policy", signed(form()).stray("policy", &other_policy), 403, "SignatureDoesNotMatch"),
        ("a policy that is none", signed(form()).stray("policy", "e30="), 403, "SignatureDoesNotMatch"),
        ("another signature", signed(form()).stray("x-amz-signature", &"0".repeat(64)), 403, "SignatureDoesNotMatch"),
        ("another secret", form().signed(KEY, "another secret"), 403, "SignatureDoesNotMatch"),
        ("nobody's key", form().signed("AKIANOBODY", SECRET), 403, "InvalidAccessKeyId"),
        ("a token of no session", form().field("x-amz-security-token", "x").signed(KEY, SECRET), 400, "InvalidToken"),
        ("a token without a signature", form().stray("x-amz-security-token", "x"), 400, "InvalidToken"),
        ("no policy", signed(form()).without("policy"), 400, "InvalidArgument"),
        ("no signature", signed(form()).without("x-amz-signature"), 400, "InvalidArgument"),
        ("no key", signed(form()).without("key"), 400, "UserKeyMustBeSpecified"),
        ("another region", signed(form().region("eu-west-1")), 400, "AuthorizationQueryParametersError"),
        ("a signature of old", form().stray("AWSAccessKeyId", KEY).stray("signature", "x"), 400, "InvalidRequest"),
        ("a copy", signed(form().field("x-amz-copy-source", "/other/key")), 501, "NotImplemented"),
        ("nobody", form(), 403, "AccessDenied"),
        ("too much", signed(form().condition(json!(["content-length-range", 0, 6]))), 400, "EntityTooLarge"),
        ("too little", signed(form().condition(json!(["content-length-range", 8, 20]))), 400, "EntityTooSmall"),
        (
            "a limit that is none",
            signed(form().condition(json!(["content-length-range", 8]))),
            400,
            "InvalidPolicyDocument",
        ),
    ] {
        let answer = post(&world, &form).await;
        let told = (answer.status.as_u16(), answer.element("Code"));
        assert_eq!(told, (status, code.to_owned()), "{what}: {}", answer.text());
    }
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_which_size_or_condition_it_is() {
    let world = World::with_bucket().await;
    let form =
        |min: u64, max: u64| signed(Form::new("bucket", "key").condition(json!(["content-length-range", min, max])));
    post(&world, &form(7, 7)).await.expect(204);
    let large = post(&world, &form(0, 6)).await.expect_error(400, "EntityTooLarge");
    assert_eq!((large.element("ProposedSize"), large.element("MaxSizeAllowed")), ("7".to_owned(), "6".to_owned()));
    let small = post(&world, &form(8, 9)).await.expect_error(400, "EntityTooSmall");
    assert_eq!((small.element("ProposedSize"), small.element("MinSizeAllowed")), ("7".to_owned(), "8".to_owned()));
    let over = signed(Form::new("bucket", "key").at(SystemTime::now() - Duration::from_secs(120)));
    let over = post(&world, &over).await.expect_error(403, "AccessDenied");
    assert_eq!(over.element("Message"), "Invalid according to Policy: Policy expired.");
    let extra = post(&world, &signed(Form::new("bucket", "key").stray("x-amz-meta-a", "1"))).await;
    let extra = extra.expect_error(403, "AccessDenied");
    assert_eq!(extra.element("Message"), "Invalid according to Policy: Extra input fields: x-amz-meta-a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_streams_and_is_cut_off_where_its_policy_ends() {
    // Nothing is held in memory.
    let world = World::with(|config| config.store.buffer = ByteSize::b(1)).await;
    world.put("/bucket").send().await.expect(200);
    let content = bytes(3 * 1024 * 1024 + 17);
    let form = signed(Form::new("bucket", "large").content(content.clone()).behind("submit", "x"));
    let answer = post(&world, &form).await.expect(204);
    assert_eq!(answer.etag(), md5_hex(&content));
    assert_eq!(world.get("/bucket/large").send().await.expect(200).body, content);
    world.delete("/bucket/large").send().await.expect(204);

    // What the request's length alone does not say: there could be as much as this behind the file.
    let form = |min: u64, max: u64| {
        let form = Form::new("bucket", "key").condition(json!(["content-length-range", min, max]));
        signed(form.content(bytes(30_000)).behind("submit", "x"))
    };
    post(&world, &form(0, 29_999)).await.expect_error(400, "EntityTooLarge");
    post(&world, &form(30_001, 40_000)).await.expect_error(400, "EntityTooSmall");
    let empty = Form::new("bucket", "key").condition(json!(["content-length-range", 1, 9])).content("");
    post(&world, &signed(empty.behind("submit", "x"))).await.expect_error(400, "EntityTooSmall");
    world.expect_nothing_left().await;
    post(&world, &form(30_000, 30_000)).await.expect(204);
    post(&world, &signed(Form::new("bucket", "empty").content("").behind("submit", "x"))).await.expect(204);
    assert_eq!(world.head("/bucket/empty").send().await.expect(200).header("content-length"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_form_leaves_nothing() {
    let world = World::with_bucket().await;
    let whole = signed(Form::new("bucket", "key")).body();
    let send = async |body: &[u8], length: usize| {
        let ask = world.post("/bucket").header("content-type", content_type()).header("content-length", length);
        let mut request = ask.anonymous();
        *request.body_mut() = full(body.to_vec().into());
        world.send(request).await
    };
    for length in [0, 10, whole.len() / 2, whole.len() - 5] {
        send(&whole[..length], length).await.expect_error(400, "MalformedPOSTRequest");
    }
    let without_file = whole[..whole.len() / 3].to_vec();
    send(&without_file, without_file.len()).await.expect_error(400, "MalformedPOSTRequest");
    let long = signed(Form::new("bucket", "key").field("x-ignore-this", &"x".repeat(21_000))).body();
    send(&long, long.len()).await.expect_error(400, "MaxPostPreDataLengthExceeded");
    let related = world.post("/bucket").header("content-type", "multipart/related; boundary=x").body("--x--");
    world.send(related.anonymous()).await.expect_error(412, "PreconditionFailed");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_posted_to_buckets_alone_and_say_everything_in_their_fields() {
    let world = World::with_bucket().await;
    let form = signed(Form::new("bucket", "key"));
    for uri in ["/bucket/key", "/bucket?uploads", "/bucket/key?uploads"] {
        world.send(posting(&world, uri, &form).anonymous()).await.expect_error(405, "MethodNotAllowed");
    }
    for (name, value, status, code) in [
        ("x-amz-meta-a", "1", 403, "AccessDenied"),
        ("x-amz-copy-source", "/bucket/key", 403, "AccessDenied"),
        ("if-none-match", "*", 501, "NotImplemented"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=x", 400, "InvalidArgument"),
    ] {
        let ask = posting(&world, "/bucket", &form).late_header(name, value);
        world.send(ask.anonymous()).await.expect_error(status, code);
    }
    // A request that is signed in its header is none of a browser's.
    posting(&world, "/bucket", &form).send().await.expect_error(400, "InvalidArgument");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_posts_without_a_policy_but_where_the_buckets_lets_everybody() {
    let world = World::with_bucket().await;
    let open = Form::new("bucket", "public/a").stray("success_action_redirect", "https://evil.example/");
    post(&world, &open).await.expect_error(403, "AccessDenied");
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/public/*"}]}"#;
    world.put("/bucket?policy").body(policy).send().await.expect(204);
    let answer = post(&world, &open).await.expect(204);
    // Anybody could have written where to.
    assert_eq!(answer.header("location"), "http://localhost:9800/bucket/public/a");
    post(&world, &Form::new("bucket", "private/a")).await.expect_error(403, "AccessDenied");
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    post(&world, &open.stray("tagging", tags)).await.expect_error(403, "AccessDenied");
    assert_eq!(world.count("objects").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_signs_forms_with_its_token_and_not_without() {
    let (world, issuer) = world_with_role().await;
    let (id, secret, token) = session(&world, &issuer, &[]).await;
    let form = || Form::new("bucket", "key");
    post(&world, &form().signed(&id, &secret)).await.expect_error(403, "InvalidAccessKeyId");
    let other = form().field("x-amz-security-token", "ZAS1.x").signed(&id, &secret);
    post(&world, &other).await.expect_error(400, "InvalidToken");
    let with_token = form().field("x-amz-security-token", &token);
    post(&world, &with_token.clone().signed(&id, "wrong")).await.expect_error(403, "SignatureDoesNotMatch");
    post(&world, &with_token.signed(&id, &secret)).await.expect(204);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_does_what_its_poster_may_by_a_token_too() {
    let (world, issuer) = world_with_issuer().await;
    let alice = format!("Bearer {}", issuer.token("alice", &Value::Null).unwrap());
    let form = Form::new("bucket", "key");
    let ask = |form: &Form| posting(&world, "/bucket", form).late_header("authorization", &alice).anonymous();
    world.send(ask(&form)).await.expect_error(403, "AccessDenied");
    attach(&world, "read-write", "group", "/staff").await;
    world.send(ask(&form)).await.expect(204);
    world.send(ask(&signed(form))).await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_may_be_posted_to_the_host_of_a_bucket() {
    let world = World::with(|config| config.s3.domains = vec!["localhost".into()]).await;
    world.put("/bucket").send().await.expect(200);
    let form = signed(Form::new("bucket", "key").field("success_action_status", "201"));
    let mut request = posting(&world, "/", &form).anonymous();
    request.headers_mut().insert("host", "bucket.localhost:9800".parse().unwrap());
    let answer = world.send(request).await.expect(201);
    assert_eq!(answer.element("Location"), "http://bucket.localhost:9800/key");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_read_the_answer_where_the_buckets_rules_say_so() {
    let world = World::with_bucket().await;
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin>\
        <AllowedMethod>POST</AllowedMethod><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>";
    world.put("/bucket?cors").body(rules).send().await.expect(200);
    let form = signed(Form::new("bucket", "key"));
    for (form, status) in [(&form, 204), (&form.clone().without("policy"), 400)] {
        let ask = posting(&world, "/bucket", form).header("origin", "https://app.example");
        let answer = world.send(ask.anonymous()).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
        let ask = posting(&world, "/bucket", form).header("origin", "https://evil.example");
        let answer = world.send(ask.anonymous()).await.expect(status);
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_held_to_the_buckets_quota() {
    let world = World::with_bucket().await;
    let quota = Quota { bytes: Some(10), objects: None };
    let new = NewQuota { bucket: "bucket", quota, expected: None, by: "root", audit: &[] };
    world.app.index.put_bucket_quota(new).await.unwrap();
    let full = signed(Form::new("bucket", "large").content("12345678901"));
    post(&world, &full).await.expect_error(403, "QuotaExceeded");
    world.expect_nothing_left().await;
    // As much as there is room for, whatever stands behind the file.
    let just = Form::new("bucket", "key").content("1234567890").behind("submit", &"x".repeat(1000));
    post(&world, &signed(just)).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_whose_connection_breaks_leaves_nothing() {
    let world = World::with_bucket().await;
    let whole = signed(Form::new("bucket", "key").content(bytes(100_000))).body();
    let ask = world.post("/bucket").header("content-type", content_type()).header("content-length", whole.len());
    let mut request = ask.anonymous();
    let half = bytes::Bytes::copy_from_slice(&whole[..whole.len() / 2]);
    *request.body_mut() = super::support::pieces(vec![Ok(half), Err("the connection broke".into())]);
    let answer = world.call(request).await;
    assert!(answer.status().is_client_error(), "{}", answer.status());
    let _ = answer.into_body().collect().await;
    world.expect_nothing_left().await;
}
