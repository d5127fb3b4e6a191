//! Postgres or the registry stands still, or is gone: 503 with a Retry-After in bounded time, and all is well when they are back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are tests too: they fail by panicking"
)]

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use zas_e2e::{
    harness::{DevServer, Options, Upstream, Zot, http_get, no_zot},
    s3::S3,
};

/// No answer may take longer than this: the sum of all waits below.
const BOUND: Duration = Duration::from_secs(45);

fn impatient() -> Vec<(String, String)> {
    [
        ("ZAS_STORE__RESPONSE_TIMEOUT", "2s"),
        ("ZAS_STORE__STALL_TIMEOUT", "3s"),
        ("ZAS_STORE__BREAKER__RECOVERY_TIME", "500ms"),
        ("ZAS_DATABASE__ACQUIRE_TIMEOUT", "2s"),
        ("ZAS_DATABASE__STATEMENT_TIMEOUT", "3s"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The processes whose command line names `folder` and contains `word`, but not `dev`'s own.
fn processes(folder: &Path, word: &str) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let line =
                String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default()).into_owned();
            let first = line.split('\0').next().unwrap_or_default().to_owned();
            line.contains(&folder) && first.contains(word)
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A process and everything below it.
fn with_children(pids: Vec<String>) -> Vec<String> {
    let mut all = pids;
    let mut at = 0;
    while let Some(pid) = all.get(at).cloned() {
        at += 1;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().map(str::to_owned));
    }
    all
}

fn signal(name: &str, pids: &[String]) -> Result<()> {
    ensure!(!pids.is_empty(), "there is no process to send SIG{name} to");
    let _ = Command::new("kill").arg(format!("-{name}")).args(pids).status()?;
    Ok(())
}

fn ensure_unavailable(s3: &S3, method: &Method, path: &str) -> Result<()> {
    let begun = Instant::now();
    let answer = s3.send(method.clone(), path, Bytes::from_static(b"body"))?;
    let took = begun.elapsed();
    ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {} {:?}", answer.status, answer.body);
    ensure!(answer.headers.contains_key("retry-after"), "{method} {path}: no Retry-After");
    ensure!(took < BOUND, "{method} {path} took {took:?}");
    Ok(())
}

fn wait_until_it_works(s3: &S3, path: &str) -> Result<()> {
    let begun = Instant::now();
    while !s3.put(path, Bytes::from_static(b"again")) {
        ensure!(begun.elapsed() < Duration::from_secs(90), "{path} is still refused");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn start(upstream: Upstream) -> Result<(DevServer, S3)> {
    let server = DevServer::start(&Options { upstream, environment: impatient(), ..Options::default() })?;
    let s3 = S3::new(server.endpoint());
    ensure!(s3.put("/outage", Bytes::new()) && s3.put("/outage/kept", Bytes::from_static(b"kept")), "no start");
    Ok((server, s3))
}

fn ensure_kept_and_nothing_else(s3: &S3) -> Result<()> {
    let kept = s3.send(Method::GET, "/outage/kept", Bytes::new())?;
    ensure!(kept.body.as_ref() == b"kept", "{kept:?}");
    let lost = s3.send(Method::GET, "/outage/refused", Bytes::new())?;
    ensure!(lost.status == StatusCode::NOT_FOUND, "a refused write left something: {lost:?}");
    Ok(())
}

#[test]
fn with_a_postgres_that_stands_still_requests_are_refused_in_time_and_work_again_later() -> Result<()> {
    let (server, s3) = start(Upstream::Embedded)?;
    let postgres = with_children(processes(&server.data_dir(), "postgres"));
    signal("STOP", &postgres)?;
    let refused = ensure_unavailable(&s3, &Method::PUT, "/outage/refused")
        .and_then(|()| ensure_unavailable(&s3, &Method::GET, "/outage/kept"));
    let (ready, _) = http_get(&format!("{}/-/readyz", server.endpoint().url))?;
    let (live, _) = http_get(&format!("{}/-/livez", server.endpoint().url))?;
    signal("CONT", &postgres)?;
    refused?;
    ensure!((ready, live) == (503, 200), "readyz {ready}, livez {live}");
    wait_until_it_works(&s3, "/outage/later")?;
    ensure_kept_and_nothing_else(&s3)
}

#[test]
fn with_postgres_gone_requests_are_refused_in_time() -> Result<()> {
    let (server, s3) = start(Upstream::Embedded)?;
    signal("KILL", &with_children(processes(&server.data_dir(), "postgres")))?;
    ensure_unavailable(&s3, &Method::PUT, "/outage/refused")?;
    ensure_unavailable(&s3, &Method::GET, "/outage/kept")?;
    ensure_unavailable(&s3, &Method::DELETE, "/outage/kept")
}

#[test]
fn with_a_zot_that_stands_still_requests_are_refused_in_time_and_the_breaker_closes_by_itself() -> Result<()> {
    let Some(zot) = Zot::binary() else {
        no_zot("with_a_zot_that_stands_still");
        return Ok(());
    };
    let (server, s3) = start(Upstream::Zot(zot))?;
    let zot = processes(&server.data_dir(), "zot");
    signal("STOP", &zot)?;
    let mut refused = Ok(());
    for _ in 0..3 {
        refused = refused
            .and_then(|()| ensure_unavailable(&s3, &Method::PUT, "/outage/refused"))
            .and_then(|()| ensure_unavailable(&s3, &Method::GET, "/outage/kept"));
    }
    signal("CONT", &zot)?;
    refused?;
    wait_until_it_works(&s3, "/outage/later")?;
    ensure_kept_and_nothing_else(&s3)
}
