//! `zas-proxy check-config`.

use zas_proxy::config::Config;
use zas_proxy::service;

/// Says all that is wrong, and fails if anything is. Must be called within a tokio runtime.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    if config.access_keys.is_empty() {
        super::say("note: no access_keys are configured; nothing but the probes will be served");
    }
    let problems = service::problems(config);
    for problem in &problems {
        super::say(format_args!("serve would fail: {problem}"));
    }
    let findings = service::registry_findings(config);
    for warning in &findings.warnings {
        super::say(format_args!("note: {warning}"));
    }
    for refusal in &findings.refusals {
        super::say(format_args!("S3 writes would be refused: {refusal}"));
    }
    for refusal in &findings.attaching {
        super::say(format_args!("attaching signatures to S3 objects would be refused: {refusal}"));
    }
    if !problems.is_empty() {
        anyhow::bail!("the configuration cannot be used: {}", problems.join("; "));
    }
    if !findings.refusals.is_empty() || !findings.attaching.is_empty() {
        anyhow::bail!(
            "the registry's configuration would lose S3 objects or their signatures; `zas-proxy zot-config` prints a right one"
        );
    }
    super::say("The configuration can be used.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_configuration_that_serve_would_fail_on_fails_with_every_key() {
        let text = "[store]\nurl = \"http://zot.invalid:5001/base\"\n[listen]\naddress = \"nowhere\"";
        let config = zas_proxy::config::from_toml(text, "test", []).unwrap();
        let told = run(&config).unwrap_err().to_string();
        for key in ["store.url", "listen.address", "database.url"] {
            assert!(told.contains(key), "no {key} in {told}");
        }
    }

    #[tokio::test]
    async fn a_configuration_that_can_be_used_passes() {
        let text = "[database]\nurl = \"postgres://zas@db.invalid/zas\"";
        run(&zas_proxy::config::from_toml(text, "test", []).unwrap()).unwrap();
    }
}
