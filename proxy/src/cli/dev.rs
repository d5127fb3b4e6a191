//! `zas-proxy dev`.

use std::path::PathBuf;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use zas_proxy::config;
use zas_proxy::dev::{self, KeycloakOptions, Upstream};
use zas_proxy::telemetry;

/// What to run, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Address of the one port.
    #[arg(long, default_value = "127.0.0.1:9800")]
    listen: String,
    /// Folder that keeps everything between runs.
    #[arg(long, default_value = ".zas")]
    data_dir: PathBuf,
    /// A stock `zot` to run as the registry, or `embedded`. Default: ZOT_BIN, else `zot` on PATH, else the embedded registry.
    #[arg(long, env = "ZOT_BIN")]
    zot: Option<String>,
    /// Serve HTTPS, with a certificate of an authority that is kept in the data folder.
    #[arg(long)]
    tls: bool,
    /// Use this Postgres (postgres://user:password@host:port/database) instead of a private one.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Run a Keycloak too, with people to log in as; needs Java, and mvn where no distribution (a folder or its tar.gz) is named.
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "")]
    keycloak: Option<String>,
    /// The port of that Keycloak.
    #[arg(long, default_value_t = 9880)]
    keycloak_port: u16,
}

/// Runs until Ctrl-C, then stops all that it started.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let config = config::from_toml("", "defaults", std::env::vars())?;
    let guard = telemetry::init(&config.telemetry).context("telemetry")?;
    let stop = CancellationToken::new();
    tokio::spawn(super::serve::cancel_on_signal(stop.clone()));
    let options = dev::Options {
        listen: options.listen,
        data_dir: options.data_dir,
        upstream: options.zot.map(|zot| if zot == "embedded" { Upstream::Embedded } else { Upstream::Zot(zot.into()) }),
        tls: options.tls,
        postgres: options.postgres,
        keycloak: options.keycloak.map(|path| KeycloakOptions {
            distribution: (!path.is_empty()).then(|| path.into()),
            port: options.keycloak_port,
        }),
    };
    let result = dev::run(config, options, stop, super::say).await;
    guard.shutdown(std::time::Duration::from_secs(3)).await;
    result
}
