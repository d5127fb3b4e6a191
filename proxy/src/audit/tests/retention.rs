//! Days that are past their retention.

use time::{Date, Duration, OffsetDateTime};

use super::world::World;
use crate::audit::{Kind, Record};
use crate::digest::Digest;

/// Moves everything that is there `days` back, partitions included, as if it had been written then.
pub(super) async fn age(world: &World, days: i64) {
    let sql = format!(
        "SELECT audit_prepare_day((now() AT TIME ZONE 'UTC')::date - {days});
         ALTER TABLE audit_seal DISABLE TRIGGER ALL;
         UPDATE audit_seal SET sealed_at = sealed_at - interval '{days} days'"
    );
    world.tamper(&sql).await;
}

/// A record as it would have been written on another day.
async fn record_on(world: &World, day: Date, key: &str) {
    let record = world.record(key).await;
    let id = record.id();
    let text = record.canonical(world.index.writer());
    let moved = text.replace(&record.time().date().to_string(), &day.to_string());
    let sql = format!(
        "DELETE FROM audit_event WHERE id = '{id}';
         DELETE FROM audit_unsealed WHERE id = '{id}';
         SELECT audit_append(ARRAY['{moved}'])"
    );
    world.tamper(&sql).await;
}

#[tokio::test]
async fn a_day_that_is_over_leaves_a_tombstone_and_the_log_stays_in_order() {
    let world = World::new().await;
    let old = OffsetDateTime::now_utc() - Duration::days(500);
    world.index.prepare_audit_day(old.date()).await.unwrap();
    for i in 0..3 {
        record_on(&world, old.date(), &format!("{i}")).await;
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
async fn what_came_before_its_day_had_a_partition_is_retired_and_so_is_what_comes_after_that() {
    let world = World::with_records().await;
    let old = OffsetDateTime::now_utc().date() - Duration::days(500);
    for i in 0..2 {
        record_on(&world, old, &format!("late-{i}")).await;
        world.seal().await;
        assert_eq!(world.verify().await.findings, [], "round {i}");
        world.keeper.prepare_days().await.unwrap();
        assert_eq!(world.keeper.retire(OffsetDateTime::now_utc()).await.unwrap(), 1, "round {i}");
        world.seal().await;
        let report = world.verify().await;
        assert_eq!((report.findings, report.retired_days), (Vec::new(), 1), "round {i}");
        assert_eq!(world.text("SELECT count(*)::text FROM audit_event WHERE record LIKE '%late%'").await, "0");
    }
}

#[tokio::test]
async fn what_is_put_in_on_a_day_that_was_retired_is_named() {
    let world = World::with_records().await;
    retire_with(&world, "[]").await;
    world.seal().await;
    let day = OffsetDateTime::now_utc().date() - Duration::days(2);
    record_on(&world, day, "forged").await;
    world.tamper("DELETE FROM audit_unsealed").await;
    let said = said(&world).await;
    assert!(said.contains(&format!("a record of {day} is in no seal")), "{said}");
}

/// What verification says, all of it.
async fn said(world: &World) -> String {
    world.verify().await.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Drops the partition of the oldest record.
async fn drop_day(world: &World) {
    let day = world.text("SELECT tableoid::regclass::text FROM audit_event ORDER BY time LIMIT 1").await;
    world.tamper(&format!("DROP TABLE {day}")).await;
}

/// Where the chain stands at a seal, as tombstones write it.
async fn head(world: &World, number: i64) -> String {
    let hash = world.text(&format!("SELECT encode(hash, 'hex') FROM audit_seal WHERE number = {number}")).await;
    format!(r#"{{"writer":"{}","number":{number},"hash":"{hash}"}}"#, world.index.writer())
}

/// Retires the day before yesterday, with a record, as of these heads.
async fn retire_with(world: &World, heads: &str) {
    let day = OffsetDateTime::now_utc().date() - Duration::days(2);
    let tombstone = Record::new(Kind::Tombstone).reference(&day.to_string()).digest(Digest::of(heads.as_bytes()));
    assert!(world.index.retire_audit_day(day, &tombstone, heads, &[]).await.unwrap());
}

#[tokio::test]
async fn a_tombstone_that_nobody_recorded_does_not_excuse_what_is_missing() {
    for (day, time) in [
        ("(now() AT TIME ZONE 'UTC')::date", "now() + interval '1 day'"),
        ("(now() AT TIME ZONE 'UTC')::date", "'2000-01-01 00:00+00'"),
        ("'2100-01-01'", "'2000-01-01 00:00+00'"),
        ("'2100-01-01'", "'2100-01-02 00:00+00'"),
    ] {
        let world = World::with_records().await;
        drop_day(&world).await;
        world.tamper(&format!("INSERT INTO audit_tombstone VALUES ({day}, {time}, gen_random_uuid(), '[]')")).await;
        let said = said(&world).await;
        assert!(said.contains("is said to be retired"), "{day} {time}: {said}");
        assert!(said.contains("a record was deleted"), "{day} {time}: {said}");
    }
}

#[tokio::test]
async fn a_tombstone_that_nobody_recorded_does_not_hide_what_was_put_in() {
    let world = World::with_records().await;
    let forged = world.record("forged").await.id().to_string();
    world
        .tamper(&format!(
            "DELETE FROM audit_unsealed WHERE id = '{forged}';
             INSERT INTO audit_tombstone VALUES ('2100-01-01', '2000-01-01 00:00+00', gen_random_uuid(), '[]')"
        ))
        .await;
    let said = said(&world).await;
    assert!(said.contains("is in no seal") && said.contains(&forged), "{said}");
}

#[tokio::test]
async fn a_tombstone_is_named_until_a_seal_covers_its_record() {
    let world = World::with_records().await;
    retire_with(&world, "[]").await;
    let unsealed = said(&world).await;
    assert!(unsealed.contains("by a record that no seal covers"), "{unsealed}");
    world.seal().await;
    assert_eq!(world.verify().await.findings, []);
}

#[tokio::test]
async fn a_tombstone_does_not_let_a_chain_begin_later_than_it_stood_when_the_day_was_over() {
    for (number, named, why) in [
        (4, 4, "names seal 2, which is before seal 4"),
        (6, 99, "nobody else names seal 99"),
        (4, 2, "seal 2 is not the one that checkpoint 1"),
    ] {
        let world = World::with_records().await;
        let head = head(&world, number).await.replace(&format!("\"number\":{number}"), &format!("\"number\":{named}"));
        retire_with(&world, &format!("[{head}]")).await;
        world.tamper("DELETE FROM audit_seal WHERE number <= 4").await;
        world.seal().await;
        let said = said(&world).await;
        assert!(said.contains(why) && said.contains("a seal is missing"), "{why}: {said}");
    }
}

#[tokio::test]
async fn a_day_that_is_not_over_cannot_be_retired() {
    let world = World::with_records().await;
    let today = OffsetDateTime::now_utc().date();
    let tombstone = Record::new(Kind::Tombstone).reference(&today.to_string());
    world.index.retire_audit_day(today, &tombstone, "[]", &[]).await.unwrap_err();
    assert_eq!(world.verify().await.findings, []);
}
