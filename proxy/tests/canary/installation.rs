//! A service with all that it talks to, each with marked secrets.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use zas_proxy::free_port::free_port;
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_registry::{Faults, Options, Registry, Server};

use super::ask::{Ask, Client, PATIENCE};
use super::collector::Collector;
use super::program::Program;
use super::secrets::Secrets;

/// The access key of the configuration.
pub(crate) const ROOT: &str = "AKIACANARY";

/// What clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Without TLS.
    Http1,
    /// Over TLS.
    Http2,
}

/// Everything that runs.
pub(crate) struct Installation {
    pub(crate) client: Client,
    pub(crate) program: Program,
    pub(crate) configuration: String,
    pub(crate) configured: Vec<(&'static str, String)>,
    pub(crate) issuer: MockIssuer,
    pub(crate) registry: Faults,
    pub(crate) database: TestDatabase,
    pub(crate) traces: Collector,
    pub(crate) records: Collector,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Installation {
    pub(crate) async fn start(protocol: Protocol, log_format: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (database, issuer) = (testing::database().await.unwrap(), MockIssuer::start().await.unwrap());
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let faults = registry.faults().clone();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (traces, records) = (Collector::start().await, Collector::start().await);
        let mut made = Made::new(folder.path(), protocol);
        let url = with_password(&database, &made.secret("the database's password")).await;
        let sections = json!({
            "database": {"url": url},
            "store": {"url": format!("http://{}", server.local_addr()), "username": "sidecar",
                "password": made.secret("the registry's password")},
            "identity": {"issuers": [issuer_of(&issuer)]},
            "telemetry": {"log_filter": "trace", "log_format": log_format, "trace_ratio": 1.0,
                "otlp_endpoint": format!("{}/{}", traces.url, made.secret("the collector's token"))},
            "audit": {"reads": "strict", "webhooks": [
                webhook("jsonl", &records, &mut made), webhook("ocsf", &records, &mut made)]},
        });
        let whole = made.configuration(&sections);
        let file = folder.path().join("zas.toml");
        std::fs::write(&file, &whole).unwrap();
        let program = Program::start(folder.path(), &["serve", "--config", file.to_str().unwrap()]);
        let base = format!("{}://localhost:{}", if protocol == Protocol::Http2 { "https" } else { "http" }, made.port);
        let client = Client::new(base, made.certificate.as_deref());
        let installation = Self {
            client,
            program,
            configuration: whole,
            configured: made.secrets,
            issuer,
            registry: faults,
            database,
            traces,
            records,
            _server: server,
            _folder: folder,
        };
        installation.wait_until_ready().await;
        installation
    }

    async fn wait_until_ready(&self) {
        let ready = async {
            let probe = Ask::get("/-/readyz");
            while !self.client.try_send(&probe, None).await.is_ok_and(|answer| answer.status == 200) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, ready).await.is_err() {
            panic!("it does not get ready: {}", self.program.output());
        }
    }

    /// The secret of a part of the configuration.
    pub(crate) fn secret(&self, name: &str) -> &str {
        self.configured.iter().find(|(known, _)| *known == name).map(|(_, secret)| secret.as_str()).unwrap()
    }
}

/// The log of a service whose database and registry are away, and the secrets that it was given.
pub(crate) async fn without_anything_behind_it() -> (String, Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new(folder.path(), Protocol::Http1);
    let url = format!("postgres://zas:{}@127.0.0.1:1/zas", made.secret("the database's password"));
    let sections = json!({
        "database": {"url": url},
        "store": {"url": "http://127.0.0.1:1", "username": "sidecar", "password": made.secret("the registry's password")},
        "identity": {},
        "telemetry": {"log_filter": "trace",
            "otlp_endpoint": format!("http://127.0.0.1:1/{}", made.secret("the collector's token"))},
        "audit": {"webhooks": [
            {"name": "away", "url": format!("http://127.0.0.1:1/{}", made.secret("a webhook's token"))}]},
    });
    let whole = made.configuration(&sections);
    let file = folder.path().join("zas.toml");
    std::fs::write(&file, whole).unwrap();
    let mut program = Program::start(folder.path(), &["serve", "--config", file.to_str().unwrap()]);
    program.wait_for("the index is not ready yet").await;
    let client = Client::new(format!("http://localhost:{}", made.port), None);
    for target in ["/-/readyz", "/bucket/key", "/v2/app/manifests/v1"] {
        let root = super::ask::basic(ROOT, &made.of("the access key's secret"));
        client.send(&Ask::get(target), Some(&root)).await;
    }
    let mut secrets = Secrets::default();
    for (name, secret) in &made.secrets {
        secrets.add(name, secret);
    }
    (program.stop().await, secrets)
}

/// What a configuration is made of.
struct Made {
    port: u16,
    secrets: Vec<(&'static str, String)>,
    certificate: Option<String>,
    rest: Value,
}

impl Made {
    fn new(folder: &Path, protocol: Protocol) -> Self {
        let port = free_port().unwrap();
        let mut made = Self { port, secrets: Vec::new(), certificate: None, rest: json!({}) };
        made.rest = json!({"listen": {"address": format!("127.0.0.1:{port}")}});
        let key = zas_proxy::audit::note::generate_key().unwrap();
        let file = folder.join("audit-key.pem");
        std::fs::write(&file, &key).unwrap();
        made.rest["audit"] = json!({"checkpoint_key_file": file, "checkpoint_interval": "1s"});
        made.secrets.push(("the audit key", key.lines().nth(1).unwrap().to_owned()));
        if protocol == Protocol::Http2 {
            made.add_certificate(folder);
        }
        made
    }

    fn add_certificate(&mut self, folder: &Path) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = pair.signing_key.serialize_pem();
        let (certificate_file, key_file) = (folder.join("tls.pem"), folder.join("tls-key.pem"));
        std::fs::write(&certificate_file, pair.cert.pem()).unwrap();
        std::fs::write(&key_file, &key).unwrap();
        self.rest["listen"]["tls"] = json!({"certificate": certificate_file, "key": key_file});
        self.certificate = Some(pair.cert.pem());
        self.secrets.push(("the key of the certificate", key.lines().nth(1).unwrap().to_owned()));
    }

    /// A new secret.
    fn secret(&mut self, name: &'static str) -> String {
        let secret = format!("canary{}", hex::encode(rand::random::<[u8; 12]>()));
        self.secrets.push((name, secret.clone()));
        secret
    }

    fn of(&self, name: &str) -> String {
        self.secrets.iter().find(|(known, _)| *known == name).map(|(_, secret)| secret.clone()).unwrap()
    }

    /// The file, of these sections and of what all have.
    fn configuration(&mut self, sections: &Value) -> String {
        let mut whole = self.rest.clone();
        for (name, section) in sections.as_object().unwrap() {
            let known = whole.as_object_mut().unwrap().entry(name).or_insert_with(|| json!({}));
            known.as_object_mut().unwrap().extend(section.as_object().unwrap().clone());
        }
        let ring = zas_proxy::identity::generate_ring_key();
        self.secrets.push(("the ring's key", ring.clone()));
        whole["identity"]["key_ring"] = json!([{"id": "ring", "secret": ring}]);
        let secret = self.secret("the access key's secret");
        whole["access_keys"] = json!([{"id": ROOT, "secret": secret}]);
        toml::to_string(&whole).unwrap()
    }
}

fn webhook(format: &'static str, receiver: &Collector, made: &mut Made) -> Value {
    let names = if format == "ocsf" {
        ("a webhook's token", "a webhook's secret")
    } else {
        ("another's token", "another's secret")
    };
    let url = format!("{}/{}", receiver.url, made.secret(names.0));
    json!({"name": format, "url": url, "format": format, "secret": made.secret(names.1)})
}

fn issuer_of(issuer: &MockIssuer) -> Value {
    json!({"name": "kc", "url": issuer.url(), "audiences": ["zas"], "prefix": "", "allow_http": true,
        "allowed_networks": ["127.0.0.0/8"]})
}

/// The database, by a user with this password.
async fn with_password(database: &TestDatabase, password: &str) -> String {
    let user = format!("canary{}", hex::encode(rand::random::<[u8; 6]>()));
    let create = format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&database.pool().unwrap()).await.unwrap();
    let mut url = url::Url::parse(database.url()).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some(password)).unwrap();
    url.to_string()
}
