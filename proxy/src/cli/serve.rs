//! `zas-proxy serve`.

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use zas_proxy::config::Config;
use zas_proxy::service::Service;
use zas_proxy::telemetry;

/// Runs until SIGTERM or SIGINT, then drains.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let guard = telemetry::init(&config.telemetry).context("telemetry")?;
    let stop = CancellationToken::new();
    tokio::spawn(cancel_on_signal(stop.clone()));
    let service = Service::start(config).await.map_err(|error| anyhow::anyhow!(error.for_operator()))?;
    tracing::info!(address = %service.address(), "listening on {}", service.address());
    service.run(stop).await;
    guard.shutdown(std::time::Duration::from_secs(3)).await;
    Ok(())
}

/// Cancels `stop` at the first SIGTERM or SIGINT; a second one ends the process at once.
#[expect(clippy::exit, reason = "whoever asks twice does not want to wait for the drain")]
pub(super) async fn cancel_on_signal(stop: CancellationToken) {
    if wait_for_signal().await.is_ok() {
        tracing::info!("asked to stop: draining; ask again to stop at once");
        stop.cancel();
    }
    if wait_for_signal().await.is_ok() {
        tracing::warn!("asked to stop at once");
        std::process::exit(130);
    }
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
