//! The AWS SDK for Go, version 2, against a running server. The steps are in `clients/go/aws-sdk-go`.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Endpoint, Failure, Options},
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

/// A name that no name server will ever know (RFC 6761, 6.2).
const DOMAIN: &str = "s3.zas.test";

fn an_application_on_the_aws_sdk_for_go_works(server: &Endpoint) -> Result<()> {
    tour(&Room::new(server)?, "objects", &[])
}

fn the_aws_sdk_for_go_keeps_versions(server: &Endpoint) -> Result<()> {
    tour(&Room::new(server)?, "versions", &[])
}

on_each_backend!(an_application_on_the_aws_sdk_for_go_works);
on_each_backend!(the_aws_sdk_for_go_keeps_versions);

/// By TLS the SDK does not sign what it sends, and puts checksums into trailers.
#[test]
fn an_application_on_the_aws_sdk_for_go_works_by_tls() -> Result<(), Failure> {
    let server = DevServer::start(&Options { tls: true, ..Options::default() })?;
    let room = Room::trusting(server.endpoint(), server.authority())?;
    Ok(tour(&room, "objects", &[])?)
}

/// The style that the SDK takes by itself where the endpoint has a name.
#[test]
fn an_application_on_the_aws_sdk_for_go_works_in_virtual_host_style() -> Result<(), Failure> {
    let domains = ("ZAS_S3__DOMAINS".to_owned(), format!("[{DOMAIN:?}]"));
    let server = DevServer::start(&Options { environment: vec![domains], ..Options::default() })?;
    let address = server.endpoint().authority();
    let endpoint = format!("http://{DOMAIN}:{}", address.rsplit_once(':').map_or("80", |(_, port)| port));
    let room = Room::new(server.endpoint())?;
    Ok(tour(&room, "objects", &[("AWS_ENDPOINT_URL", &endpoint), ("ZAS_TOUR_ADDRESS", address)])?)
}

fn tour(room: &Room<'_>, name: &str, environment: &[(&str, &str)]) -> Result<()> {
    let Some(program) = require(Tool::AwsSdkGo, "the tour of the AWS SDK for Go")? else { return Ok(()) };
    let mut tour = room.command(&program, [name]);
    tour.envs(environment.iter().copied());
    // Longer than the tour gives itself.
    let told = run_ok(&mut tour, std::time::Duration::from_secs(300))?;
    ensure!(told.stdout.contains(" steps hold, 0 do not"), "{}", told.stdout);
    Ok(())
}
