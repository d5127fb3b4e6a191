//! What would keep the service from starting, found without starting it: nothing is connected to, no name is resolved.

use std::sync::Arc;

use url::Url;

use crate::app::App;
use crate::audit::note::Signer;
use crate::audit::{check_webhook, checkpoint};
use crate::config::Config;
use crate::gateway::Gate;
use crate::index::Index;
use crate::listener::{Listener, check_certificate};
use crate::store::Store;
use crate::telemetry;
use crate::webhook::check_url;

/// Options of `database.url` that name files.
const DATABASE_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// Every problem that [`super::Service::start`] would fail on, or never get over, each with the key of the configuration
/// that it is about. Must be called within a tokio runtime.
#[must_use]
pub fn problems(config: &Config) -> Vec<String> {
    let mut found: Vec<String> = addresses(config).collect();
    found.extend(config.listen.tls.as_ref().and_then(|tls| check_certificate(tls).err()).map(|e| e.to_string()));
    found.extend(Index::open(&config.database).err().map(|error| error.for_operator()));
    found.extend(database_files(config.database.url.expose()));
    found.extend(Store::new(&config.store).err().map(|error| error.for_operator()));
    found.extend(audit_problems(config));
    found.extend(event_problems(config));
    found.extend(telemetry::check(&config.telemetry).err().map(|error| error.to_string()));
    if found.is_empty() {
        found.extend(built_as_a_whole(config).err());
    }
    found
}

/// A key that cannot be read, and webhooks that cannot be told.
fn audit_problems(config: &Config) -> Vec<String> {
    let origin = checkpoint::origin(&config.store.prefix);
    let key = config.audit.checkpoint_key_file.as_ref().and_then(|path| Signer::read(path, &origin).err());
    let key = key.map(|error| format!("audit.checkpoint_key_file: {error}"));
    let webhooks = config.audit.webhooks.iter().enumerate();
    let webhooks =
        webhooks.filter_map(|(i, webhook)| Some(format!("audit.webhooks[{i}]: {}", check_webhook(webhook).err()?)));
    key.into_iter().chain(webhooks).collect()
}

/// Targets that cannot be told.
fn event_problems(config: &Config) -> impl Iterator<Item = String> {
    let targets = config.events.targets.iter().enumerate();
    targets.filter_map(|(i, target)| Some(format!("events.targets[{i}].url: {}", check_url(&target.url).err()?)))
}

/// Addresses that are none. Whether this machine has them, and whether they are free, is seen by listening only.
fn addresses(config: &Config) -> impl Iterator<Item = String> {
    let listen = &config.listen;
    let metrics = listen.metrics_address.as_deref();
    let both = [("listen.address", Some(listen.address.as_str())), ("listen.metrics_address", metrics)];
    let mut found: Vec<String> = both
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)))
        .filter(|(_, address)| !is_address(address))
        .map(|(key, address)| format!("{key}: {address:?} is not an address and a port, such as 0.0.0.0:9800"))
        .collect();
    if metrics.is_some_and(|address| address == listen.address && !address.ends_with(":0")) {
        found.push("listen.metrics_address: must not be listen.address".to_owned());
    }
    found.into_iter()
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_literal = text.parse::<std::net::SocketAddr>().is_ok();
    is_literal || (!host.is_empty() && !host.contains([':', '/', '[', ']', ' ']) && port.parse::<u16>().is_ok())
}

/// Files that the URL names and that cannot be read: no connection would ever be made.
fn database_files(url: &str) -> Vec<String> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let files = url.query_pairs().filter(|(name, _)| DATABASE_FILES.contains(&&**name));
    files
        .filter_map(|(name, path)| {
            let error = std::fs::read(&*path).err()?;
            Some(format!("database.url: {name}: {path} cannot be read: {error}"))
        })
        .collect()
}

