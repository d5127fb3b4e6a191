//! Browsers: nobody is sent elsewhere, and no other site reads an answer.

use http::Method;

use super::ask::{Answer, Ask};
use super::sidecar::Sidecar;

const PATHS: [&str; 9] = [
    "/",
    "/bucket",
    "/bucket/key",
    "/v2/",
    "/v2/team/app/manifests/v1",
    "/-/token",
    "/-/api/v1/whoami",
    "/-/livez",
    "/-/nothing",
];

/// Every header's value, and the body.
fn everything(answer: &Answer) -> String {
    let headers =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    headers.chain([answer.body.clone()]).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_parameter_sends_anybody_elsewhere_or_writes_a_header() {
    let sidecar = Sidecar::start(|_| {}).await;
    for path in PATHS {
        for target in
            ["//evil.example", "/%5Cevil.example", "https:evil.example", "%0D%0Ax-evil:%201", "%0d%0a%0d%0a<script>"]
        {
            for name in ["redirect_uri", "next", "return_to", "callback_ui", "url", "ns", "scope", "service"] {
                let answer = sidecar.send(&Ask::get(format!("{path}?{name}={target}")), None).await;
                let place = format!("{path}?{name}={target}: {answer:?}");
                assert!(!(300..400).contains(&answer.status), "{place}");
                assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("x-evil"), "{place}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_somebody_makes_up_is_not_repeated_where_an_external_url_is_set() {
    let sidecar = Sidecar::start(|config| config.listen.external_url = Some("https://store.example".to_owned())).await;
    for path in PATHS {
        for name in ["host", "x-forwarded-host", "x-host", "forwarded", "x-original-url", "x-rewrite-url"] {
            let answer = sidecar.send(&Ask::get(path).header(name, "evil.example"), None).await;
            assert!(!everything(&answer).contains("evil.example"), "{path} with {name}: {answer:?}");
        }
    }
    let asked = sidecar.send(&Ask::get("/v2/").header("host", "evil.example"), None).await.expect(401);
    assert!(asked.header("www-authenticate").contains("realm=\"https://store.example/-/token\""), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_external_url_a_client_is_told_its_own_word_and_no_proxys() {
    let sidecar = Sidecar::start(|_| {}).await;
    let ask = Ask::get("/v2/").header("host", "store.example:9800");
    for name in ["x-forwarded-host", "x-forwarded-proto", "forwarded"] {
        let answer = sidecar.send(&ask.clone().header(name, "https"), None).await.expect(401);
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("realm=\"http://store.example:9800/-/token\""), "{name}: {challenge}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_lets_a_page_of_another_origin_read_it_or_send_a_cookie() {
    let sidecar = Sidecar::start(|_| {}).await;
    let root = super::ask::basic(super::sidecar::ROOT.0, super::sidecar::ROOT.1);
    for path in PATHS {
        for origin in ["https://evil.example", "null"] {
            let plain = Ask::get(path).header("origin", origin).header("cookie", "session=1");
            let preflight = Ask::new(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "PUT")
                .header("access-control-request-headers", "authorization");
            for (ask, shown) in [(&plain, None), (&plain, Some(root.as_str())), (&preflight, None)] {
                let answer = sidecar.send(ask, shown).await;
                let leaks = answer
                    .headers
                    .keys()
                    .any(|name| name.as_str().starts_with("access-control-") || name.as_str() == "set-cookie");
                assert!(!leaks, "{} {path}: {answer:?}", ask.method);
            }
            // A cookie is no credential anywhere.
            let with_cookie = sidecar.send(&plain, None).await;
            let without = sidecar.send(&Ask::get(path), None).await;
            assert_eq!(with_cookie.status, without.status, "{path}");
        }
    }
}
