//! `zas-proxy configuration`.

/// Prints the reference page.
pub(super) fn run() -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(zas_proxy::config::document::markdown().as_bytes())?;
    Ok(())
}
