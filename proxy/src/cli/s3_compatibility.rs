//! `zas-proxy s3-compatibility`.

/// Prints the page.
pub(super) fn run() -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(zas_proxy::s3::compatibility::markdown().as_bytes())?;
    Ok(())
}
