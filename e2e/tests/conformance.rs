//! The OCI distribution conformance suite: the embedded registry passes it, and what passes through the sidecar gives the
//! same result, test by test, as the upstream asked directly.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use zas_e2e::{
    conformance::{Outcome, ensure_no_failure, run_suite},
    harness::{DevServer, EmbeddedRegistry, Endpoint, Failure, Options, Upstream, Zot, no_zot},
    tools::{Tool, require},
};

/// What the suite leaves out by default, and the embedded registry claims to do. What it does not claim: to mount a blob
/// from a repository that nobody named, which nobody could authorise.
const ALL_OF_IT: [(&str, &str); 5] = [
    ("OCI_API_BLOBS_MOUNT_ANONYMOUS", "false"),
    ("OCI_API_BLOBS_UPLOAD_CANCEL", "true"),
    ("OCI_API_BLOBS_DIGEST_HEADER", "true"),
    ("OCI_API_MANIFESTS_DIGEST_HEADER", "true"),
    ("OCI_API_MANIFESTS_TAG_PARAM", "true"),
];

/// A mount that names no source asks the registry to look for the blob in every repository, also in those that the caller
/// may not read. The sidecar lets it become an upload instead, which the specification allows.
const ANONYMOUS_MOUNT: &str = "/mount anonymous";

#[test]
fn the_embedded_registry_conforms_and_skips_nothing() -> Result<(), Failure> {
    let Some(suite) = require(Tool::Conformance, "the_embedded_registry_conforms_and_skips_nothing")? else {
        return Ok(());
    };
    let registry = EmbeddedRegistry::start()?;
    let report = run_suite(&suite, registry.endpoint(), &ALL_OF_IT)?;
    ensure_no_failure(&report)?;
    let skipped: Vec<_> = report.named(Outcome::Skip).collect();
    assert!(skipped.is_empty(), "skipped: {skipped:#?}");
    Ok(())
}

#[test]
fn the_sidecar_conforms_as_the_embedded_registry_does() -> Result<(), Failure> {
    let Some(suite) = require(Tool::Conformance, "the_sidecar_conforms_as_the_embedded_registry_does")? else {
        return Ok(());
    };
    let direct = EmbeddedRegistry::start()?;
    let sidecar = DevServer::start(&Options::default())?;
    compare(&suite, sidecar.endpoint(), direct.endpoint())
        .map_err(|error| anyhow!("{error:#}\n{}", sidecar.log_tail()))?;
    Ok(())
}

#[test]
fn the_sidecar_conforms_as_a_stock_zot_does() -> Result<(), Failure> {
    let test = "the_sidecar_conforms_as_a_stock_zot_does";
    let (Some(direct), Some(binary)) = (Zot::from_env()?, Zot::binary()) else {
        no_zot(test);
        return Ok(());
    };
    let Some(suite) = require(Tool::Conformance, test)? else { return Ok(()) };
    let sidecar = DevServer::start(&Options { upstream: Upstream::Zot(binary), ..Options::default() })?;
    compare(&suite, sidecar.endpoint(), direct.endpoint())
        .map_err(|error| anyhow!("{error:#}\n{}", sidecar.log_tail()))?;
    Ok(())
}

/// Runs the suite against both and fails unless neither fails and every test ends alike.
fn compare(suite: &Path, sidecar: &Endpoint, direct: &Endpoint) -> Result<()> {
    let direct = run_suite(suite, direct, &[])?;
    ensure_no_failure(&direct).context("the upstream asked directly")?;
    let sidecar = run_suite(suite, sidecar, &[])?;
    let mut differences = sidecar.differences(&direct);
    differences.retain(|difference| !difference.contains(ANONYMOUS_MOUNT));
    ensure!(
        differences.is_empty(),
        "through the sidecar | directly: {differences:#?}\n{:?}",
        ensure_no_failure(&sidecar)
    );
    ensure_no_failure(&sidecar)
}
