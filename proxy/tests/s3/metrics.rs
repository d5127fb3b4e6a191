//! Downloads in the metrics: what was sent, not what was asked for.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use zas_proxy::telemetry;
use zas_registry::{Fault, FaultKind, Route};

use crate::support::{World, bytes};

/// A world with an object `key` of `size` bytes in a bucket that no other test uses: the metrics are the process's.
async fn world(bucket: &str, size: usize) -> World {
    telemetry::metrics();
    let world = World::with(|config| config.store.stall_timeout = Duration::from_secs(30)).await;
    world.put(&format!("/{bucket}")).send().await.expect(200);
    let put = world.put(&format!("/{bucket}/key")).header("content-type", "application/x-tar");
    put.body(bytes(size)).send().await.expect(200);
    world
}

/// The value of the one series that begins with `series`; 0 where there is none.
fn value(world: &World, series: &str) -> u64 {
    let text = telemetry::metrics().render(&world.app.index);
    let line = text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or("0").trim();
    line.parse().unwrap_or_else(|_| panic!("{series}: {line}"))
}

fn downloads(world: &World, bucket: &str, outcome: &str) -> u64 {
    value(world, &format!(r#"zas_downloads_total{{bucket="{bucket}",type="application",outcome="{outcome}"}}"#))
}

fn downloaded(world: &World, bucket: &str) -> u64 {
    value(world, &format!(r#"zas_download_bytes_total{{bucket="{bucket}",type="application"}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_counted_at_its_end_and_not_before() {
    let world = world("counted-at-the-end", 1_000_000).await;
    let response = world.call(world.get("/counted-at-the-end/key").signed()).await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    assert!(first < 1_000_000, "the first chunk is not the whole");
    assert_eq!(downloads(&world, "counted-at-the-end", "complete"), 0);
    body.collect().await.unwrap();
    assert_eq!(downloads(&world, "counted-at-the-end", "complete"), 1);
    assert_eq!(downloaded(&world, "counted-at-the-end"), 1_000_000);
    assert_eq!(value(&world, r#"zas_download_size_bytes_sum{bucket="counted-at-the-end"}"#), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_counts_its_own_bytes() {
    let world = world("counted-range", 10_000).await;
    world.get("/counted-range/key").header("range", "bytes=0-99").send().await.expect(206);
    assert_eq!(downloads(&world, "counted-range", "complete"), 1);
    assert_eq!(downloaded(&world, "counted-range"), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_the_client_leaves_is_cut_and_counts_what_was_sent() {
    let world = world("counted-leaver", 1_000_000).await;
    let mut body = world.call(world.get("/counted-leaver/key").signed()).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    drop(body);
    assert_eq!(downloads(&world, "counted-leaver", "cut"), 1);
    assert_eq!(downloads(&world, "counted-leaver", "complete"), 0);
    assert_eq!(downloaded(&world, "counted-leaver"), first as u64);
    assert_eq!(value(&world, r#"zas_download_size_bytes_count{bucket="counted-leaver"}"#), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_the_registry_cuts_is_cut() {
    let world = world("counted-cut", 1_000_000).await;
    let fault = FaultKind::CutConnection { after_bytes: 500_000 };
    world.faults.inject(Fault::on(Route::Blob, fault).method(Method::GET));
    let response = world.call(world.get("/counted-cut/key").signed()).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(downloads(&world, "counted-cut", "cut"), 1);
    assert_eq!(downloads(&world, "counted-cut", "complete"), 0);
    assert!(downloaded(&world, "counted-cut") <= 500_000);
}
