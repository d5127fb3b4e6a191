//! The registry or Postgres fails: the answer says so in bounded time, and nothing is acknowledged that is not kept.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use zas_registry::{Fault, FaultKind, Route};

use crate::support::{World, bytes};

fn impatient(config: &mut zas_proxy::config::Config) {
    config.store.retry.max_attempts = 2;
    config.store.retry.first_delay = Duration::from_millis(1);
    config.store.response_timeout = Duration::from_millis(500);
    config.store.stall_timeout = Duration::from_millis(500);
    config.store.breaker.failure_threshold = 1_000;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_makes_a_503_and_keeps_nothing() {
    let world = World::with(impatient).await;
    world.put("/bucket").send().await.expect(200);
    for kind in
        [FaultKind::Status(500), FaultKind::CutUpload { after_bytes: 0 }, FaultKind::Delay(Duration::from_secs(3600))]
    {
        world.faults.inject(Fault::on(Route::UploadStart, kind));
        let answer = world.put("/bucket/key").body("x").send().await.expect_error(503, "ServiceUnavailable");
        assert!(answer.headers.contains_key("retry-after"));
        world.faults.clear();
    }
    world.head("/bucket/key").send().await.expect(404);
    world.expect_nothing_left().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_is_never_a_short_success() {
    let world = World::with(impatient).await;
    world.put("/bucket").send().await.expect(200);
    let body = bytes(1_000_000);
    world.put("/bucket/key").body(body.clone()).send().await.expect(200);
    for kind in [FaultKind::CutConnection { after_bytes: 500_000 }, FaultKind::ShortBody { bytes: 500_000 }] {
        world.faults.inject(Fault::on(Route::Blob, kind).method(Method::GET));
        let answer = world.call(world.get("/bucket/key").signed()).await;
        let whole = answer.status() == 200 && answer.into_body().collect().await.is_ok();
        assert!(!whole, "{kind:?}");
        world.faults.clear();
    }
    assert!(world.get("/bucket/key").send().await.expect(200).body == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_gone_are_an_internal_error() {
    let world = World::with(impatient).await;
    world.put("/bucket").send().await.expect(200);
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.faults.inject(Fault::on(Route::Blob, FaultKind::Status(404)).method(Method::GET));
    world.get("/bucket/key").send().await.expect_error(500, "InternalError");
    world.faults.clear();
    world.faults.inject(Fault::on(Route::Blob, FaultKind::Status(404)).method(Method::GET).times(1));
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "x", "a read begins again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_there_is_a_503_and_nothing_is_kept() {
    let world = World::with(|config| {
        config.database.url = zas_proxy::config::Secret::new("postgres://nobody@127.0.0.1:1/none");
        config.database.acquire_timeout = Duration::from_millis(200);
    })
    .await;
    for ask in
        [world.put("/bucket/key").body("x"), world.get("/bucket/key"), world.get("/"), world.delete("/bucket/key")]
    {
        let answer = ask.send().await.expect_error(503, "ServiceUnavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(world.blobs_at_the_registry().is_empty());
}
