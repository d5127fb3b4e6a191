//! A clock that is wrong: records tell its time, and their order does not hang on it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::world::World;

/// Writes a record as a process would whose clock is off by so many minutes.
async fn record_at(world: &World, key: &str, minutes: i64) {
    let template = world.record(key).await;
    let text = world.text(&format!("SELECT record FROM audit_event WHERE id = '{}'", template.id())).await;
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let at =
        OffsetDateTime::parse(record["time"].as_str().unwrap(), &Rfc3339).unwrap() + time::Duration::minutes(minutes);
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    record["time"] = at.format(format).unwrap().into();
    record["id"] = uuid::Uuid::new_v4().to_string().into();
    // serde_json's own map is sorted, as the canonical form is.
    let append = format!("SELECT audit_append(ARRAY[$record${record}$record$])::text");
    assert_eq!(world.text(&append).await, "1");
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_forward_leaves_the_log_in_order() {
    let world = World::with_records().await;
    for minutes in [10, 0, -10, 10, -10] {
        record_at(&world, &format!("at {minutes}"), minutes).await;
        world.seal().await;
        world.keeper.checkpoint().await.unwrap();
    }
    let report = world.verify().await;
    assert_eq!(report.findings, []);
    // Seals are numbered without a gap, whatever time it was.
    let numbers = "SELECT string_agg(number::text, ',' ORDER BY sealed_at, number) FROM audit_seal";
    let numbers = world.text(numbers).await;
    let wanted: Vec<String> = (1..=numbers.split(',').count()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, wanted.join(","));
}
