//! What of a request reaches the registry, and what of an answer the client.

use super::*;

#[tokio::test]
async fn nothing_of_a_refused_request_reaches_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let upload = "content-length: 3\r\n";
    for (method, target, fields, body, expected) in [
        // Other APIs of a Zot, and paths that are none.
        ("GET", "/v2/_zot/ext/mgmt", "", "", 404),
        ("GET", "/v2/_zot/ext/search", "", "", 404),
        ("POST", "/v2/_zot/ext/cosign", upload, "abc", 404),
        ("GET", "/v2/_zot/pprof/", "", "", 404),
        ("GET", "/v2/_oci/ext/discover", "", "", 404),
        ("GET", "/v2/a", "", "", 404),
        ("GET", "/v2/A/tags/list", "", "", 404),
        // Paths that can be read in two ways.
        ("GET", "/v2//a/tags/list", "", "", 404),
        ("GET", "/v2/a/../s3/x/tags/list", "", "", 404),
        ("GET", "/v2/a/./tags/list", "", "", 404),
        ("GET", "/v2/a%2fb/tags/list", "", "", 404),
        ("GET", "/v2/%2e%2e/s3/tags/list", "", "", 404),
        ("GET", "/v2/a%252fb/tags/list", "", "", 404),
        ("GET", "/v2/a\\b/tags/list", "", "", 404),
        ("GET", "/v2/a%00/tags/list", "", "", 404),
        // Repositories that are not for clients.
        ("PUT", "/v2/s3/manifests/latest", upload, "abc", 404),
        ("GET", "/v2/s3/1/tags/list", "", "", 404),
        ("DELETE", "/v2/zas/x/manifests/latest", "", "", 404),
        ("PUT", "/v2/a/blobs/manifests/latest", upload, "abc", 404),
        // Methods that a route does not have, names, numbers, digests and sizes out of bounds.
        ("POST", "/v2/a/manifests/latest", upload, "abc", 405),
        ("OPTIONS", "/v2/a/tags/list", "", "", 405),
        ("PUT", "/v2/my-blobs/manifests/latest", upload, "abc", 400),
        ("GET", "/v2/a/tags/list?n=-1", "", "", 400),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:xyz", upload, "abc", 400),
        ("POST", &format!("/v2/a/blobs/uploads/?digest={DIGEST}&digest={DIGEST}"), upload, "abc", 400),
        ("GET", "/v2/a/referrers/sha256:xyz", "", "", 400),
        ("GET", "/v2/a/manifests/sha256:xyz", "", "", 404),
        ("PUT", "/v2/a/manifests/sha256:xyz", upload, "abc", 400),
        ("PUT", "/v2/a/manifests/.x", upload, "abc", 400),
        ("PUT", "/v2/a/manifests/latest?tag=v1", upload, "abc", 400),
        ("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=v1&tag=.."), upload, "abc", 400),
        ("PUT", &format!("/v2/a/manifests/{DIGEST}?{}", "tag=v1&".repeat(47)), upload, "abc", 414),
        ("GET", "/v2/a/manifests/latest", upload, "abc", 400),
        ("PUT", "/v2/a/manifests/latest", "content-length: 4194305\r\n", "", 413),
        ("PATCH", "/v2/a/blobs/uploads/x", "content-length: 99999999999999\r\n", "", 413),
        // Heads that two parsers read in two ways.
        ("POST", "/v2/a/blobs/uploads/", "content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("POST", "/v2/a/blobs/uploads/", "content-length: 3\r\ncontent-length: 3\r\n", "abc", 400),
        ("POST", "/v2/a/blobs/uploads/", "content-length: +3\r\n", "abc", 400),
        ("POST", "/v2/a/blobs/uploads/", "transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", 400),
        ("GET", "/v2/a/tags/list", "authorization: Basic x\r\n", "", 400),
        ("GET", "http://other.example/v2/a/tags/list", "", "", 400),
    ] {
        let answer = sidecar.ask(method, target, fields, body).await;
        assert_eq!(status(&answer), expected, "{method} {target}: {answer}");
        assert!(upstream.seen().is_empty(), "{method} {target} reached the registry: {:?}", upstream.seen());
    }
}

