//! Pages of other origins: preflights, and what browsers are told in answers to actual requests.

use http::Method;

use crate::support::{Answer, World};

const RULES: &str = "<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <CORSRule><ID>app</ID><AllowedOrigin>https://*.app.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>authorization</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";

const APP: &str = "https://eu.app.example";

async fn world() -> World {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.put("/bucket?cors").body(RULES).send().await.expect(200);
    world
}

async fn preflight(world: &World, target: &str, headers: &[(&str, &str)]) -> Answer {
    let ask = world.ask(Method::OPTIONS, target);
    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    world.send(ask.anonymous()).await
}

fn is_told_nothing(answer: &Answer) -> bool {
    !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_shown_as_they_were_sent_until_they_are_removed() {
    let world = World::with_bucket().await;
    world.get("/bucket?cors").send().await.expect_error(404, "NoSuchCORSConfiguration");
    world.put("/bucket?cors").body(RULES).send().await.expect(200);
    let shown = world.get("/bucket?cors").send().await.expect(200);
    assert_eq!(shown.elements("AllowedMethod"), ["GET", "PUT", "HEAD"]);
    assert_eq!(shown.elements("AllowedOrigin"), ["https://*.app.example", "*"]);
    assert_eq!((shown.element("ID"), shown.element("MaxAgeSeconds")), ("app".to_owned(), "600".to_owned()));
    let refused = world.put("/bucket?cors").body(RULES.replace("HEAD", "PATCH")).send().await;
    let refused = refused.expect_error(400, "InvalidRequest");
    assert!(refused.element("Message").ends_with("Unsupported method is PATCH"), "{}", refused.text());
    world.delete("/bucket?cors").send().await.expect(204);
    world.get("/bucket?cors").send().await.expect_error(404, "NoSuchCORSConfiguration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_that_a_rule_allows_is_answered_with_what_the_rule_allows() {
    let world = world().await;
    let answer = preflight(
        &world,
        "/bucket/anything",
        &[
            ("origin", APP),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "Authorization, X-Amz-Date"),
        ],
    )
    .await
    .expect(200);
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "authorization, x-amz-date"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "600"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("vary").contains("Origin"));
    let everybody = [("origin", "https://elsewhere.example"), ("access-control-request-method", "HEAD")];
    let answer = preflight(&world, "/bucket", &everybody).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_that_no_rule_allows_is_refused() {
    let world = world().await;
    for headers in [
        &[("origin", "https://evil.example"), ("access-control-request-method", "PUT")][..],
        &[("origin", APP), ("access-control-request-method", "DELETE")],
        &[
            ("origin", APP),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-amz-date, x-other"),
        ],
    ] {
        let answer = preflight(&world, "/bucket/key", headers).await.expect_error(403, "AccessForbidden");
        assert!(answer.element("Message").starts_with("CORSResponse: This CORS request is not allowed."));
        assert_eq!(answer.element("ResourceType"), "OBJECT");
        assert!(is_told_nothing(&answer), "{answer:?}");
    }
    for headers in [&[][..], &[("origin", APP)], &[("origin", APP), ("access-control-request-method", "BREW")]] {
        preflight(&world, "/bucket/key", headers).await.expect_error(400, "BadRequest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_does_not_tell_a_bucket_without_rules_from_none() {
    let world = World::with_bucket().await;
    let headers = [("origin", APP), ("access-control-request-method", "GET")];
    for target in ["/bucket", "/nowhere", "/bucket/key", "/Not_A_Bucket/x"] {
        let answer = preflight(&world, target, &headers).await.expect_error(403, "AccessForbidden");
        assert_eq!(answer.element("Message"), "CORSResponse: CORS is not enabled for this bucket.", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actual_request_is_answered_for_the_page_whatever_the_answer_is() {
    let world = world().await;
    for (target, status) in [("/bucket/key", 200), ("/bucket/none", 404), ("/bucket?list-type=2", 200)] {
        let answer = world.get(target).header("origin", APP).send().await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{target}");
        assert_eq!(answer.header("access-control-expose-headers"), "ETag", "{target}");
    }
    let denied = world.send(world.get("/bucket/key").header("origin", APP).anonymous()).await;
    assert_eq!(denied.expect_error(403, "AccessDenied").header("access-control-allow-origin"), APP);
    let other = world.get("/bucket/key").header("origin", "https://evil.example").send().await.expect(200);
    assert!(is_told_nothing(&other) && other.header("vary").contains("Origin"), "{other:?}");
    let none = world.get("/bucket/key").send().await.expect(200);
    assert!(is_told_nothing(&none) && !none.headers.contains_key("vary"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_removed_and_buckets_that_are_deleted_allow_nothing_any_more() {
    let world = world().await;
    let headers = [("origin", APP), ("access-control-request-method", "GET")];
    world.delete("/bucket?cors").send().await.expect(204);
    preflight(&world, "/bucket", &headers).await.expect_error(403, "AccessForbidden");
    world.put("/bucket?cors").body(RULES).send().await.expect(200);
    preflight(&world, "/bucket", &headers).await.expect(200);
    world.delete("/bucket").header("x-zas-force-delete", "true").send().await.expect(204);
    world.app.authority.policies().refresh(&world.app.index).await.unwrap();
    preflight(&world, "/bucket", &headers).await.expect_error(403, "AccessForbidden");
}
