//! A change and its record are one transaction: where it fails at its commit, when both were written, neither is there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::ask::{Answer, Ask};
use super::sidecar::{ROOT, Sidecar};
use super::signing::Signer;

/// Postgres checks a constraint that is deferred as the last thing of a commit. This one fails for records of the actions that are
/// listed: by an error, or with the connection.
const FAILPOINT: &str = "
    CREATE TABLE dies_at_commit (action text, how text);
    CREATE FUNCTION die_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        v_how text := (SELECT how FROM dies_at_commit WHERE action = NEW.action);
    BEGIN
        IF v_how = 'refused' THEN
            RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100';
        ELSIF v_how = 'cut' THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            PERFORM pg_sleep(60);
        END IF;
        RETURN NULL;
    END
    $$;
    CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT ON audit_event
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die_at_commit()";

const API: &str = "/-/api/v1";

/// A change, and where it is seen.
struct Change {
    ask: Ask,
    action: &'static str,
    look: String,
    shows: &'static str,
    /// Whether what is looked for is there after the change, or before it.
    makes: bool,
}

impl Change {
    fn makes(ask: Ask, action: &'static str, look: impl Into<String>, shows: &'static str) -> Self {
        Self { ask, action, look: look.into(), shows, makes: true }
    }

    fn takes(ask: Ask, action: &'static str, look: impl Into<String>, shows: &'static str) -> Self {
        Self { makes: false, ..Self::makes(ask, action, look, shows) }
    }
}

/// As root: signed at the door of S3, with Basic authentication elsewhere.
async fn send(sidecar: &Sidecar, ask: Ask) -> Answer {
    if ask.target.starts_with("/-/") {
        return sidecar.as_root(&ask).await;
    }
    sidecar.send(&Signer::new(ROOT.0, ROOT.1).sign(&sidecar.client.base, ask), None).await
}

/// Whether what a change is about is there.
async fn is_seen(sidecar: &Sidecar, change: &Change) -> bool {
    let answer = send(sidecar, Ask::get(change.look.clone())).await;
    answer.status < 300 && answer.body.contains(change.shows)
}

/// Has the commits of an action fail.
async fn fail(sidecar: &Sidecar, action: &str, how: &str) {
    let listed = "INSERT INTO dies_at_commit (action, how) VALUES ($1, $2)";
    sqlx::query(listed).bind(action.to_owned()).bind(how.to_owned()).execute(&sidecar.pool).await.unwrap();
}

async fn heal(sidecar: &Sidecar) {
    sqlx::query("DELETE FROM dies_at_commit").execute(&sidecar.pool).await.unwrap();
}

async fn prepare(sidecar: &Sidecar, ask: Ask) -> Answer {
    let answer = send(sidecar, ask).await;
    assert!(answer.status < 300, "{answer:?}");
    answer
}

/// An upload to a key, with one part: its id and the part's ETag.
async fn upload(sidecar: &Sidecar, key: &str) -> (String, String) {
    let id = prepare(sidecar, Ask::post(format!("/logs/{key}?uploads"))).await.element("UploadId");
    let part = Ask::put(format!("/logs/{key}?partNumber=1&uploadId={id}")).body("part");
    let etag = prepare(sidecar, part).await.header("etag").to_owned();
    (id, etag)
}

async fn of_objects(sidecar: &Sidecar) -> Vec<Change> {
    for bucket in ["logs", "empty"] {
        prepare(sidecar, Ask::put(format!("/{bucket}"))).await;
    }
    for key in ["source", "one", "two"] {
        prepare(sidecar, Ask::put(format!("/logs/{key}")).body("bytes")).await;
    }
    let copied = Ask::put("/logs/copy").header("x-amz-copy-source", "/logs/source");
    let document = "<Delete><Object><Key>two</Key></Object></Delete>";
    let deleted = Ask::post("/logs?delete").header("content-md5", STANDARD.encode(Md5::digest(document)));
    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": {"AWS": "user/nobody-at-all"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"}});
    let (policy, shows) = (policy.to_string(), "nobody-at-all");
    vec![
        Change::makes(Ask::put("/logs/new").body("bytes"), "s3:PutObject", "/logs/new", "bytes"),
        Change::makes(copied, "s3:PutObject", "/logs/copy", "bytes"),
        Change::takes(Ask::delete("/logs/one"), "s3:DeleteObject", "/logs/one", "bytes"),
        Change::takes(deleted.body(document), "s3:DeleteObject", "/logs/two", "bytes"),
        Change::makes(Ask::put("/made"), "s3:CreateBucket", "/", "<Name>made</Name>"),
        Change::takes(Ask::delete("/empty"), "s3:DeleteBucket", "/", "<Name>empty</Name>"),
        Change::makes(Ask::put("/logs?policy").body(policy), "s3:PutBucketPolicy", "/logs?policy", shows),
        Change::takes(Ask::delete("/logs?policy"), "s3:DeleteBucketPolicy", "/logs?policy", shows),
    ]
}