/// They are answered from the index, which is not there, or from the bucket's own repository, which only the index knows.
#[tokio::test]
async fn names_of_objects_never_reach_the_registry_as_they_are() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let (upload, blob) = ("content-length: 3\r\n", format!("/v2/s3/default/00/blobs/{DIGEST}"));
    let manifest = format!("/v2/s3/default/00/manifests/{DIGEST}");
    for (method, target, fields, body) in [
        ("GET", "/v2/s3/default/00/tags/list", "", ""),
        ("GET", "/v2/s3/default/00/manifests/latest", "", ""),
        ("GET", &manifest, "", ""),
        ("PUT", &manifest, upload, "abc"),
        ("DELETE", &manifest, "", ""),
        ("GET", &blob, "", ""),
        ("HEAD", &blob, "", ""),
        ("POST", "/v2/s3/default/00/blobs/uploads/", upload, "abc"),
        ("PATCH", "/v2/s3/default/00/blobs/uploads/1", upload, "abc"),
        ("DELETE", "/v2/s3/default/00/blobs/uploads/1", "", ""),
        ("GET", &format!("/v2/s3/default/00/referrers/{DIGEST}"), "", ""),
    ] {
        let answer = sidecar.ask(method, target, fields, body).await;
        assert!(status(&answer) >= 400, "{method} {target}: {answer}");
        assert!(upstream.seen().is_empty(), "{method} {target} reached the registry: {:?}", upstream.seen());
    }
    let refused = sidecar.ask("DELETE", &blob, "", "").await;
    assert_eq!(status(&refused), 405, "{refused}");
    assert!(refused.contains("UNSUPPORTED"), "{refused}");
}

#[tokio::test]
async fn nothing_of_an_unauthenticated_request_reaches_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let wrong = format!("authorization: Basic {}\r\n", STANDARD.encode("AKIA:wrong"));
    for fields in ["", wrong.as_str(), "authorization: Bearer x\r\n", "cookie: session=1\r\n"] {
        for target in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/latest"] {
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
            let answer = sidecar.send(&request).await;
            assert_eq!(status(&answer), 401, "{target} {fields}: {answer}");
            assert!(answer.contains("Basic realm=") && answer.contains("UNAUTHORIZED"), "{answer}");
        }
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn the_registry_sees_the_request_that_was_checked_and_nothing_about_the_client() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let fields = "cookie: session=1\r\nx-zot-api-client: zot-ui\r\nx-forwarded-for: 1.2.3.4\r\nx-amz-security-token: x\r\n\
                  accept: application/vnd.oci.image.index.v1+json\r\n\
                  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = sidecar.ask("GET", "/v2/team/app/tags/list?n=5&x=y&last=v1", fields, "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");
    let [seen] = <[String; 1]>::try_from(upstream.seen()).unwrap();
    assert!(seen.starts_with("GET /v2/team/app/tags/list?n=5&last=v1 HTTP/1.1\r\n"), "{seen}");
    for name in ["cookie", "x-zot-api-client", "x-forwarded-for", "x-amz-security-token"] {
        assert!(!has_field(&seen, name), "{name} goes through: {seen}");
    }
    let lower = seen.to_lowercase();
    assert!(lower.contains(&format!("host: {}", upstream.address)), "{seen}");
    assert!(seen.contains(&STANDARD.encode("sidecar:upstream-password")), "{seen}");
    assert!(!seen.contains(&STANDARD.encode(format!("AKIA:{SECRET}"))), "{seen}");
    assert!(lower.contains("0af7651916cd43dd8448eb211c80319c"), "{seen}");
    assert!(has_field(&seen, "accept"), "{seen}");
}

