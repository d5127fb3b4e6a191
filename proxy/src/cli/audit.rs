//! `zas-proxy audit`: checks the audit log, makes the key that signs its checkpoints.

use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};
use zas_proxy::audit::note::{Signer, Verifier, generate_key};
use zas_proxy::audit::{checkpoint, verify};
use zas_proxy::config::Config;
use zas_proxy::error::Error;
use zas_proxy::index::Index;
use zas_proxy::store::Store;

use super::ConfigFile;

/// What is to be done.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check every record, seal and checkpoint; name what is wrong first and exit with 1 if anything is.
    Verify(Options),
    /// Print a new key for `audit.checkpoint_key_file`.
    GenerateKey,
}

/// What is to be checked.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// Check from then on (`2026-01-31` or `2026-01-31T10:00:00Z`); what came before is taken on trust.
    #[arg(long, value_parser = instant)]
    from: Option<OffsetDateTime>,
    /// Check up to then; a minute ago if not given.
    #[arg(long, value_parser = instant)]
    to: Option<OffsetDateTime>,
    /// The public key of the checkpoints, as the service logs it at start; that of the configuration if not given.
    #[arg(long, value_parser = verifier)]
    public_key: Option<Verifier>,
    /// Leave out the checkpoints in the registry. Whoever owns the database and the key can then not be found out.
    #[arg(long)]
    without_registry: bool,
}

fn instant(text: &str) -> Result<OffsetDateTime, String> {
    let day = || time::Date::parse(text, &Iso8601::DATE).map(|day| day.midnight().assume_utc());
    OffsetDateTime::parse(text, &Rfc3339).or_else(|_| day()).map_err(|error| error.to_string())
}

fn verifier(text: &str) -> Result<Verifier, String> {
    Verifier::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Verify(options) => verify(&options.config.load()?, &options).await,
        Command::GenerateKey => {
            super::say(generate_key()?.trim_end());
            Ok(())
        }
    }
}

async fn verify(config: &Config, options: &Options) -> anyhow::Result<()> {
    let failed = |error: Error| anyhow::anyhow!(error.for_operator());
    let index = Index::open(&config.database).map_err(failed)?;
    let store = Store::new(&config.store).map_err(failed)?;
    let key = match (&options.public_key, &config.audit.checkpoint_key_file) {
        (Some(key), _) => Some(key.clone()),
        (None, Some(path)) => Some(Signer::read(path, &checkpoint::origin(&config.store.prefix))?.verifier().clone()),
        (None, None) => None,
    };
    if key.is_none() {
        super::say("note: no key is known; signatures of checkpoints are not looked at");
    }
    let wanted = verify::Options {
        from: options.from,
        to: options.to,
        verifier: key.as_ref(),
        store: (!options.without_registry).then_some(&store),
        prefix: &config.store.prefix,
    };
    let report = verify::verify(&index, &wanted).await.map_err(failed)?;
    super::say(format_args!(
        "{} records, {} seals, {} chains, {} checkpoints, {} of them in the registry, {} retired days",
        report.records, report.seals, report.writers, report.checkpoints, report.published, report.retired_days
    ));
    for finding in &report.findings {
        super::say(format_args!("bad: {finding}"));
    }
    match report.findings.first() {
        None => {
            super::say("The audit log is in order.");
            Ok(())
        }
        Some(first) => anyhow::bail!("the audit log was tampered with or is damaged: {first}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_or_an_instant() {
        assert_eq!(instant("2026-01-31").unwrap(), instant("2026-01-31T00:00:00Z").unwrap());
        assert!(instant("yesterday").is_err());
    }
}
