//! Somebody who owns the database changes what is on record; verification must name the first thing that is wrong.

use super::world::World;
use crate::audit::verify;

/// The record of this key.
async fn id(world: &World, key: &str) -> String {
    world.text(&format!("SELECT id::text FROM audit_event WHERE record::json->>'reference' = '{key}'")).await
}

#[track_caller]
fn assert_says(found: &str, parts: &[&str]) {
    for part in parts {
        assert!(found.contains(part), "{part:?} is not in {found:?}");
    }
}

#[tokio::test]
async fn an_untouched_log_is_in_order() {
    let world = World::with_records().await;
    world.record("not sealed yet").await;
    let report = world.verify().await;
    assert_eq!(report.findings, []);
    assert_eq!((report.records, report.seals, report.writers), (12, 6, 1));
    assert_eq!((report.checkpoints, report.published), (3, 3));
}

#[tokio::test]
async fn of_a_chain_that_ended_before_the_range_only_the_end_must_be_there() {
    let world = World::with_records().await;
    let from = time::OffsetDateTime::now_utc() + time::Duration::DAY;
    let options = verify::Options { from: Some(from), to: Some(from), verifier: None, store: None, prefix: "s3" };
    assert_eq!(verify::verify(&world.index, &options).await.unwrap().findings, []);
    world.tamper("DELETE FROM audit_seal WHERE number = 6").await;
    let report = verify::verify(&world.index, &options).await.unwrap();
    assert_says(&report.findings[0].to_string(), &["cut off", "seal 6"]);
}

#[tokio::test]
async fn an_edited_record_is_named() {
    let world = World::with_records().await;
    let bad = id(&world, "1-2").await;
    world
        .tamper("UPDATE audit_event SET record = replace(record, '\"1-2\"', '\"x\"') WHERE record LIKE '%\"1-2\"%'")
        .await;
    assert_says(&world.first().await, &["a record was changed", &bad, "seal 4"]);
}

#[tokio::test]
async fn an_edited_column_is_named() {
    for change in ["status = 404", "principal = 'somebody else'", "resource = NULL", "kind = 'denial'", "action = 'x'"]
    {
        let world = World::with_records().await;
        let bad = id(&world, "0-1").await;
        world.tamper(&format!("UPDATE audit_event SET {change} WHERE id = '{bad}'")).await;
        assert_says(&world.first().await, &["a record's columns were changed", &bad, "seal 1"]);
    }
}

#[tokio::test]
async fn a_deleted_record_is_named() {
    let world = World::with_records().await;
    let bad = id(&world, "2-3").await;
    world.tamper(&format!("DELETE FROM audit_event WHERE id = '{bad}'")).await;
    assert_says(&world.first().await, &["a record was deleted", &bad, "seal 6"]);
}

#[tokio::test]
async fn a_record_that_was_deleted_before_it_was_sealed_is_named() {
    let world = World::with_records().await;
    let bad = world.record("gone").await.id().to_string();
    world.tamper(&format!("DELETE FROM audit_event WHERE id = '{bad}'")).await;
    world.seal().await;
    assert_says(&world.first().await, &["a record was deleted", &bad]);
}

#[tokio::test]
async fn two_records_that_changed_places_are_named() {
    let world = World::with_records().await;
    let (one, other) = (id(&world, "0-0").await, id(&world, "0-3").await);
    let swap = format!(
        "UPDATE audit_event AS a SET record = b.record FROM audit_event AS b
         WHERE a.id IN ('{one}', '{other}') AND b.id IN ('{one}', '{other}') AND a.id <> b.id"
    );
    world.tamper(&swap).await;
    assert_says(&world.first().await, &["a record was changed", &one, "seal 1"]);
}

#[tokio::test]
async fn a_record_that_was_put_in_is_named() {
    let world = World::with_records().await;
    let forged = world.record("forged").await.id().to_string();
    world.tamper(&format!("DELETE FROM audit_unsealed WHERE id = '{forged}'")).await;
    assert_says(&world.first().await, &["is in no seal", &forged]);
}

#[tokio::test]
async fn a_dropped_partition_is_named_by_its_first_record() {
    let world = World::with_records().await;
    let bad = id(&world, "0-0").await;
    let day = world.text("SELECT tableoid::regclass::text FROM audit_event ORDER BY time LIMIT 1").await;
    world.tamper(&format!("DROP TABLE {day}")).await;
    assert_says(&world.first().await, &["a record was deleted", &bad, "seal 1"]);
}

#[tokio::test]
async fn a_deleted_seal_is_named() {
    let world = World::with_records().await;
    world.tamper("DELETE FROM audit_seal WHERE number = 3").await;
    assert_says(&world.first().await, &["a seal is missing", "seal 3"]);
}