#[tokio::test]
async fn tags_beside_a_digest_reach_the_registry_as_they_were_checked_and_it_says_which_it_has_set() {
    let upstream =
        Upstream::start("HTTP/1.1 201 Created\r\noci-tag: v1\r\noci-tag: latest\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::with_index(&upstream, |_| ()).await;
    let target = format!("/v2/a/manifests/{DIGEST}?tag=v1&other=x&t%61g=latest&tag=v1");
    let answer = sidecar.ask("PUT", &target, "content-length: 2\r\n", "{}").await;
    assert_eq!(status(&answer), 201, "{answer}");
    let answer = answer.to_lowercase();
    assert!(answer.contains("oci-tag: v1\r\n") && answer.contains("oci-tag: latest\r\n"), "{answer}");
    let [seen] = <[String; 1]>::try_from(upstream.seen()).unwrap();
    assert!(seen.starts_with(&format!("PUT /v2/a/manifests/{DIGEST}?tag=v1&tag=latest HTTP/1.1\r\n")), "{seen}");
}

#[tokio::test]
async fn no_manifest_is_put_or_deleted_that_cannot_be_written_down() {
    let upstream = Upstream::start("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let impatient = |config: &mut Config| config.database.acquire_timeout = Duration::from_millis(500);
    let sidecar = Sidecar::with(&upstream, impatient).await;
    let target = format!("/v2/a/manifests/{DIGEST}");
    for (method, fields, body) in [("PUT", "content-length: 2\r\n", "{}"), ("DELETE", "", "")] {
        assert_eq!(status(&sidecar.ask(method, &target, fields, body).await), 503, "{method}");
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn a_body_keeps_its_length_on_the_way() {
    let upstream = Upstream::start("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::start(&upstream).await;
    let target = format!("/v2/a/blobs/uploads/1?digest={DIGEST}");
    let answer = sidecar.ask("PUT", &target, "content-length: 5\r\n", "hello").await;
    assert_eq!(status(&answer), 201, "{answer}");
    let [seen] = <[String; 1]>::try_from(upstream.seen()).unwrap();
    assert!(seen.to_lowercase().contains("content-length: 5\r\n"), "{seen}");
    assert!(!has_field(&seen, "transfer-encoding") && seen.ends_with("\r\n\r\nhello"), "{seen}");
}

#[tokio::test]
async fn a_manifest_that_grows_too_large_on_the_way_is_cut_off() {
    let upstream = Upstream::start(OK).await;
    let small = |config: &mut Config| config.limits.manifest_bytes = bytesize::ByteSize::b(1000);
    let sidecar = Sidecar::with_index(&upstream, small).await;
    let body = format!("3e8\r\n{}\r\n1\r\ny\r\n0\r\n\r\n", "x".repeat(1000));
    let answer = sidecar.ask("PUT", "/v2/a/manifests/latest", "transfer-encoding: chunked\r\n", &body).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.contains("SIZE_INVALID"), "{answer}");
    for seen in upstream.seen() {
        assert!(!seen.ends_with("0\r\n\r\n"), "the registry has the whole body: {seen}");
    }
}

#[tokio::test]
async fn an_answer_about_us_or_elsewhere_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://elsewhere.example/secret\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 301 Moved Permanently\r\nlocation: /v2/a/tags/list\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nlocation: http://elsewhere.example/v2/a/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nlocation: /v2/s3/x/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"elsewhere.example\"\r\ncontent-length: 6\r\n\r\nsecret",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\nsecret",
    ] {
        let upstream = Upstream::start(answer).await;
        let sidecar = Sidecar::start(&upstream).await;
        let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        assert_eq!(status(&got), 503, "{answer}: {got}");
        assert!(!got.contains("elsewhere") && !got.contains("secret"), "{answer}: {got}");
        assert!(has_field(&got, "retry-after") && !has_field(&got, "location"), "{got}");
        assert!(!has_field(&got, "www-authenticate"), "{got}");
        assert_eq!(upstream.seen().len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_for_the_client_is_passed_on_without_what_it_says_of_the_registry() {
    let upstream = Upstream::start(
        "HTTP/1.1 202 Accepted\r\nlocation: http://{authority}/v2/a/blobs/uploads/1?_state=x\r\nrange: 0-0\r\n\
         server: secret\r\naccess-control-allow-origin: *\r\nset-cookie: secret=1\r\nblob-upload-uuid: 1\r\n\
         content-length: 0\r\n\r\n",
    )
    .await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("POST", "/v2/a/blobs/uploads/", "content-length: 0\r\n", "").await;
    assert_eq!(status(&got), 202, "{got}");
    assert!(got.to_lowercase().contains("location: /v2/a/blobs/uploads/1?_state=x\r\n"), "{got}");
    assert!(
        has_field(&got, "range") && has_field(&got, "blob-upload-uuid") && has_field(&got, "x-request-id"),
        "{got}"
    );
    assert!(!got.contains("secret") && !has_field(&got, "access-control-allow-origin"), "{got}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_the_client_reads_from_the_registry() {
    let body = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}";
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let upstream = Upstream::start(&answer).await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
    assert_eq!(status(&got), 404);
    assert!(got.ends_with(body), "{got}");
}

#[tokio::test]
async fn the_base_is_answered_without_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    for (method, body) in [("GET", "{}"), ("HEAD", "")] {
        let got = sidecar.ask(method, "/v2/", "", "").await;
        assert_eq!(status(&got), 200, "{got}");
        assert_eq!(got.split_once("\r\n\r\n").unwrap().1, body, "{got}");
        assert!(got.to_lowercase().contains("docker-distribution-api-version: registry/2.0"), "{got}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_catalog_does_not_show_what_is_not_for_clients() {
    let body = "{\"repositories\":[\"a\",\"s3/default/00\",\"team/app\",\"zas/x\"]}";
    let upstream = Upstream::start(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("GET", "/v2/_catalog", "", "").await;
    assert_eq!(status(&got), 200, "{got}");
    assert!(got.ends_with("{\"repositories\":[\"a\",\"team/app\"]}"), "{got}");
}
