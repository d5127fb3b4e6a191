//! Days that are past their retention.

use time::{Duration, OffsetDateTime};

use super::world::World;

/// Moves everything that is there `days` back, partitions included, as if it had been written then.
async fn age(world: &World, days: i64) {
    let sql = format!(
        "SELECT audit_prepare_day((now() AT TIME ZONE 'UTC')::date - {days});
         ALTER TABLE audit_seal DISABLE TRIGGER ALL;
         UPDATE audit_seal SET sealed_at = sealed_at - interval '{days} days'"
    );
    world.tamper(&sql).await;
}

#[tokio::test]
async fn a_day_that_is_over_leaves_a_tombstone_and_the_log_stays_in_order() {
    let world = World::new().await;
    let old = OffsetDateTime::now_utc() - Duration::days(500);
    world.index.prepare_audit_day(old.date()).await.unwrap();
    for i in 0..3 {
        let text = world.record(&format!("{i}")).await.canonical(world.index.writer());
        let day = OffsetDateTime::now_utc().date().to_string();
        let moved = text.replace(&day, &old.date().to_string());
        let id = world.text("SELECT id::text FROM audit_unsealed ORDER BY time DESC LIMIT 1").await;
        world
            .tamper(&format!("DELETE FROM audit_event WHERE id = '{id}'; DELETE FROM audit_unsealed WHERE id = '{id}'"))
            .await;
        world.tamper(&format!("SELECT audit_append(ARRAY['{moved}'])")).await;
    }
    world.seal().await;
    age(&world, 500).await;
    world.record("today").await;
    world.seal().await;
    world.keeper.checkpoint().await.unwrap();
    assert_eq!(world.verify().await.findings, []);

    assert_eq!(world.keeper.retire(OffsetDateTime::now_utc()).await.unwrap(), 1);
    world.seal().await;
    world.keeper.checkpoint().await.unwrap();
    let report = world.verify().await;
    assert_eq!(report.findings, []);
    assert_eq!((report.retired_days, report.records), (1, 2), "today's record and the tombstone");
    assert_eq!(world.keeper.retire(OffsetDateTime::now_utc()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_tombstone_that_nobody_recorded_does_not_excuse_what_is_missing() {
    let world = World::with_records().await;
    let day = world.text("SELECT tableoid::regclass::text FROM audit_event ORDER BY time LIMIT 1").await;
    let forge = format!(
        "DROP TABLE {day}; INSERT INTO audit_tombstone VALUES ((now() AT TIME ZONE 'UTC')::date, now() + interval '1 day', gen_random_uuid(), '[]')"
    );
    world.tamper(&forge).await;
    let first = world.first().await;
    assert!(first.contains("said to be retired, and no record says so"), "{first}");
}

#[tokio::test]
async fn a_day_that_is_not_over_cannot_be_retired() {
    let world = World::with_records().await;
    let today = OffsetDateTime::now_utc().date();
    let tombstone = crate::audit::Record::new(crate::audit::Kind::Tombstone).reference(&today.to_string());
    world.index.retire_audit_day(today, &tombstone, "[]").await.unwrap_err();
    assert_eq!(world.verify().await.findings, []);
}
