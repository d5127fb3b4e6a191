//! What the README says of people, as it stands there; only ports and the missing TLS are others.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use zas_e2e::{
    clients::Room,
    examples::{Script, USUAL, block},
    harness::DevServer,
};

const README: &str = include_str!("../../../README.md");

/// Where `dev --keycloak` runs it where nothing else is said.
const USUAL_KEYCLOAK: &str = "127.0.0.1:9880";

/// Runs them; there is a bucket `releases` already.
pub(crate) fn works(dev: &DevServer, room: &Room<'_>, oras: &Path, keycloak_port: u16) -> Result<()> {
    room.write(".zas/credentials", &std::fs::read(dev.data_dir().join("credentials"))?)?;
    room.write("README.md", README.as_bytes())?;
    // What stands above it in the README: who root is, and where the API is.
    let (who, _) = block(README, "root=")?.split_once("\n\n").context("root and api stand by themselves")?;
    let script = Script::default().then(who).then(block(README, "login()")?);
    let server = dev.endpoint();
    let script = script
        .with(USUAL_KEYCLOAK, &format!("127.0.0.1:{keycloak_port}"))?
        .with(&format!("http://{USUAL}"), &server.url)?
        .with(USUAL, server.authority())?
        .with("--plain-http ", "")?;
    let told = script.run(room, &[("oras", oras)])?;
    for part in ["AccessDenied", "Login Succeeded", "user/alice", "user/bob", "s3:PutObject"] {
        ensure!(told.contains(part), "no {part:?} in {told}");
    }
    Ok(())
}
