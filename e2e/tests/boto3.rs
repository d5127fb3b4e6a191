//! boto3, the AWS SDK for Python, against a running server. The steps are in `clients/boto3_tour.py`.

use std::time::Duration;

use anyhow::Result;
use zas_e2e::{
    clients::Room,
    harness::Endpoint,
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/boto3_tour.py");

fn an_application_on_boto3_works(server: &Endpoint) -> Result<()> {
    let Some(python) = require(Tool::Python, "an_application_on_boto3_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    let mut tour = room.command(&python, [TOUR, &server.url]);
    // It would write its cache beside the script, into the source tree.
    tour.env("PYTHONDONTWRITEBYTECODE", "1");
    let told = run_ok(&mut tour, Duration::from_secs(300))?;
    assert!(told.stdout.contains(" steps hold, 0 do not"), "{}", told.stdout);
    Ok(())
}

on_each_backend!(an_application_on_boto3_works);
