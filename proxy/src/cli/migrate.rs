//! `zas-proxy migrate`.

use zas_proxy::config::Config;
use zas_proxy::index::{self, Index};

/// Brings the schema up to date.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let index = Index::open(&config.database)?;
    index::migrate(&index).await.map_err(|error| anyhow::anyhow!(error.for_log()))?;
    super::say("The schema is up to date.");
    Ok(())
}
