//! A service whose user owns nothing of the database: it does all that it should, and cannot touch what is on record.

use serde_json::json;
use zas_proxy::audit::note::generate_key;
use zas_proxy::config::Secret;
use zas_proxy::postgres::testing;

use super::DIGEST;
use super::ask::{Ask, PATIENCE, basic};
use super::sidecar::{ROOT, Sidecar};
use super::signing::Signer;

/// A user of the tests' Postgres who has the service's role and nothing else: name and password.
async fn user() -> (String, String) {
    let random = || hex::encode(rand::random::<[u8; 8]>());
    let (name, password) = (format!("service_{}", random()), random());
    // Roles are the server's: any database of it will do.
    let pool = testing::database().await.unwrap().pool().unwrap();
    let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE zas_service");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
    (name, password)
}

/// The same database by another user.
fn as_user(url: &str, (name, password): &(String, String)) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(password)).unwrap();
    url.to_string()
}

async fn wait_for_none(sidecar: &Sidecar, what: &str, count: &'static str) {
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&sidecar.pool).await.unwrap() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

/// Everything that a service does to its database, as far as it is done by one request each.
fn requests(sidecar: &Sidecar) -> Vec<Ask> {
    let signer = Signer::new(ROOT.0, ROOT.1);
    let s3 = |ask: Ask| signer.sign(&sidecar.client.base, ask);
    let policy = json!({"document": {"Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "logs/*"}}});
    vec![
        Ask::post("/-/api/v1/buckets").json(&json!({"name": "logs"})).header("idempotency-key", "one"),
        Ask::put("/-/api/v1/buckets/logs/quota").json(&json!({"max_bytes": 1000})),
        s3(Ask::put("/logs/a").body("first")),
        s3(Ask::put("/logs/a").body("second")),
        s3(Ask::get("/logs/a")),
        s3(Ask::get("/logs?list-type=2")),
        s3(Ask::delete("/logs/a")),
        Ask::post(format!("/v2/team/app/blobs/uploads/?digest={DIGEST}")).body("{}"),
        Ask::get(format!("/v2/team/app/blobs/{DIGEST}")),
        Ask::put("/-/api/v1/policies/readers").json(&policy),
        Ask::put("/-/api/v1/policies/readers/attachments?kind=user&name=alice"),
        Ask::post("/-/api/v1/access-keys").json(&json!({"name": "ci"})),
        Ask::post("/-/api/v1/revocations").json(&json!({"kind": "subject", "value": "kc/gone", "reason": "left"})),
        Ask::get("/-/api/v1/audit?from=2020-01-01T00:00:00Z"),
        Ask::delete("/-/api/v1/buckets/logs"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_user_owns_nothing_serves_all_and_cannot_touch_what_is_on_record() {
    let (user, folder) = (user().await, tempfile::tempdir().unwrap());
    let key = folder.path().join("audit.pem");
    std::fs::write(&key, generate_key().unwrap()).unwrap();
    let sidecar = Sidecar::start(|config| {
        config.database.url = Secret::new(as_user(config.database.url.expose(), &user));
        config.database.migrate = false;
        config.audit.checkpoint_key_file = Some(key);
        config.audit.checkpoint_interval = std::time::Duration::from_millis(100);
        config.blobs.sweep_grace = std::time::Duration::ZERO;
        config.blobs.sweep_interval = std::time::Duration::from_millis(100);
    })
    .await;

    let root = basic(ROOT.0, ROOT.1);
    for ask in requests(&sidecar) {
        let is_signed = ask.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let answer = sidecar.send(&ask, (!is_signed).then_some(root.as_str())).await;
        assert!((200..300).contains(&answer.status), "{ask:?}: {answer:?}");
    }
    // What goes on in the background is done too: bytes are swept, records are sealed, seals are signed.
    wait_for_none(&sidecar, "blobs are left", "SELECT count(*) FROM blobs").await;
    wait_for_none(&sidecar, "records are not sealed", "SELECT count(*) FROM audit_unsealed").await;
    let unsigned = "SELECT (NOT EXISTS (SELECT FROM audit_checkpoint))::integer::bigint";
    wait_for_none(&sidecar, "there is no checkpoint", unsigned).await;

    let its_own = sqlx::PgPool::connect(&as_user(sidecar.database.url(), &user)).await.unwrap();
    for attack in [
        "UPDATE audit_event SET status = 500",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_event_default",
        "UPDATE audit_seal SET number = number + 1",
        "DELETE FROM audit_seal",
        "INSERT INTO audit_seal SELECT * FROM audit_seal",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_writer SET number = 0",
        "DELETE FROM audit_unsealed",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    ] {
        let refused = sqlx::raw_sql(attack).execute(&its_own).await.expect_err(attack).to_string();
        let is_for_want_of_rights = refused.contains("permission denied") || refused.contains("must be owner");
        assert!(is_for_want_of_rights, "{attack}: {refused}");
    }
}
