//! One small HTTP question to a server under test: what does it answer to a GET? Whether that means ready is the caller's business.

use std::time::Duration;

use anyhow::{Context as _, Result};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks by GET for statuses, on a thread of its own, so that a test may wait whether or not it runs inside an async runtime.
#[derive(Debug)]
pub(super) struct Probe {
    url: String,
}

impl Probe {
    pub(super) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// Whether the server answers this request with 200.
    pub(super) fn is_ok(&self) -> bool {
        self.status().is_ok_and(|status| status == 200)
    }

    fn status(&self) -> Result<u16> {
        Ok(http_get(&self.url)?.0)
    }
}

/// One plain GET: its status and its body. On a thread of its own, as [`Probe`] does it.
///
/// # Errors
/// When there is no answer.
pub fn http_get(url: &str) -> Result<(u16, Vec<u8>)> {
    std::thread::scope(|scope| scope.spawn(|| get(url)).join()).map_err(|_| anyhow::anyhow!("GET {url} panicked"))?
}

fn get(url: &str) -> Result<(u16, Vec<u8>)> {
    // The first provider wins, and any will do here.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Servers under test sign their own certificates.
        let client =
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().timeout(TIMEOUT).build()?;
        let response = client.get(url).send().await.with_context(|| format!("GET {url}"))?;
        Ok((response.status().as_u16(), response.bytes().await?.to_vec()))
    })
}
