//! `zas-proxy dev`: Postgres, a registry and the sidecar on one command, with a key to try it.
//!
//! Everything that is kept between runs stands in one folder (`.zas/`), everything that was started is stopped at the end,
//! and nothing outlives the process even if it is killed (see `child.rs`).
//! What does not live here: anything that production uses.

mod banner;
mod certificate;
pub mod child;
mod configuration;
mod credentials;
mod folder;
mod keycloak;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Secret};
use crate::postgres;
use crate::service::Service;

pub use keycloak::Options as KeycloakOptions;
pub use upstream::Upstream;

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the one port.
    pub listen: String,
    /// Folder that keeps everything between runs.
    pub data_dir: PathBuf,
    /// The registry; `None`: a `zot` on PATH, else the embedded one.
    pub upstream: Option<Upstream>,
    /// Serve HTTPS with a certificate that an authority of the data folder has signed.
    pub tls: bool,
    /// Use this Postgres instead of a private one.
    pub postgres: Option<String>,
    /// Run a Keycloak too, and believe it.
    pub keycloak: Option<KeycloakOptions>,
}

/// Starts everything, says what to paste, and serves until `stop`.
///
/// # Errors
/// What could not be started, and what to do about it.
pub async fn run(
    config: Config,
    options: Options,
    stop: CancellationToken,
    say: impl Fn(String),
) -> anyhow::Result<()> {
    // What was begun is undone by being dropped: nothing outlives the process.
    let started = tokio::select! {
        started = start(config, &options, &say) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    started.run(stop, say).await
}

/// Everything that runs.
struct Started {
    service: Service,
    upstream: upstream::Running,
    database: Database,
    keycloak: Option<keycloak::Running>,
    banner: String,
    /// Locked until everything has stopped.
    _folder: folder::Folder,
}

async fn start(mut config: Config, options: &Options, say: &impl Fn(String)) -> anyhow::Result<Started> {
    let folder = folder::Folder::open(&options.data_dir)?;
    let free = check_that_the_port_is_free(&options.listen)?;
    let root = credentials::load_or_create(&folder, &config.s3.region)?;
    config.access_keys = vec![root.clone()];
    config.listen.address.clone_from(&options.listen);
    config.audit.checkpoint_key_file = Some(credentials::audit_key(&folder)?);
    config.identity.key_ring = vec![credentials::ring_key(&folder)?];
    // Whoever tries it out has their webhooks on this machine.
    config.events.allowed_networks = vec!["127.0.0.0/8".parse()?, "::1/128".parse()?];
    // With domains of its own it has more names than one, and clients are answered by that which they use.
    let has_one_name = config.s3.domains.is_empty() && has_one_address(&options.listen, free);
    if config.listen.external_url.is_none() && has_one_name {
        config.listen.external_url = Some(banner::endpoint(free, options.tls));
    }
    let mut trust = None;
    if options.tls {
        let made = certificate::load_or_create(&folder, &certificate::names(&options.listen, free))?;
        config.listen.tls = Some(made.tls);
        trust = Some(made.authority);
    }

    let kind = options.upstream.clone().unwrap_or_else(Upstream::find);
    say(kind.describe());
    let upstream = upstream::start(&kind, &folder, &config.store.prefix).await?;
    config.store.url.clone_from(&upstream.url);
    config.store.zot_config.clone_from(&upstream.zot_config);
    config.store.token.key_file.clone_from(&upstream.token_key);

    let database = start_database(options, &folder, &kind, say).await?;
    config.database.url = Secret::new(database.url.clone());

    let keycloak = match &options.keycloak {
        Some(keycloak) => {
            let url = banner::endpoint(free, trust.is_some());
            let sidecar = keycloak::Sidecar { url: &url, authority: trust.as_deref() };
            Some(keycloak::start(keycloak, &sidecar, &folder, say).await?)
        }
        None => None,
    };
    config.identity.issuers.extend(keycloak.iter().map(|keycloak| keycloak.issuer.clone()));
    let issuer = config.identity.issuers.first().map(|issuer| issuer.url.clone());

    configuration::write(&folder, &config)?;
    let service = Service::start(config).await.map_err(|error| anyhow::anyhow!(error.for_operator()))?;
    let banner =
        banner::text(service.address(), &root, &folder.path(credentials::FILE), trust.as_deref(), issuer.as_deref());
    Ok(Started { service, upstream, database, keycloak, banner, _folder: folder })
}

impl Started {
    async fn run(self, stop: CancellationToken, say: impl Fn(String)) -> anyhow::Result<()> {
        let app = self.service.app().clone();
        let served = tokio::spawn(self.service.run(stop.clone()));
        tokio::select! {
            () = app.readiness.wait_for_index() => say(self.banner),
            () = stop.cancelled() => {}
        }
        served.await.context("the service ended with a fault")?;
        if let Some(server) = self.database.server {
            server.stop().await.context("stopping Postgres")?;
        }
        self.upstream.stop().await;
        if let Some(keycloak) = self.keycloak {
            keycloak.stop().await;
        }
        say("Stopped. Everything is kept in the data folder for the next run.".to_owned());
        Ok(())
    }
}

/// A Postgres to use: ours or the user's.
struct Database {
    url: String,
    server: Option<postgres::Server>,
}

async fn start_database(
    options: &Options,
    folder: &folder::Folder,
    kind: &Upstream,
    say: &impl Fn(String),
) -> anyhow::Result<Database> {
    if let Some(url) = &options.postgres {
        // One index names bytes of one registry: with the other registry behind it every object would be missing.
        folder.remember_upstream(kind.name())?;
        return Ok(Database { url: url.clone(), server: None });
    }
    let server = postgres::Server::start(&folder.path("postgres"), postgres::Options::default())
        .await
        .context("starting a private Postgres; give one with --postgres URL if this machine cannot run it")?;
    say(format!("Postgres: {}", server.description()));
    // A database for each kind of registry, so that changing the registry and back loses nothing.
    let name = format!("zas_{}", kind.name());
    server.create_database(&name).await.context("creating the database")?;
    Ok(Database { url: server.url(&name), server: Some(server) })
}

/// Asked before anything is started, so that the answer comes at once; gives the address that the name stands for.
fn check_that_the_port_is_free(address: &str) -> anyhow::Result<SocketAddr> {
    match std::net::TcpListener::bind(address).and_then(|listener| listener.local_addr()) {
        Ok(bound) => Ok(bound),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("{address} is in use by another program; stop it, or choose another address with --listen")
        }
        Err(error) => bail!("cannot listen on {address}: {error}"),
    }
}

/// Whether clients reach what listens on `address` at one address that is known before it listens. On all interfaces each has their own;
/// port 0 is another port by then.
fn has_one_address(address: &str, bound: SocketAddr) -> bool {
    let is_any_port = address.rsplit_once(':').is_none_or(|(_, port)| port.parse() == Ok(0_u16));
    !is_any_port && !bound.ip().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_one_address_only_where_there_is_one() {
        let bound = |address: &str| address.parse::<SocketAddr>().unwrap();
        assert!(has_one_address("127.0.0.1:9800", bound("127.0.0.1:9800")));
        assert!(has_one_address("[::1]:9800", bound("[::1]:9800")));
        assert!(!has_one_address("127.0.0.1:0", bound("127.0.0.1:41234")), "another port is bound when it listens");
        assert!(
            !has_one_address("0.0.0.0:9800", bound("0.0.0.0:9800"))
                && !has_one_address("[::]:9800", bound("[::]:9800"))
        );
    }

    #[test]
    fn a_port_in_use_gets_a_clear_message() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let message = check_that_the_port_is_free(&address).unwrap_err().to_string();
        assert!(message.contains(&address) && message.contains("--listen"), "{message}");
    }
}
