//! `zas-proxy openapi`.

/// Prints the description.
pub(super) fn run() -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(zas_proxy::admin::document().as_bytes())?;
    Ok(())
}