/// What only shows when all is put together, such as root certificates that the system does not have; on a port of the
/// loopback interface that nobody learns of.
fn built_as_a_whole(config: &Config) -> Result<(), String> {
    let app = App::new(config.clone(), Vec::new()).map_err(|error| error.for_operator())?;
    let gate = Arc::new(Gate::new(app));
    let listener = Listener::bind_to("127.0.0.1:0", config.listen.tls.as_ref(), config, gate);
    listener.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, Tls};

    /// A configuration without a problem.
    fn good() -> Config {
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://zas:hunter2@db.invalid:5432/zas?sslmode=require");
        config.store.url = "https://zot.invalid:5001".to_owned();
        config
    }

    /// Changes a good configuration; there must be one problem, which begins with `key`.
    #[track_caller]
    fn assert_problem(key: &str, change: impl FnOnce(&mut Config)) -> String {
        let mut config = good();
        change(&mut config);
        let found = problems(&config);
        assert!(found.len() == 1 && found[0].starts_with(key), "wanted one about {key}, found {found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
        found[0].clone()
    }

    fn pair(folder: &std::path::Path, name: &str) -> Tls {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let tls = Tls { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}-key.pem")) };
        std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
        std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
        tls
    }

    #[tokio::test]
    async fn a_good_configuration_has_no_problem_though_nobody_answers() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = good();
        config.listen.tls = Some(pair(dir.path(), "a"));
        config.listen.address = "[::]:9800".to_owned();
        config.listen.metrics_address = Some("metrics.invalid:9801".to_owned());
        assert_eq!(problems(&config), [""; 0]);
    }

    #[tokio::test]
    async fn a_certificate_and_its_key_must_be_there_and_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (pair(dir.path(), "a"), pair(dir.path(), "b"));
        let missing = dir.path().join("missing.pem");
        let with = |certificate: &std::path::Path, key: &std::path::Path| {
            let tls = Tls { certificate: certificate.to_owned(), key: key.to_owned() };
            move |config: &mut Config| config.listen.tls = Some(tls)
        };
        let problem = assert_problem("listen.tls.certificate: ", with(&missing, &a.key));
        assert!(problem.contains("missing.pem"), "{problem}");
        assert_problem("listen.tls.key: ", with(&a.certificate, &missing));
        assert_problem("listen.tls.certificate: ", with(&a.key, &a.key));
        assert_problem("listen.tls.key: ", with(&a.certificate, &a.certificate));
        assert_problem("listen.tls: ", with(&a.certificate, &b.key));
    }

    #[tokio::test]
    async fn a_database_url_is_read_without_being_repeated() {
        for (url, part) in [
            ("", "is not set"),
            ("mysql://zas:hunter2@db/zas", "is not a Postgres URL"),
            ("db.invalid:hunter2", "is not a Postgres URL"),
            ("postgres://zas:hunter2@db/zas?sslmode=sometimes", "sslmode"),
            ("postgres://zas:hunter2@db/zas?sslrootcert=/no/such/file", "sslrootcert: /no/such/file"),
        ] {
            let problem = assert_problem("database.url", |config| config.database.url = Secret::new(url));
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[tokio::test]
    async fn what_the_client_to_the_registry_cannot_use_is_named() {
        for url in ["ftp://zot:5001", "http://zot:5001/base", "http://user:hunter2@zot:5001", "zot"] {
            assert_problem("store.url", |config| config.store.url = url.to_owned());
        }
    }

    #[tokio::test]
    async fn addresses_and_telemetry_are_named() {
        for address in ["9800", "localhost", "localhost:99999", ":9800", "::1:9800", "http://localhost:9800"] {
            assert_problem("listen.address", |config| config.listen.address = address.to_owned());
            assert_problem("listen.metrics_address", |config| config.listen.metrics_address = Some(address.to_owned()));
        }
        assert_problem("listen.metrics_address", |config| {
            config.listen.metrics_address = Some(config.listen.address.clone());
        });
        assert_problem("telemetry.log_filter", |config| config.telemetry.log_filter = "info,=nope=".to_owned());
        assert_problem("telemetry.otlp_endpoint", |config| {
            config.telemetry.otlp_endpoint = Some(crate::config::PrivateUrl::new("collector:4318"));
        });
    }

    #[tokio::test]
    async fn all_problems_are_told_at_once() {
        let mut config = good();
        config.database.url = Secret::new("");
        config.store.url = "zot".to_owned();
        config.listen.address = "nowhere".to_owned();
        assert_eq!(problems(&config).len(), 3);
    }
}
