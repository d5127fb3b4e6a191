//! A whole sidecar for one test: listener, doors and background work, between a database, a registry that counts what reaches it,
//! and an issuer. Requests are sent over sockets.

#![allow(dead_code, reason = "each test that includes this file uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zas_proxy::app::App;
use zas_proxy::config::{AccessKey, Config, RingKey, Secret};
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::index::{Attachment, DocumentKind, NewDocument};
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_proxy::service::Service;
use zas_registry::{Faults, Options, Registry, Server};

use super::ask::{Answer, Ask, Client, PATIENCE, basic};

/// The access key that may do everything.
pub(crate) const ROOT: (&str, &str) = ("AKIA", "0123456789abcdef0123456789abcdef");

/// A sidecar that runs until it is dropped.
pub(crate) struct Sidecar {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<App>,
    pub(crate) database: TestDatabase,
    pub(crate) pool: sqlx::PgPool,
    pub(crate) registry: Faults,
    pub(crate) issuer: MockIssuer,
    pub(crate) client: Client,
    stop: CancellationToken,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Sidecar {
    /// Believes an issuer named `kc` whose people have no prefix; `change` sees the configuration last.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(None, change).await
    }

    /// As [`Self::start`], with TLS and a certificate that `authority`, in PEM, has signed.
    pub(crate) async fn start_with(authority: Option<&str>, change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (database, issuer) = (testing::database().await.unwrap(), MockIssuer::start().await.unwrap());
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let faults = registry.faults().clone();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut config = Config::default();
        config.listen.address = "127.0.0.1:0".to_owned();
        config.database.url = Secret::new(database.url());
        config.store.url = format!("http://{}", server.local_addr());
        config.store.shards = 1;
        let ring = Some(Secret::new(zas_proxy::identity::generate_ring_key()));
        config.identity.key_ring = vec![RingKey { id: "test".into(), secret: ring, secret_file: None }];
        config.identity.issuers = vec![issuer.config("kc", "")];
        let (id, secret) = ROOT;
        config.access_keys =
            vec![AccessKey { id: id.to_owned(), secret: Some(Secret::new(secret)), secret_file: None }];
        change(&mut config);
        let service = Service::start(config).await.unwrap();
        let (address, app, stop) = (service.address(), Arc::clone(service.app()), CancellationToken::new());
        tokio::spawn(service.run(stop.clone()));
        let base = match authority {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let client = Client::new(base, authority);
        let (pool, registry) = (database.pool().unwrap(), faults);
        let sidecar =
            Self { address, app, database, pool, registry, issuer, client, stop, _server: server, _folder: folder };
        wait_until_ready(&sidecar.client).await;
        sidecar
    }

    /// Starts another replica on the same database and registry; what its configuration has otherwise, `change` says.
    pub(crate) async fn replica(&self, change: impl FnOnce(&mut Config)) -> Replica {
        let mut config = self.app.config.clone();
        change(&mut config);
        let service = Service::start(config).await.unwrap();
        let (client, stop) = (Client::new(format!("http://{}", service.address()), None), CancellationToken::new());
        let task = tokio::spawn(service.run(stop.clone()));
        let replica = Replica { client, stop, task };
        wait_until_ready(&replica.client).await;
        replica
    }

    /// Sends a request, with an `Authorization` header where one is given.
    pub(crate) async fn send(&self, ask: &Ask, authorization: Option<&str>) -> Answer {
        self.client.send(ask, authorization).await
    }

    /// As root, where Basic authentication is taken.
    pub(crate) async fn as_root(&self, ask: &Ask) -> Answer {
        self.send(ask, Some(&basic(ROOT.0, ROOT.1))).await
    }

    /// A token for somebody of these groups.
    pub(crate) fn token(&self, user: &str, groups: &[&str]) -> String {
        self.issuer.token(user, &json!({ "groups": groups })).unwrap()
    }

    /// Puts a policy and attaches it to a group; [`Self::refresh`] makes it hold.
    pub(crate) async fn attach(&self, name: &str, document: &Value, group: &str) {
        let document = document.to_string();
        self.document(DocumentKind::Policy, name, &document).await;
        let attachment = Attachment { policy: name.into(), target_kind: "group".into(), target: group.into() };
        self.app.index.attach_policy(&attachment, "test", &[]).await.unwrap();
    }

    /// Puts a role with a trust policy of these statements.
    pub(crate) async fn role(&self, name: &str, trust: &Value) {
        let document = json!({"Version": "2012-10-17", "Statement": trust}).to_string();
        self.document(DocumentKind::Role, name, &document).await;
    }

    async fn document(&self, kind: DocumentKind, name: &str, document: &str) {
        let new = NewDocument {
            kind,
            name,
            document,
            description: "",
            max_session: (kind == DocumentKind::Role).then_some(3600),
            expected: None,
            by: "test",
            audit: &[],
        };
        self.app.index.put_policy_document(new).await.unwrap();
    }

    /// Decides by what was put.
    pub(crate) async fn refresh(&self) {
        self.app.authority.policies().refresh(&self.app.index).await.unwrap();
    }

    /// The records of a request.
    pub(crate) async fn records(&self, request_id: &str) -> Vec<Value> {
        let query = "SELECT record FROM audit_event WHERE request_id = $1 ORDER BY time, id";
        let texts: Vec<String> = sqlx::query_scalar(query).bind(request_id).fetch_all(&self.pool).await.unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }
}

/// Another process, as far as the database can tell.
pub(crate) struct Replica {
    pub(crate) client: Client,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    /// Drains it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

async fn wait_until_ready(client: &Client) {
    let ready = async {
        while client.send(&Ask::get("/-/readyz"), None).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
