//! The five minutes of the README, and its service account.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use zas_e2e::{
    examples::{Script, USUAL, block},
    harness::http_get,
    tools::{Tool, require},
};

use super::{README, World};

#[test]
fn the_five_minutes_of_the_readme_work_as_they_stand_there() -> Result<()> {
    const TEST: &str = "the_five_minutes_of_the_readme_work_as_they_stand_there";
    let (Some(aws), Some(oras), Some(crane)) =
        (require(Tool::AwsCli, TEST)?, require(Tool::Oras, TEST)?, require(Tool::Crane, TEST)?)
    else {
        return Ok(());
    };
    let world = World::start()?;
    let (room, server) = (world.room()?, world.dev.endpoint());
    room.write("app.tgz", b"an application\n")?;
    let mut script = Script::default();
    for begins in ["export AWS_SHARED_CREDENTIALS_FILE", "KEY=", "oras pull", "SECRET=", "root="] {
        script = script.then(block(README, begins)?);
    }
    let programs: [(&str, &Path); 3] = [("aws", &aws), ("oras", &oras), ("crane", &crane)];
    let told = script.with(USUAL, server.authority())?.run(&room, &programs)?;
    for part in [
        "linux/amd64/app-1.2.tgz",
        "Pushed",
        "team/app",
        "application/spdx+json",
        r#""kind":"root""#,
        "s3:PutObject",
        "The audit log is in order.",
        "an application",
        "user/service/ci",
    ] {
        ensure!(told.contains(part), "no {part:?} in {told}");
    }
    // A presigned URL is for somebody else.
    let url = told.lines().find(|line| line.starts_with(&server.url) && line.contains("X-Amz-Signature"));
    let (status, body) = http_get(url.with_context(|| format!("no presigned URL in {told}"))?)?;
    ensure!((status, body.as_slice()) == (200, b"an application\n".as_slice()), "{status} {body:?}");
    Ok(())
}
