//! Databases for tests: one private Postgres a test process, started by the first test that asks, gone with the process;
//! each test gets a database of its own, cloned from a template that has the schema.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use super::{Options, PostgresError, Server, quoted};
use crate::config::{Database, Secret};
use crate::index::{Index, migrate};

const TEMPLATE: &str = "zas_template";

static SERVER: OnceCell<Server> = OnceCell::const_new();
static TEMPLATE_READY: OnceCell<()> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database of its own for one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new pool of connections to it, opened lazily.
    /// # Errors
    /// The URL cannot be read.
    pub fn pool(&self) -> Result<PgPool, PostgresError> {
        PgPoolOptions::new().max_connections(16).connect_lazy(&self.url).map_err(PostgresError::Statement)
    }

    /// An index on it, with a pool of its own.
    /// # Errors
    /// The URL cannot be read.
    pub fn index(&self) -> Result<Index, PostgresError> {
        let config = Database { url: Secret::new(self.url.clone()), ..Database::default() };
        Index::open(&config).map_err(|error| PostgresError::Prepare(error.for_log()))
    }
}

/// The Postgres that the tests of this process share.
/// # Errors
/// As [`Server::start`].
pub async fn server() -> Result<&'static Server, PostgresError> {
    SERVER
        .get_or_try_init(|| async {
            let name = format!("zas-test-postgres-{}", hex::encode(rand::random::<[u8; 8]>()));
            let options = Options {
                fsync: false,
                max_connections: 300,
                shared_buffers: "64MB".to_owned(),
                remove_at_end: true,
                ..Options::default()
            };
            Server::start(&std::env::temp_dir().join(name), options).await
        })
        .await
}

/// A database with the schema and nothing in it.
/// # Errors
/// As [`Server::start`], or a migration failed.
pub async fn database() -> Result<TestDatabase, PostgresError> {
    let server = server().await?;
    TEMPLATE_READY
        .get_or_try_init(|| async {
            server.create_database(TEMPLATE).await?;
            let index = TestDatabase { url: server.url(TEMPLATE) }.index()?;
            let migrated = migrate(&index).await.map_err(|error| PostgresError::Prepare(error.for_log()));
            // Postgres clones only what nobody is connected to.
            index.close();
            migrated
        })
        .await?;
    create(server, Some(TEMPLATE)).await
}

/// A database with nothing in it at all.
/// # Errors
/// As [`Server::start`].
pub async fn empty_database() -> Result<TestDatabase, PostgresError> {
    create(server().await?, None).await
}

async fn create(server: &Server, template: Option<&str>) -> Result<TestDatabase, PostgresError> {
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let template = template.map(|template| format!(" TEMPLATE {}", quoted(template))).unwrap_or_default();
    server.execute("postgres", &format!("CREATE DATABASE {}{template}", quoted(&name))).await?;
    Ok(TestDatabase { url: server.url(&name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_test_has_a_database_of_its_own() {
        let (one, two) = (empty_database().await.unwrap(), empty_database().await.unwrap());
        sqlx::query("CREATE TABLE mine (a int)").execute(&one.pool().unwrap()).await.unwrap();
        let seen: Option<String> =
            sqlx::query_scalar("SELECT to_regclass('mine')::text").fetch_one(&two.pool().unwrap()).await.unwrap();
        assert_eq!(seen, None);
    }
}
