//! Requests that try to get past the signature, and those that ask for what we do not do.

use std::time::Duration;

use http::Method;

use crate::support::{Ask, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_header_added_to_a_presigned_put_makes_no_copy() {
    let world = World::with_bucket().await;
    world.put("/bucket/secret").body("secret").send().await.expect(200);
    let put = world.put("/bucket/key").presigned(Duration::from_secs(60));
    let copy = put.late_header("x-amz-copy-source", "bucket/secret").send().await.expect_error(403, "AccessDenied");
    assert_eq!(copy.element("HeadersNotSigned"), "x-amz-copy-source");
    world.head("/bucket/key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_holds_for_its_method_path_and_host_only() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    let swapped = |method: Method| {
        let mut request = world.get("/bucket/key").presigned(Duration::from_secs(60)).signed();
        *request.method_mut() = method;
        request
    };
    world.send(swapped(Method::DELETE)).await.expect_error(403, "SignatureDoesNotMatch");
    let mut moved = world.get("/bucket/key").presigned(Duration::from_secs(60)).signed();
    *moved.uri_mut() = moved.uri().to_string().replace("/bucket/key", "/bucket/kez").parse().unwrap();
    world.send(moved).await.expect_error(403, "SignatureDoesNotMatch");
    let mut hosted = world.get("/bucket/key").presigned(Duration::from_secs(60)).signed();
    hosted.headers_mut().insert("host", "evil.example.com".parse().unwrap());
    world.send(hosted).await.expect_error(403, "SignatureDoesNotMatch");
    world.head("/bucket/key").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_added_to_the_signed_headers_signs_nothing() {
    let world = World::with_bucket().await;
    let mut request = world.put("/bucket/key").body("x").signed();
    let value =
        request.headers()["authorization"].to_str().unwrap().replace("SignedHeaders=", "SignedHeaders=x-amz-acl;");
    request.headers_mut().insert("authorization", value.parse().unwrap());
    request.headers_mut().insert("x-amz-acl", "private".parse().unwrap());
    world.send(request).await.expect_error(403, "SignatureDoesNotMatch");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_trailer_request_stores_nothing() {
    let world = World::with_bucket().await;
    let id = world.post("/bucket/part?uploads").send().await.expect(200).element("UploadId");
    for uri in ["/bucket/key".to_owned(), format!("/bucket/part?partNumber=1&uploadId={id}")] {
        let forged = with_trailer(&world, &uri).key("AKIATEST", "wrong secret wrong secret");
        forged.send().await.expect_error(403, "SignatureDoesNotMatch");
        world.send(with_trailer(&world, &uri).anonymous()).await.expect_error(403, "AccessDenied");
    }
    world.delete(&format!("/bucket/part?uploadId={id}")).send().await.expect(204);
    world.expect_nothing_left().await;
}

/// An upload in chunks without signatures of their own.
fn with_trailer<'a>(world: &'a World, uri: &str) -> Ask<'a> {
    world
        .put(uri)
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", 1)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body("1\r\nx\r\n0\r\nx-amz-checksum-crc32:jNwNgQ==\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_query_signs_nothing_by_itself() {
    let world = World::with_bucket().await;
    let credential = "AKIATEST%2F20260101%2Fus-east-1%2Fs3%2Faws4_request";
    for query in [
        format!("X-Amz-Credential={credential}"),
        format!("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}"),
        format!("X-Amz-Credential={credential}&X-Amz-Signature=00"),
    ] {
        let uri = format!("/bucket/key?{query}");
        for ask in [with_trailer(&world, &uri), world.put(&uri).body("x"), world.get(&uri)] {
            let answer = world.send(ask.anonymous()).await;
            answer.expect_error(400, "AuthorizationQueryParametersError");
        }
    }
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_region_is_refused_and_ours_is_named() {
    let world = World::with_bucket().await;
    let answer = world.get("/bucket/key").region("eu-west-1").send().await;
    let answer = answer.expect_error(400, "AuthorizationHeaderMalformed");
    assert_eq!(answer.element("Region"), "us-east-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_requests_get_nothing() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    for ask in [
        world.get("/"),
        world.get("/bucket"),
        world.get("/bucket/key"),
        world.get("/bucket?acl"),
        world.put("/b2b"),
        world.delete("/bucket/key"),
    ] {
        world.send(ask.anonymous()).await.expect_error(403, "AccessDenied");
    }
    world.head("/bucket/key").send().await.expect(200);
    assert_eq!(world.count("buckets").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_key_configured_nothing_is_served() {
    let world = World::with(|config| config.access_keys.clear()).await;
    world.put("/bucket").send().await.expect_error(403, "InvalidAccessKeyId");
    world.put("/bucket").key("AKIATEST", "").send().await.expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_implemented_is_said_so() {
    let world = World::with_bucket().await;
    for (method, uri) in [
        (Method::PUT, "/bucket?website"),
        (Method::PUT, "/bucket?analytics&id=x"),
        (Method::POST, "/bucket/key?restore"),
        (Method::POST, "/bucket/key"),
        (Method::PATCH, "/bucket/key"),
    ] {
        let answer = world.ask(method.clone(), uri).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.element("Code").as_str()),
            (501, "NotImplemented"),
            "{method} {uri}"
        );
    }
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "/x"),
    ] {
        world.put("/bucket/key").header(name, value).body("x").send().await.expect_error(501, "NotImplemented");
    }
    world.put("/bucket/key").header("x-amz-acl", "bucket-owner-full-control").body("x").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_hoisted_into_a_presigned_url_take_effect() {
    let world = World::with_bucket().await;
    let minute = Duration::from_secs(60);
    world.put("/bucket/key?x-amz-meta-a=1").presigned(minute).body("x").send().await.expect(200);
    assert_eq!(world.head("/bucket/key").send().await.expect(200).header("x-amz-meta-a"), "1");
    let tagged = world.put("/bucket/key?x-amz-tagging=a%3Db").presigned(minute).body("x");
    tagged.send().await.expect(200);
    assert_eq!(world.head("/bucket/key").send().await.expect(200).header("x-amz-tagging-count"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_refused_while_the_registry_would_lose_them() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    let refusing = world.refusing_writes();
    for ask in [world.put("/bucket/new").body("x"), world.delete("/bucket/key"), world.post("/bucket/key?uploads")] {
        let answer = zas_proxy::s3::call(&refusing, ask.signed()).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    let read = zas_proxy::s3::call(&refusing, world.get("/bucket/key").signed()).await;
    assert_eq!(read.status(), 200);
}
