//! boto3 in virtual-host style against a server with a domain. The steps are in `clients/virtual_host_tour.py`.

use std::time::Duration;

use anyhow::ensure;
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Failure, Options},
    process::run_ok,
    tools::{Tool, require},
};

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/virtual_host_tour.py");

/// A name that no name server will ever know (RFC 6761, 6.2).
const DOMAIN: &str = "s3.zas.test";

#[test]
fn the_host_of_a_request_names_its_bucket() -> Result<(), Failure> {
    let Some(python) = require(Tool::Python, "the_host_of_a_request_names_its_bucket")? else { return Ok(()) };
    let domains = ("ZAS_S3__DOMAINS".to_owned(), format!("[{DOMAIN:?}]"));
    let server = DevServer::start(&Options { environment: vec![domains], ..Options::default() })?;
    let room = Room::new(server.endpoint())?;
    let mut tour = room.command(&python, [TOUR, &server.endpoint().url, DOMAIN]);
    // It would write its cache beside the script, into the source tree.
    tour.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
    // The endpoint of the room is an address; the tour talks to the domain.
    tour.env_remove("AWS_ENDPOINT_URL");
    let told = run_ok(&mut tour, Duration::from_secs(300))?;
    Ok(ensure_all_hold(&told.stdout)?)
}

fn ensure_all_hold(told: &str) -> anyhow::Result<()> {
    ensure!(told.contains(" steps hold, 0 do not"), "{told}");
    Ok(())
}