#[tokio::test]
async fn a_changed_seal_is_named() {
    let world = World::with_records().await;
    world.tamper("UPDATE audit_seal SET ids = ARRAY[ids[2], ids[1]] WHERE number = 3").await;
    assert_says(&world.first().await, &["a seal was changed", "seal 3"]);
}

#[tokio::test]
async fn a_chain_that_was_cut_off_is_named_even_where_its_head_was_set_back() {
    let world = World::with_records().await;
    world.tamper("DELETE FROM audit_seal WHERE number > 4").await;
    assert_says(&world.first().await, &["cut off", "seal 5"]);
    let back = "UPDATE audit_writer SET number = 4, hash = (SELECT hash FROM audit_seal WHERE number = 4);
                DELETE FROM audit_event WHERE id NOT IN (SELECT unnest(ids) FROM audit_seal)";
    world.tamper(back).await;
    assert_says(&world.first().await, &["cut off", "checkpoint 3", "seal 5"]);
}

#[tokio::test]
async fn a_chain_that_is_gone_as_a_whole_is_missed() {
    let world = World::with_records().await;
    world.tamper("DELETE FROM audit_seal; DELETE FROM audit_event; DELETE FROM audit_writer").await;
    assert_says(&world.first().await, &["cut off", "checkpoint", "seal 1"]);
}

/// Everything from a record on is made anew, as one would who knows the format and owns the database.
const REWRITE: &str = "
    UPDATE audit_event SET record = replace(record, '\"0-1\"', '\"x\"') WHERE record LIKE '%\"0-1\"%';
    DO $$
    DECLARE
        s audit_seal;
        v_previous bytea := decode(repeat('00', 32), 'hex');
        v_hashes bytea;
        v_hash bytea;
    BEGIN
        FOR s IN SELECT * FROM audit_seal ORDER BY number LOOP
            SELECT string_agg(sha256(convert_to(e.record, 'UTF8')), ''::bytea ORDER BY t.place) INTO v_hashes
            FROM unnest(s.ids) WITH ORDINALITY AS t (id, place) JOIN audit_event e USING (id);
            v_hash := audit_seal_hash(s.writer, s.number, s.origin, v_previous, s.ids, v_hashes);
            UPDATE audit_seal SET previous = v_previous, hashes = v_hashes, hash = v_hash
            WHERE writer = s.writer AND number = s.number;
            v_previous := v_hash;
        END LOOP;
        UPDATE audit_writer SET hash = v_previous;
    END
    $$";

#[tokio::test]
async fn a_chain_that_was_rewritten_throughout_does_not_fit_the_checkpoints() {
    let world = World::with_records().await;
    world.tamper(REWRITE).await;
    let first = world.index.audit_seals(world.index.writer(), 1, time::OffsetDateTime::UNIX_EPOCH, 1).await.unwrap();
    let record = first[0].ids[0].to_string();
    // The first checkpoint is over the second seal.
    assert_says(&world.first().await, &["rewritten", "seal 2", "checkpoint 1", &record]);
}

#[tokio::test]
async fn a_chain_rewritten_together_with_the_checkpoints_of_the_database_does_not_fit_those_of_the_registry() {
    let world = World::with_records().await;
    world.tamper(&format!("{REWRITE}; DELETE FROM audit_checkpoint; UPDATE audit_published SET number = 0")).await;
    let report = world.verify().await;
    let said: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_says(&said[0], &["the registry holds a checkpoint that is gone from the database", "checkpoint 1"]);
    assert!(said.iter().any(|said| said.contains("rewritten") && said.contains("seal 2")), "{said:?}");
}

#[tokio::test]
async fn a_checkpoint_that_was_made_anew_without_the_key_does_not_count() {
    let world = World::with_records().await;
    world.tamper("UPDATE audit_checkpoint SET note = replace(note, 'records', 'recordz') WHERE number = 2").await;
    assert_says(&world.first().await, &["its signature does not fit", "checkpoint 2"]);
}

#[tokio::test]
async fn checkpoints_that_changed_places_or_are_missing_are_named() {
    let world = World::with_records().await;
    world.tamper("DELETE FROM audit_checkpoint WHERE number = 2").await;
    assert_says(&world.first().await, &["a checkpoint is missing", "checkpoint 2"]);
    let swap = "UPDATE audit_checkpoint SET number = 2 WHERE number = 3";
    world.tamper(swap).await;
    assert_says(&world.first().await, &["does not fit the heads", "checkpoint 2"]);
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_from_the_registry_is_missed() {
    let world = World::with_records().await;
    let repository = crate::audit::publish::repository("s3");
    assert!(world.store.delete_manifest(&repository, "latest").await.unwrap());
    assert_says(&world.first().await, &["gone from the registry", "checkpoint 1"]);
}
