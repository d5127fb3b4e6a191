//! minio-go, MinIO's S3 library for Go, against a running server. The steps are in `clients/go/minio-go`.

use std::time::Duration;

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::Room,
    harness::Endpoint,
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

fn an_application_on_minio_go_works(server: &Endpoint) -> Result<()> {
    tour(server, "objects")
}

fn minio_go_keeps_versions(server: &Endpoint) -> Result<()> {
    tour(server, "versions")
}

fn tour(server: &Endpoint, name: &str) -> Result<()> {
    let Some(program) = require(Tool::MinioGo, "the tour of minio-go")? else { return Ok(()) };
    // Longer than the tour gives itself.
    let told = run_ok(&mut Room::new(server)?.command(&program, [name]), Duration::from_secs(300))?;
    ensure!(told.stdout.contains(" steps hold, 0 do not"), "{}", told.stdout);
    Ok(())
}

on_each_backend!(an_application_on_minio_go_works);
on_each_backend!(minio_go_keeps_versions);
