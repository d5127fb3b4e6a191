//! The examples of `docs/api.md`, run as they stand there, from the first to the last; only the port is another.

use anyhow::{Result, ensure};
use serde_json::Value;
use zas_e2e::examples::{Script, USUAL, blocks};

use super::{API, World};

#[test]
fn the_examples_of_the_management_api_work() -> Result<()> {
    let examples = blocks(API);
    ensure!(examples.len() >= 7, "{examples:?}");
    let world = World::start()?;
    let room = world.room()?;
    let script = examples.into_iter().fold(Script::default(), Script::then);
    let told = script.with(USUAL, world.dev.endpoint().authority())?.run(&room, &[])?;
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
