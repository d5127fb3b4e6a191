//! A database that takes no changes: a standby, or a disk that is full.

use std::time::Duration;

use zas_proxy::postgres::testing;

use super::ask::{Ask, PATIENCE};
use super::sidecar::Sidecar;

const BUCKETS: &str = "/-/api/v1/buckets";

fn bucket(name: &str) -> Ask {
    Ask::post(BUCKETS).json(&serde_json::json!({ "name": name }))
}

/// Lets new transactions write, or not; open connections are closed, so that all are new.
async fn let_write(sidecar: &Sidecar, may: bool) {
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&sidecar.pool).await.unwrap();
    let elsewhere = testing::server().await.unwrap().url("postgres");
    let pool = sqlx::PgPool::connect(&elsewhere).await.unwrap();
    let setting = if may { "off" } else { "on" };
    for statement in [
        format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = {setting}"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_takes_no_changes_none_is_done_and_afterwards_the_record_has_no_gap() {
    let sidecar = Sidecar::start(|_| {}).await;
    sidecar.as_root(&bucket("before")).await.expect(201);
    let_write(&sidecar, false).await;
    let before = sidecar.registry.total_requests();
    for _ in 0..3 {
        let answer = sidecar.as_root(&bucket("meanwhile")).await.expect(503);
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    // What is to be forwarded is not forwarded without its intent on record.
    let push = sidecar.as_root(&Ask::post("/v2/team/app/blobs/uploads/")).await;
    assert_eq!((push.status, sidecar.registry.total_requests()), (503, before), "{push:?}");
    // Reads go on; their records wait.
    let read = async {
        while sidecar.as_root(&Ask::get(format!("{BUCKETS}/before"))).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("reads are served");
    let_write(&sidecar, true).await;
    let again = async {
        while sidecar.as_root(&bucket("meanwhile")).await.status != 201 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("changes are done again");
    let made = "SELECT count(*) FROM audit_event WHERE resource = 'meanwhile' AND action = 's3:CreateBucket' AND kind = 'operation'";
    assert_eq!(sqlx::query_scalar::<_, i64>(made).fetch_one(&sidecar.pool).await.unwrap(), 1, "one change, one record");
    assert_eq!(sidecar.app.journal.lost(), 0);
    let gaps = "SELECT count(*) FROM audit_event WHERE kind = 'gap'";
    assert_eq!(sqlx::query_scalar::<_, i64>(gaps).fetch_one(&sidecar.pool).await.unwrap(), 0);
}
