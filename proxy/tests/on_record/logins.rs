//! Logins, good and wrong ones, and what is answered without the registry or a change of the index.

use zas_proxy::config::AuditReads;

use super::*;

#[tokio::test]
async fn wrong_credentials_are_on_record_at_every_door_and_missing_ones_are_not() {
    let world = World::new().await;
    let mut failed = 0;
    for target in ["/v2/", "/-/api/v1/whoami", "/-/token"] {
        assert_eq!(world.ask_as("AKIA", "a-wrong-secret", "GET", target, "").await.0, 401, "{target}");
        failed += 1;
    }
    let forged = "GET /bucket HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer e.e.e\r\n\r\n";
    assert_eq!(world.send(forged).await, 401);
    failed += 1;
    assert_eq!(world.send("GET /v2/ HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await, 401);
    let waiting = async {
        while world.records_of_kind("login").await.len() < failed {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let records = world.records_of_kind("login").await;
    assert_eq!(records.len(), failed, "{records:#?}");
    for record in &records {
        assert_eq!((&record["decision"], &record["source_ip"]), (&"deny".into(), &"127.0.0.1".into()), "{record}");
        assert!(!record.to_string().contains("a-wrong-secret"));
    }
}

#[tokio::test]
async fn logins_lists_of_repositories_and_questions_are_on_record() {
    let world = World::with(|config| config.audit.reads = AuditReads::Strict).await;
    let question = r#"{"principal":{"name":"alice"},"action":"s3:GetObject","resource":"*"}"#;
    for (method, target, body, kind, action) in [
        ("GET", "/v2/", "", "login", "sts:GetCallerIdentity"),
        ("HEAD", "/v2/", "", "login", "sts:GetCallerIdentity"),
        ("GET", "/-/token?service=zot-artifact-store", "", "token", "sts:GetCallerIdentity"),
        ("GET", "/v2/_catalog", "", "operation", "oci:Catalog"),
        ("GET", "/-/metrics", "", "operation", "admin:ReadMetrics"),
        ("POST", "/-/api/v1/authorize/explain", question, "operation", "admin:Explain"),
        ("POST", "/-/api/v1/tokens/explain", r#"{"token":"not-a-token-of-anybody"}"#, "operation", "admin:Explain"),
    ] {
        let before = world.records_of_kind(kind).await.len();
        assert_eq!(world.ask(method, target, body).await.0, 200, "{target}");
        let records = world.records_of_kind(kind).await;
        assert_eq!(records.len(), before + 1, "{method} {target}: {records:#?}");
        let record = records.last().unwrap();
        assert_eq!((&record["principal"], &record["action"]), (&"root/AKIA".into(), &action.into()), "{target}");
        assert_eq!((&record["decision"], &record["source_ip"]), (&"allow".into(), &"127.0.0.1".into()), "{target}");
        assert!(!record.to_string().contains("not-a-token"), "{record}");
    }
}

#[tokio::test]
async fn a_login_and_a_list_whose_records_cannot_be_committed_are_refused_where_reads_are_strict() {
    let world = World::with(|config| {
        config.audit.reads = AuditReads::Strict;
        config.audit.queue_timeout = Duration::from_millis(500);
    })
    .await;
    let rule = "ALTER TABLE audit_event ADD CONSTRAINT no CHECK (kind NOT IN ('login', 'operation')) NOT VALID";
    world.sql(rule).await;
    let before = world.faults.requests(Route::Manifest);
    for target in ["/v2/", "/v2/_catalog", "/v2/team/app/manifests/v1"] {
        let (status, body) = world.ask("GET", target, "").await;
        assert_eq!(status, 503, "{target}: {body}");
    }
    assert_eq!(world.faults.requests(Route::Manifest), before, "a pull that was refused reached the registry");
    for target in ["/v2/", "/v2/team/app/tags/list", "/-/api/v1/whoami", "/-/token"] {
        let (status, body) = world.ask_as("AKIA", "a-wrong-secret", "GET", target, "").await;
        assert_eq!(status, 503, "wrong credentials at {target}: {body}");
    }
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    assert_eq!(world.ask("GET", "/v2/", "").await.0, 200);
}
