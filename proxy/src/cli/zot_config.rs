//! `zas-proxy zot-config`.

use std::path::PathBuf;

use zas_proxy::store::zot_config;

/// What the configuration is for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Folder under which Zot keeps its two stores.
    #[arg(long, default_value = "/var/lib/zot")]
    root: PathBuf,
    /// Address that Zot listens on; only the sidecar may reach it.
    #[arg(long, default_value = "127.0.0.1")]
    address: String,
    /// Port that Zot listens on.
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// The sidecar's `store.prefix`.
    #[arg(long, default_value = "s3")]
    prefix: String,
    /// The public key of the sidecar's `store.token.key_file`, as Zot finds it: with it Zot serves the sidecar alone.
    #[arg(long)]
    token_key: Option<PathBuf>,
}

/// Prints it.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let config = zot_config::right_config(&zot_config::Options {
        root_directory: options.root.join("oci"),
        s3_root_directory: options.root.join("s3"),
        address: options.address.clone(),
        port: options.port,
        prefix: options.prefix.clone(),
        token_key: options.token_key.clone(),
    });
    super::say(serde_json::to_string_pretty(&config)?);
    Ok(())
}
