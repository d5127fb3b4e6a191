//! A log with records, seals and checkpoints, and somebody who may do anything to the database.

use std::time::Duration;

use time::OffsetDateTime;
use zas_policy::Resource;
use zas_registry::{Options, Registry, Server};

use crate::audit::note::{Signer, generate_key};
use crate::audit::verify::{self, Report};
use crate::audit::{Keeper, Kind, Record, checkpoint};
use crate::config::{Audit, AuditWebhook, Store as StoreConfig};
use crate::index::Index;
use crate::postgres::testing::{self, TestDatabase};
use crate::store::Store;

pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) index: Index,
    pub(super) store: Store,
    pub(super) keeper: Keeper,
    pub(super) signer: Signer,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_webhooks(Vec::new()).await
    }

    /// One whose keeper knows of webhooks; nobody tells them.
    pub(super) async fn with_webhooks(webhooks: Vec<AuditWebhook>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().join("registry"), Options::default()).unwrap();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let config = StoreConfig { url: format!("http://{}", server.local_addr()), ..StoreConfig::default() };
        let store = Store::new(&config).unwrap();
        let key_file = folder.path().join("audit.pem");
        let pem = generate_key().unwrap();
        std::fs::write(&key_file, &pem).unwrap();
        let audit = Audit {
            checkpoint_key_file: Some(key_file),
            checkpoint_interval: Duration::ZERO,
            webhooks,
            ..Audit::default()
        };
        let keeper = Keeper::new(index.clone(), store.clone(), "s3", audit).unwrap();
        let signer = Signer::from_pem(&pem, &checkpoint::origin("s3")).unwrap();
        Self { database, index, store, keeper, signer, _server: server, _folder: folder }
    }

    /// Three checkpoints over six seals of two records each.
    pub(super) async fn with_records() -> Self {
        let world = Self::new().await;
        for round in 0..3 {
            for i in 0..4 {
                world.record(&format!("{round}-{i}")).await;
            }
            world.seal().await;
            world.keeper.checkpoint().await.unwrap();
        }
        world
    }

    pub(super) async fn record(&self, key: &str) -> Record {
        let record =
            Record::new(Kind::Operation).action("s3:PutObject").on(&Resource::object("b", key)).answered(200, None);
        self.index.append_audit(std::slice::from_ref(&record)).await.unwrap();
        record
    }

    pub(super) async fn seal(&self) {
        while self.index.seal_audit(None, 2).await.unwrap() > 0 {}
    }

    /// As a superuser to whom no trigger applies.
    pub(super) async fn tamper(&self, sql: &str) {
        let statement = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
        let pool = self.database.pool().unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }

    pub(super) async fn text(&self, sql: &str) -> String {
        let pool = self.database.pool().unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&pool).await.unwrap()
    }

    pub(super) async fn verify(&self) -> Report {
        let options = verify::Options {
            from: None,
            to: Some(OffsetDateTime::now_utc() + time::Duration::HOUR),
            verifier: Some(self.signer.verifier()),
            store: Some(&self.store),
            prefix: "s3",
        };
        verify::verify(&self.index, &options).await.unwrap()
    }

    /// What verification says first.
    pub(super) async fn first(&self) -> String {
        let report = self.verify().await;
        report.findings.first().map(ToString::to_string).unwrap_or_default()
    }
}
