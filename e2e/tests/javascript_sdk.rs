//! The AWS SDK for JavaScript against a running server. The steps are in `clients/javascript_tour.mjs`.

use std::os::unix::fs::symlink;

use anyhow::Result;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::{Backend, Endpoint, Failure, run_on},
    on_each_backend,
    tools::{Tool, require},
};

const STEPS: &str = include_str!("clients/javascript_tour.mjs");
const TOUR: &str = include_str!("clients/tour.mjs");

fn tour(server: &Endpoint, name: &str) -> Result<()> {
    let Some(node) = require(Tool::JavaScriptSdk, "an application on the SDK for JavaScript")? else { return Ok(()) };
    let room = Room::new(server)?;
    // A module finds its packages in the folders above it, and nowhere else.
    symlink(node.with_file_name("node_modules"), room.path("node_modules"))?;
    room.write("tour.mjs", TOUR.as_bytes())?;
    room.write("javascript_tour.mjs", STEPS.as_bytes())?;
    run_tour(&mut room.command(&node, ["javascript_tour.mjs", name]))
}

fn an_application_on_the_sdk_for_javascript_works(server: &Endpoint) -> Result<()> {
    tour(server, "objects")
}

on_each_backend!(an_application_on_the_sdk_for_javascript_works);

#[test]
fn versions_work_from_the_sdk_for_javascript() -> Result<(), Failure> {
    run_on(Backend::Embedded, "versions_work_from_the_sdk_for_javascript", |server| tour(server, "versions"))
}
