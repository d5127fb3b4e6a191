//! The pages about identity, policies and audit.

use anyhow::{Context as _, Result, ensure};
use zas_e2e::{
    examples::{Script, USUAL, block},
    tools::left_out,
};

use super::{API, AUDIT, IDENTITY, POLICY, World, has};

/// What the pages take for granted, as the page of the management API and the README say it.
pub(super) fn given() -> Result<Script> {
    let key = "KEY=${root%%:*} SECRET=${root#*:} URL=http://127.0.0.1:9800\n";
    Ok(Script::default().then(block(API, "root=")?).then(key))
}

#[test]
fn the_examples_about_policies_work() -> Result<()> {
    let world = World::start()?;
    let room = world.room()?;
    let document = POLICY.split("```json identity\n").nth(1).and_then(|rest| rest.split("```").next());
    let document = document.context("docs/policy.md has no policy")?;
    room.write("policy.json", format!(r#"{{"document": {document}}}"#).as_bytes())?;
    let make = "curl -u $root $api/buckets -H 'content-type: application/json' -d '{\"name\": \"prod\"}'\n";
    let script = given()?.then(make).then(block(POLICY, "curl -u \"$KEY:$SECRET\" -X PUT \"$URL")?);
    let script = script.then(block(POLICY, "curl -u \"$KEY:$SECRET\" -X PUT $URL/-/api/v1/buckets")?);
    let told = script.with(USUAL, world.dev.endpoint().authority())?.run(&room, &[])?;
    ensure!(told.contains(r#""effect":"Allow""#) && told.contains("readers#Read"), "{told}");
    ensure!(told.contains(r#""bucket":"prod""#) && told.contains(r#""change":"put""#), "{told}");
    Ok(())
}

#[test]
fn the_examples_about_roles_and_access_keys_work() -> Result<()> {
    let world = World::start()?;
    let room = world.room()?;
    let roles = block(IDENTITY, "curl -u $root -X PUT $api/roles/deploy")?;
    let script = given()?.then(roles).then(block(IDENTITY, "curl -u $root $api/access-keys")?);
    let told = script.with(USUAL, world.dev.endpoint().authority())?.run(&room, &[])?;
    ensure!(told.contains(r#""name":"deploy""#) && told.contains(r#""name":"service/ci""#), "{told}");
    ensure!(told.contains(r#""secret":""#), "{told}");
    Ok(())
}

#[test]
fn the_key_of_the_registry_is_made_as_the_page_says() -> Result<()> {
    if !has("openssl", "version") {
        return left_out("the_key_of_the_registry_is_made_as_the_page_says", "there is no `openssl`");
    }
    let world = World::start()?;
    let room = world.room()?;
    Script::default().then(block(IDENTITY, "openssl genpkey")?).run(&room, &[])?;
    let public = String::from_utf8(room.read("store-key.pub")?)?;
    ensure!(public.starts_with("-----BEGIN PUBLIC KEY-----"), "{public}");
    let zot: serde_json::Value = serde_json::from_slice(&room.read("zot.json")?)?;
    ensure!(zot["http"]["auth"]["bearer"]["cert"] == "/etc/zot/store-key.pub", "{zot}");
    Ok(())
}

#[test]
fn the_examples_about_audit_work() -> Result<()> {
    let world = World::start()?;
    let room = world.room()?;
    let script = given()?
        .then(block(AUDIT, "zas-proxy audit generate-key")?)
        .then(block(AUDIT, "zas-proxy audit verify --config zas.toml\n")?)
        .then(block(AUDIT, "curl -u \"$KEY:$SECRET\" 'https://zas.example")?)
        .with("https://zas.example", &world.dev.endpoint().url)?
        .with(USUAL, world.dev.endpoint().authority())?;
    let told = script.run(&room, &[])?;
    ensure!(told.contains("The audit log is in order.") && told.contains(r#""records":"#), "{told}");
    let key = String::from_utf8(room.read("audit-key.pem")?)?;
    ensure!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "no key");
    Ok(())
}
