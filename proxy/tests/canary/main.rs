//! No secret gets out: a real process is driven through every door, in success and in failure, with marked secrets, and everything
//! that it writes is searched for them: log lines of every level, traces, records and their exports, metrics, answers, the
//! configuration as it is shown, and the database.
//!
//! That the search would find something is tested too: each sink must hold a mark that belongs there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod collector;
mod dev;
mod drive;
mod installation;
#[path = "../support/program.rs"]
mod program;
mod secrets;
#[path = "../support/signing.rs"]
mod signing;
mod sinks;

use installation::{Installation, Protocol};
use secrets::Secrets;
use sinks::Sinks;

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_out_of_a_service_that_writes_json_and_speaks_http_1() {
    run(Protocol::Http1, "json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_out_of_a_service_that_writes_text_and_speaks_http_2() {
    run(Protocol::Http2, "human").await;
}

async fn run(protocol: Protocol, log_format: &str) {
    let installation = Installation::start(protocol, log_format).await;
    let mut secrets = Secrets::of(&installation);
    let refusals = drive::through_every_door(&installation, &mut secrets).await;
    let sinks = Sinks::of(installation, refusals).await;
    sinks.must_hold_their_marks();
    sinks.must_hold_none_of(&secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_out_of_a_service_that_reaches_neither_its_database_nor_its_registry() {
    let (log, secrets) = installation::without_anything_behind_it().await;
    assert!(log.contains("the index is not ready yet"), "{log}");
    assert_eq!(secrets.found_in("the log", log.as_bytes()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_says_where_its_secrets_are_and_not_what_they_are() {
    dev::says_no_secret().await;
}

#[test]
fn a_secret_is_found_in_each_of_its_spellings() {
    let mut secrets = Secrets::default();
    secrets.add("password", "can/ry+value=1");
    for text in [
        "x can/ry+value=1 y",
        r#"{"k":"can/ry+value=1"}"#,
        "can%2Fry%2Bvalue%3D1",
        "Y2FuL3J5K3ZhbHVlPTE=",
        // With `user:` before it.
        "dXNlcjpjYW4vcnkrdmFsdWU9MQ==",
        "63616e2f72792b76616c75653d31",
    ] {
        let found = secrets.found_in("somewhere", text.as_bytes());
        assert!(found.len() == 1 && found[0].contains("password"), "{text}: {found:?}");
    }
    assert_eq!(secrets.found_in("somewhere", b"canary value"), [""; 0]);
}
