//! `zas-proxy migrate`.

use zas_proxy::config::Config;
use zas_proxy::error::Error;
use zas_proxy::index::{self, Index};

/// Brings the schema up to date.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let failed = |error: Error| anyhow::anyhow!(error.for_operator());
    let index = Index::open(&config.database).map_err(failed)?;
    index::migrate(&index).await.map_err(failed)?;
    super::say("The schema is up to date.");
    Ok(())
}