async fn of_uploads(sidecar: &Sidecar) -> Vec<Change> {
    let (whole, etag) = upload(sidecar, "whole").await;
    let (growing, _) = upload(sidecar, "growing").await;
    let (given_up, _) = upload(sidecar, "given-up").await;
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let completed = Ask::post(format!("/logs/whole?uploadId={whole}")).body(document);
    let part = Ask::put(format!("/logs/growing?partNumber=2&uploadId={growing}")).body("two");
    let aborted = Ask::delete(format!("/logs/given-up?uploadId={given_up}"));
    let parts = format!("/logs/growing?uploadId={growing}");
    vec![
        Change::makes(completed, "s3:PutObject", "/logs/whole", "part"),
        Change::makes(part, "s3:PutObject", parts, "<PartNumber>2</PartNumber>"),
        Change::takes(aborted, "s3:AbortMultipartUpload", "/logs?uploads", "<Key>given-up</Key>"),
        Change::makes(Ask::post("/logs/begun?uploads"), "s3:PutObject", "/logs?uploads", "<Key>begun</Key>"),
    ]
}

async fn of_management(sidecar: &Sidecar) -> Vec<Change> {
    let document = json!({"document": {"Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "logs/*"}}});
    let at = |path: &str| format!("{API}{path}");
    let put = |path: &str, body: &Value| Ask::put(at(path)).json(body);
    let post = |path: &str, body: &Value| Ask::post(at(path)).json(body);
    prepare(sidecar, put("/policies/gone", &document)).await;
    prepare(sidecar, put("/policies/attached", &document)).await;
    prepare(sidecar, post("/buckets", &json!({"name": "by-rest"}))).await;
    let attached = Ask::put(at("/policies/attached/attachments?kind=user&name=alice"));
    // With a key a change is more than one statement: it goes another way.
    let once = |ask: Ask, key: &str| ask.header("idempotency-key", key);
    let bucket = once(post("/buckets", &json!({"name": "once"})), "bucket");
    let access_key = post("/access-keys", &json!({"name": "pusher"}));
    let access_key_once = once(post("/access-keys", &json!({"name": "puller"})), "access-key");
    let revoked = json!({"kind": "subject", "value": "kc/gone", "reason": "left"});
    vec![
        Change::makes(bucket, "s3:CreateBucket", at("/buckets/once"), "once"),
        Change::takes(Ask::delete(at("/buckets/by-rest")), "s3:DeleteBucket", at("/buckets/by-rest"), "by-rest"),
        Change::makes(
            put("/buckets/logs/quota", &json!({"max_objects": 77_777})),
            "admin:PutQuota",
            at("/buckets/logs/quota"),
            "77777",
        ),
        Change::makes(put("/policies/made", &document), "admin:PutPolicy", at("/policies/made"), "GetObject"),
        Change::makes(
            put("/event-targets/made", &json!({"url": "https://hooks.example"})),
            "admin:PutEventTarget",
            at("/event-targets/made"),
            "hooks.example",
        ),
        Change::takes(Ask::delete(at("/policies/gone")), "admin:DeletePolicy", at("/policies/gone"), "GetObject"),
        Change::makes(attached, "admin:AttachPolicy", at("/policies/attached/attachments"), "alice"),
        Change::makes(access_key, "admin:CreateAccessKey", at("/access-keys"), "pusher"),
        Change::makes(access_key_once, "admin:CreateAccessKey", at("/access-keys"), "puller"),
        Change::makes(post("/revocations", &revoked), "admin:RevokeSession", at("/revocations"), "kc/gone"),
    ]
}

/// The records of a request that say that something was done.
async fn done(sidecar: &Sidecar, answer: &Answer) -> Vec<Value> {
    let records = sidecar.records(answer.header("x-request-id")).await;
    records.into_iter().filter(|record| record["kind"] == "operation").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_at_its_commit_has_neither_happened_nor_is_it_on_record() {
    let sidecar = Sidecar::start(|_| {}).await;
    sqlx::raw_sql(FAILPOINT).execute(&sidecar.pool).await.unwrap();
    let mut changes = of_objects(&sidecar).await;
    changes.extend(of_uploads(&sidecar).await);
    changes.extend(of_management(&sidecar).await);
    for change in changes {
        let Change { ask, action, makes, .. } = &change;
        let place = format!("{} {}", ask.method, ask.target);
        for how in ["refused", "cut"] {
            assert_eq!(is_seen(&sidecar, &change).await, !makes, "before {place}");
            fail(&sidecar, action, how).await;
            let answer = send(&sidecar, ask.clone()).await;
            heal(&sidecar).await;
            assert_eq!(answer.status, 503, "{how}, {place}: {answer:?}");
            let records = done(&sidecar, &answer).await;
            assert!(records.is_empty(), "{how}, {place}: {records:#?}");
            assert_eq!(is_seen(&sidecar, &change).await, !makes, "{how}, {place}");
        }
        let answer = send(&sidecar, ask.clone()).await;
        assert!(answer.status < 300, "{place}: {answer:?}");
        let records = done(&sidecar, &answer).await;
        assert!(records.iter().any(|record| record["action"] == *action), "{place}: {records:#?}");
        assert_eq!(is_seen(&sidecar, &change).await, *makes, "after {place}");
    }
}
