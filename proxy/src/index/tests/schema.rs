//! The schema: brought up to date by one of many, and compared with what this program was made for.

use super::*;
use crate::error::Result;

#[tokio::test]
async fn replicas_that_start_together_migrate_once() {
    let database = testing::empty_database().await.unwrap();
    let indexes: Vec<Index> = (0..4).map(|_| database.index().unwrap()).collect();
    for migrated in futures::future::join_all(indexes.iter().map(migrate)).await {
        migrated.unwrap();
    }
    let index = &indexes[0];
    migrate(index).await.unwrap();
    index.create_bucket(new_bucket("b")).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_words() {
    let world = World::new().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'future', true, '', 0)",
    )
    .execute(&world.database.pool().unwrap())
    .await
    .unwrap();
    let error = migrate(&world.index).await.unwrap_err();
    assert!(error.for_log().contains("newer version"), "{}", error.for_log());
}

/// A database with the schema, changed by `statement`, and what is said of it.
async fn checked_after(statement: &'static str) -> Result<Vec<i64>> {
    let database = testing::database().await.unwrap();
    sqlx::raw_sql(statement).execute(&database.pool().unwrap()).await.unwrap();
    check_schema(&database.index().unwrap()).await
}

fn assert_not_ready(checked: Result<Vec<i64>>, parts: &[&str]) {
    let error = checked.unwrap_err();
    assert_eq!(error.code(), Code::IndexUnavailable);
    let text = error.for_log();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_named_by_every_version_until_it_is() {
    let database = testing::empty_database().await.unwrap();
    let index = database.index().unwrap();
    assert_not_ready(check_schema(&index).await, &["missing 1, 2, 3, 4", "run `zas-proxy migrate`"]);
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&database.pool().unwrap()).await.unwrap();
    assert_eq!(tables, 0, "the check has changed the database");
    migrate(&index).await.unwrap();
    assert_eq!(check_schema(&index).await.unwrap(), [0_i64; 0]);
}

#[tokio::test]
async fn one_missing_migration_is_named() {
    let checked = checked_after("DELETE FROM _sqlx_migrations WHERE version = 4").await;
    assert!(!checked.as_ref().unwrap_err().for_log().contains("3, 4"));
    assert_not_ready(checked, &["missing 4", "run `zas-proxy migrate`"]);
}

#[tokio::test]
async fn a_failed_migration_is_named() {
    let checked = checked_after("UPDATE _sqlx_migrations SET success = false WHERE version IN (2, 3)").await;
    assert_not_ready(checked, &["failed 2, 3", "`zas-proxy migrate`"]);
}

#[tokio::test]
async fn a_migration_with_another_text_is_named() {
    let checked = checked_after(r"UPDATE _sqlx_migrations SET checksum = '\x00' WHERE version = 2").await;
    assert_not_ready(checked, &["another text 2", "`zas-proxy migrate`"]);
}

#[tokio::test]
async fn a_newer_migration_is_told_and_no_hindrance() {
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9998, 'future', true, '', 0), (9999, 'future', false, '', 0)";
    assert_eq!(checked_after(newer).await.unwrap(), [9998, 9999]);
}

#[tokio::test]
async fn a_migration_between_ours_that_we_do_not_know_is_a_hindrance() {
    let stray = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (0, 'stray', true, '', 0)";
    assert_not_ready(checked_after(stray).await, &["unknown 0"]);
}

#[tokio::test]
async fn a_postgres_that_is_down_is_no_missing_migration() {
    let url = config::Secret::new("postgres://zas:secret@127.0.0.1:1/zas");
    let config = config::Database { url, acquire_timeout: Duration::from_secs(1), ..config::Database::default() };
    let error = check_schema(&Index::open(&config).unwrap()).await.unwrap_err();
    assert!(!error.for_log().contains("missing"), "{}", error.for_log());
}
