//! Buckets that were there before anything was counted.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use sqlx::PgPool;

use super::*;
use crate::index::schema::MIGRATIONS;

/// The last schema without quotas.
const BEFORE: i64 = 10;

/// SQLSTATEs of a call whose function is not there, or has gone while it was called.
const UNDEFINED_FUNCTION: [&str; 2] = ["42883", "XX000"];

async fn run(pool: &PgPool, statement: &str) -> std::result::Result<(), sqlx::Error> {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(pool).await.map(drop)
}

fn commit(key: &str, size: u64) -> String {
    format!(
        "SELECT commit_object('b', '{key}', {size}, 'e', NULL, NULL, NULL, '{{}}', '{{}}', '{{}}', 'STANDARD', 'o', false, NULL, 0)"
    )
}

fn part(upload: usize, number: usize, size: u64) -> String {
    format!(
        "SELECT put_part('b', 'u', 'u{upload}', {number}, {size}, 'e', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', NULL, 0)"
    )
}

/// A database of the old schema with the bucket `b`, in it an object of 10 bytes and the uploads `u0` to `u7` with a part of 1 byte each.
async fn old_world() -> (World, PgPool) {
    let database = testing::empty_database().await.unwrap();
    let pool = database.pool().unwrap();
    MIGRATIONS.run_to(BEFORE, &pool).await.unwrap();
    run(&pool, "SELECT create_bucket('b', 'r', 'o', 'main', 's3', 4)").await.unwrap();
    run(&pool, &commit("k", 10)).await.unwrap();
    for i in 0..8 {
        let begin = format!("SELECT create_upload('u{i}', 'b', 'u', NULL, NULL, '{{}}', '{{}}', 'STANDARD', 'o')");
        run(&pool, &begin).await.unwrap();
        run(&pool, &part(i, 1, 1)).await.unwrap();
    }
    (World { index: database.index().unwrap(), none: BTreeMap::new(), database }, pool)
}

#[tokio::test]
async fn what_they_hold_is_counted_when_the_schema_is_brought_up_to_date() {
    let (world, pool) = old_world().await;
    migrate(&world.index).await.unwrap();
    assert_eq!((world.usage().await, world.counted_wrong().await), ((18, 1), 0));
    // A program of before goes on counting: it calls the same functions.
    run(&pool, &commit("l", 5)).await.unwrap();
    run(&pool, "SELECT create_bucket('late', 'r', 'o', 'main', 's3', 4)").await.unwrap();
    put(&world.index, "late", "k", 3).await.unwrap();
    assert_eq!((world.usage().await, usage(&world.index, "late").await), ((23, 2), (3, 1)));
}

#[tokio::test]
async fn a_call_that_has_begun_is_waited_for_and_counted() {
    for statement in [commit("l", 5), part(1, 2, 5), "SELECT delete_objects('b', ARRAY['k'], 0)".to_owned()] {
        let (world, pool) = old_world().await;
        let mut call = pool.begin().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *call).await.unwrap();
        let mut migrated = std::pin::pin!(migrate(&world.index));
        let waiting = tokio::time::timeout(Duration::from_millis(300), &mut migrated).await;
        assert!(waiting.is_err(), "it did not wait");
        call.commit().await.unwrap();
        migrated.await.unwrap();
        assert_eq!(world.counted_wrong().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_that_is_under_way_meanwhile_ends_uncounted() {
    for _ in 0..4 {
        let (world, pool) = old_world().await;
        let done = AtomicBool::new(false);
        let writer = async |turn: usize| {
            let mut failed = 0;
            for step in 0.. {
                let key = format!("k{}", (turn + step) % 5);
                let statement = match (turn + step) % 4 {
                    0 => commit(&key, step as u64),
                    1 => part(turn, 1 + step % 3, step as u64),
                    2 => format!("SELECT delete_objects('b', ARRAY['{key}'], 0)"),
                    _ => commit(&format!("{turn}/{step}"), 1),
                };
                match run(&pool, &statement).await {
                    Ok(()) => {}
                    Err(sqlx::Error::Database(error))
                        if error.code().is_some_and(|code| UNDEFINED_FUNCTION.contains(&&*code)) =>
                    {
                        failed += 1;
                    }
                    // Programs try again what another one was in the way of.
                    Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01") => {}
                    Err(error) => panic!("{error}"),
                }
                if done.load(Ordering::Relaxed) {
                    return failed;
                }
            }
            failed
        };
        let migrated = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            migrate(&world.index).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            done.store(true, Ordering::Relaxed);
        };
        let (failed, ()) = tokio::join!(join_all((0..8).map(writer)), migrated);
        // Two for each writer at the most: the calls that a change of the schema has met, for two of them take functions away.
        assert!(failed.iter().all(|failed| *failed <= 2), "{failed:?}");
        assert_eq!(world.counted_wrong().await, 0);
    }
}
