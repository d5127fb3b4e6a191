//! The schema: brought up to date, or compared with what this program was made for.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use super::Index;
use super::failure::Failure;
use crate::error::{Code, Error, Result};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// SQLSTATE of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// SQLSTATE of a transaction that waits for another one that waits for it.
const DEADLOCK: &str = "40P01";

/// How often a migration is begun that others were in the way of.
const ATTEMPTS: u32 = 10;

/// The pause before it is begun again.
const PAUSE: Duration = Duration::from_millis(50);

/// Gives the service's role what it lacks (migration 0022): after every migration, so that none need think of it.
const GRANT: &str = "SELECT grant_service_role()";

/// Brings the schema up to date, under an advisory lock so that replicas that start together do not collide.
/// # Errors
/// `IndexUnavailable`, or a fault of a migration.
pub async fn migrate(index: &Index) -> Result<()> {
    // Not given back: a migration may take longer than a request, so that the connection is not fit for requests afterwards.
    let mut loan = index.pool.acquire().await.map_err(Failure::from)?;
    let connection = loan.connection().map_err(Failure::from)?;
    sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await.map_err(Failure::from)?;
    let mut attempt = 1;
    while let Err(error) = MIGRATIONS.run_direct(None, &mut *connection, false).await {
        // Programs of before go on meanwhile. What is in the way of a migration has undone all of it.
        if !is_deadlock(&error) || attempt == ATTEMPTS {
            return Err(migration_error(error));
        }
        tokio::time::sleep(PAUSE * attempt).await;
        attempt += 1;
    }
    let granted: i32 = sqlx::query_scalar(GRANT).fetch_one(connection).await.map_err(Failure::from)?;
    if granted > 0 {
        tracing::info!(granted, "the role zas_service was given rights that it lacked");
    }
    Ok(())
}

fn is_deadlock(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(DEADLOCK))
        }
        _ => false,
    }
}

fn migration_error(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => Failure::from(error).into(),
        MigrateError::VersionMissing(version) => {
            Error::new(Code::InternalError, "the database was brought up to date by a newer version of this program")
                .detail(format!("it has migration {version}, which this version does not know"))
        }
        MigrateError::VersionMismatch(version) => Error::internal(format!(
            "migration {version} stands in the database with another text than in this program; was it made by an unreleased version?"
        )),
        error => Error::internal("the database could not be brought up to date").source(error),
    }
}

/// Whether the schema is the one that this program was made for; changes nothing.
///
/// Gives the migrations that are newer than all that this program knows: a rolling update runs the old program on the new
/// schema for a while, so that they are no error.
/// # Errors
/// `IndexUnavailable`, with the versions that are missing, failed, different or unknown in the text for the log; or
/// Postgres does not answer.
pub async fn check_schema(index: &Index) -> Result<Vec<i64>> {
    let mut applied = applied(index).await?;
    let (mut missing, mut failed, mut different) = (Vec::new(), Vec::new(), Vec::new());
    let known = MIGRATIONS.iter().filter(|migration| !migration.migration_type.is_down_migration());
    let mut latest = 0;
    for migration in known {
        latest = latest.max(migration.version);
        match applied.remove(&migration.version) {
            None => missing.push(migration.version),
            Some(row) if !row.success => failed.push(migration.version),
            Some(row) if row.checksum != *migration.checksum => different.push(migration.version),
            Some(_) => {}
        }
    }
    let (newer, unknown): (Vec<i64>, Vec<i64>) = applied.into_keys().partition(|version| *version > latest);
    let findings = [
        ("missing", missing, "run `zas-proxy migrate`"),
        ("failed", failed, "undo what is left of it, delete its row of _sqlx_migrations, and run `zas-proxy migrate`"),
        ("with another text", different, "`zas-proxy migrate` cannot mend it; was it made by an unreleased version?"),
        ("unknown", unknown, "`zas-proxy migrate` cannot mend it; was it made by an unreleased version?"),
    ];
    let findings: Vec<String> =
        findings.into_iter().filter(|(_, versions, _)| !versions.is_empty()).map(in_words).collect();
    if findings.is_empty() {
        return Ok(newer);
    }
    let error = Error::new(Code::IndexUnavailable, "the schema of the database is not the one of this program");
    Err(error.detail(findings.join("; ")))
}

/// A migration as the database remembers it.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

/// By version; none where there never was a migration.
async fn applied(index: &Index) -> Result<BTreeMap<i64, Applied>> {
    let rows = index.fetch_all(|| sqlx::query_as("SELECT version, success, checksum FROM _sqlx_migrations")).await;
    match rows {
        Ok(rows) => Ok(rows.into_iter().map(|row: Applied| (row.version, row)).collect()),
        Err(failure) if failure.sqlstate() == Some(UNDEFINED_TABLE) => Ok(BTreeMap::new()),
        Err(failure) => Err(failure.into()),
    }
}

fn in_words((what, versions, remedy): (&str, Vec<i64>, &str)) -> String {
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    format!("migrations {what} {}: {remedy}", versions.join(", "))
}
