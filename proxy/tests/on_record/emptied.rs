//! A bucket that is deleted with all it holds: what went is on record, key by key.

use super::ask::{Answer, Ask};
use super::sidecar::{ROOT, Sidecar};
use super::signing::Signer;

async fn send(sidecar: &Sidecar, ask: Ask) -> Answer {
    sidecar.send(&Signer::new(ROOT.0, ROOT.1).sign(&sidecar.client.base, ask), None).await
}

/// A sidecar with a bucket that holds two objects and an upload.
async fn filled() -> Sidecar {
    let sidecar = Sidecar::start(|_| {}).await;
    send(&sidecar, Ask::put("/logs")).await.expect(200);
    for key in ["a", "b/c"] {
        send(&sidecar, Ask::put(format!("/logs/{key}")).body("12345")).await.expect(200);
    }
    send(&sidecar, Ask::post("/logs/half?uploads")).await.expect(200);
    sidecar
}

fn by_force() -> Ask {
    Ask::delete("/logs").header("x-zas-force-delete", "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_that_goes_with_a_bucket_has_a_record_and_the_last_says_how_much_it_was() {
    let sidecar = filled().await;
    let answer = send(&sidecar, by_force()).await.expect(204);
    let records = sidecar.records(answer.header("x-request-id")).await;
    for record in &records {
        assert_eq!((&record["action"], &record["resource"]), (&"s3:ForceDeleteBucket".into(), &"logs".into()));
        assert_eq!((&record["kind"], &record["decision"]), (&"operation".into(), &"allow".into()), "{record}");
    }
    let said: Vec<_> = records.iter().map(|record| (record["reference"].as_str(), record["note"].as_str())).collect();
    let wanted = [
        (Some("a"), None),
        (Some("b/c"), None),
        (Some("half"), Some("an upload that was under way")),
        (None, Some("objects=2 uploads=1 bytes=10")),
    ];
    assert_eq!(said, wanted, "{records:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_of_a_batch_goes_where_one_of_their_records_cannot_be_written() {
    let sidecar = filled().await;
    let rule = r#"ALTER TABLE audit_event ADD CONSTRAINT no
        CHECK (record NOT LIKE '%"reference":"b/c"%' OR action <> 's3:ForceDeleteBucket') NOT VALID"#;
    sqlx::raw_sql(rule).execute(&sidecar.pool).await.unwrap();
    let answer = send(&sidecar, by_force()).await;
    assert!(answer.status >= 500, "{answer:?}");
    assert!(sidecar.records(answer.header("x-request-id")).await.is_empty(), "a key is said to be gone that is not");
    for key in ["a", "b/c"] {
        assert_eq!(send(&sidecar, Ask::get(format!("/logs/{key}"))).await.expect(200).body, "12345");
    }
    sqlx::raw_sql("ALTER TABLE audit_event DROP CONSTRAINT no").execute(&sidecar.pool).await.unwrap();
    send(&sidecar, by_force()).await.expect(204);
    send(&sidecar, Ask::get("/logs/a")).await.expect(404);
}
