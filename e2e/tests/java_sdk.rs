//! The AWS SDK for Java against a running server. The steps are in `clients/JavaTour.java`.

use std::path::Path;

use anyhow::Result;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::{Backend, Endpoint, Failure, run_on},
    on_each_backend,
    tools::{Tool, require},
};

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/JavaTour.java");

fn tour(server: &Endpoint, name: &str) -> Result<()> {
    let Some(jars) = require(Tool::JavaSdk, "an application on the SDK for Java")? else { return Ok(()) };
    let room = Room::new(server)?;
    let jars = format!("{}/*", jars.display());
    // Java compiles the one file as it starts. It would read it in the machine's own encoding.
    run_tour(&mut room.command(Path::new("java"), ["-Dfile.encoding=UTF-8", "-cp", &jars, TOUR, name]))
}

fn an_application_on_the_sdk_for_java_works(server: &Endpoint) -> Result<()> {
    tour(server, "objects")
}

on_each_backend!(an_application_on_the_sdk_for_java_works);

#[test]
fn versions_work_from_the_sdk_for_java() -> Result<(), Failure> {
    run_on(Backend::Embedded, "versions_work_from_the_sdk_for_java", |server| tour(server, "versions"))
}
