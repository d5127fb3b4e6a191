//! The examples of `docs/api.md`, run as they stand there, from the first to the last; only the port is another.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Options},
    process::run_ok,
};

const PAGE: &str = include_str!("../../docs/api.md");

/// What `dev` listens on where nothing else is said.
const USUAL: &str = "127.0.0.1:9800";

/// An example that the server refuses is a failed one.
const STRICT: &str = "set -eu\ncurl() { command curl --fail-with-body \"$@\"; echo; }\n";

#[test]
fn the_examples_of_the_management_api_work() -> Result<()> {
    let examples = examples();
    ensure!(examples.len() >= 5, "{examples:?}");
    let dev = DevServer::start(&Options::default())?;
    let room = Room::new(dev.endpoint())?;
    room.write(".zas/credentials", &std::fs::read(dev.data_dir().join("credentials"))?)?;
    let script = STRICT.to_owned() + &examples.concat().replace(USUAL, dev.endpoint().authority());
    let told = run_ok(&mut room.command(Path::new("sh"), ["-c", &script]), Duration::from_secs(120))?.stdout;
    for part in [
        r#""kind":"root""#,
        r#""effect":"Deny""#,
        r#""next":"auditor""#,
        r#""name":"read-only""#,
        r#""artifact":"s3://shop/app.tgz""#,
    ] {
        ensure!(told.contains(part), "no {part} in {told}");
    }
    let made: Value = serde_json::from_slice(&room.read("first.json")?)?;
    ensure!(made["secret"].is_string() && made["name"] == "service/ci", "{made}");
    let policy: Value = serde_json::from_slice(&room.read("policy.json")?)?;
    ensure!(policy["name"] == "release-readers" && !told.contains("precondition_failed"), "{policy} {told}");
    Ok(())
}

/// What stands in blocks of shell.
fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| block.split_once("```").context("a block without an end").ok())
        .map(|(text, _)| text)
        .collect()
}
