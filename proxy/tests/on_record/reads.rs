//! Reads by REST: on record with how they were answered.

use zas_proxy::config::AuditReads;

use super::*;

async fn strict() -> World {
    World::with(|config| {
        config.audit.reads = AuditReads::Strict;
        config.audit.queue_timeout = Duration::from_millis(500);
    })
    .await
}

#[tokio::test]
async fn a_read_by_rest_is_on_record_with_how_it_was_answered() {
    let world = strict().await;
    assert_eq!(world.ask("POST", "/-/api/v1/buckets", r#"{"name":"logs"}"#).await.0, 201);
    let question = r#"{"principal":{"name":"alice"},"action":"s3:GetObject","resource":"*"}"#;
    let exported = "/-/api/v1/audit?from=2020-01-01T00:00:00Z&format=ocsf";
    for (method, target, body, status, error, records) in [
        ("GET", "/-/api/v1/buckets/logs", "", 200, None, 1),
        ("HEAD", "/-/api/v1/buckets/logs", "", 200, None, 1),
        ("GET", "/-/api/v1/buckets/none", "", 404, Some("no_such_bucket"), 1),
        ("GET", "/-/api/v1/buckets?limit=0", "", 400, Some("invalid_argument"), 1),
        ("GET", "/-/api/v1/whoami", "", 200, None, 1),
        ("POST", "/-/api/v1/authorize/explain", question, 200, None, 1),
        ("POST", "/-/api/v1/authorize/explain", "{}", 400, Some("invalid_request"), 1),
        // One that asks for two rights.
        ("GET", exported, "", 200, None, 2),
    ] {
        let before = world.records_of_kind("operation").await.len();
        assert_eq!(world.ask(method, target, body).await.0, status, "{method} {target}");
        let all = world.records_of_kind("operation").await;
        assert_eq!(all.len(), before + records, "{method} {target}: {all:#?}");
        for record in all.iter().skip(before) {
            assert_eq!(record["status"], status, "{method} {target}: {record}");
            assert_eq!(record["error"].as_str(), error, "{method} {target}: {record}");
            assert_eq!((&record["api"], &record["decision"]), (&"rest".into(), &"allow".into()), "{target}");
        }
    }
}

#[tokio::test]
async fn a_read_that_cannot_be_put_on_record_is_not_answered_where_reads_are_strict() {
    let world = strict().await;
    assert_eq!(world.ask("POST", "/-/api/v1/buckets", r#"{"name":"logs"}"#).await.0, 201);
    world.sql("ALTER TABLE audit_event ADD CONSTRAINT no CHECK (kind <> 'operation') NOT VALID").await;
    let (status, answer) = world.ask("GET", "/-/api/v1/buckets/logs", "").await;
    assert_eq!(status, 503, "{answer}");
    assert!(!answer.contains("\"region\""), "what was read is told all the same: {answer}");
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    assert_eq!(world.ask("GET", "/-/api/v1/buckets/logs", "").await.0, 200);
}
