//! `zas-proxy check-config`.

use zas_proxy::config::Config;
use zas_proxy::service;

/// Says what is wrong, and fails if anything is.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    if config.access_keys.is_empty() {
        super::say("note: no access_keys are configured; nothing but the probes will be served");
    }
    let findings = service::registry_findings(config);
    for warning in &findings.warnings {
        super::say(format_args!("note: {warning}"));
    }
    for refusal in &findings.refusals {
        super::say(format_args!("S3 writes would be refused: {refusal}"));
    }
    if findings.refusals.is_empty() {
        super::say("The configuration can be used.");
        return Ok(());
    }
    anyhow::bail!("the registry's configuration would lose S3 objects; `zas-proxy zot-config` prints a right one")
}
