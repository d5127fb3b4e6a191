//! The AWS SDK for Rust against a running server. The steps are in `clients/rust`, a project of its own.

use anyhow::Result;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::{Backend, Endpoint, Failure, run_on},
    on_each_backend,
    tools::{Tool, require},
};

fn tour(server: &Endpoint, name: &str) -> Result<()> {
    let Some(program) = require(Tool::RustSdk, "an application on the SDK for Rust")? else { return Ok(()) };
    let room = Room::new(server)?;
    run_tour(&mut room.command(&program, [name]))
}

fn an_application_on_the_sdk_for_rust_works(server: &Endpoint) -> Result<()> {
    tour(server, "objects")
}

on_each_backend!(an_application_on_the_sdk_for_rust_works);

#[test]
fn versions_work_from_the_sdk_for_rust() -> Result<(), Failure> {
    run_on(Backend::Embedded, "versions_work_from_the_sdk_for_rust", |server| tour(server, "versions"))
}
