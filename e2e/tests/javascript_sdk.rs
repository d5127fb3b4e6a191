//! The AWS SDK for JavaScript against a running server. The steps are in `clients/javascript_tour.mjs`.

use std::os::unix::fs::symlink;

use anyhow::Result;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::{Backend, DevServer, Endpoint, Failure, Options, run_on},
    on_each_backend,
    tools::{Tool, require},
};

const STEPS: &str = include_str!("clients/javascript_tour.mjs");
const TOUR: &str = include_str!("clients/tour.mjs");

/// A name that no name server will ever know (RFC 6761, 6.2); the tour resolves it itself.
const DOMAIN: &str = "s3.zas.test";

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
fn the_sdk_for_javascript_finds_buckets_by_their_hosts() -> Result<(), Failure> {
    let domains = ("ZAS_S3__DOMAINS".to_owned(), format!("[{DOMAIN:?}]"));
    let server = DevServer::start(&Options { environment: vec![domains], ..Options::default() })?;
    let url = server.endpoint().url.replace("127.0.0.1", DOMAIN);
    Ok(tour(&Endpoint { url, ..server.endpoint().clone() }, "objects")?)
}

#[test]
fn versions_work_from_the_sdk_for_javascript() -> Result<(), Failure> {
    run_on(Backend::Embedded, "versions_work_from_the_sdk_for_javascript", |server| tour(server, "versions"))
}
