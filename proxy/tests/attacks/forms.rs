//! Forms of browsers that somebody has tampered with: whoever may post a form has not the rights of whoever has signed it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::ask::Ask;
use super::form::{Form, content_type};
use super::sidecar::{ROOT, Sidecar};
use super::signing::Signer;

/// A form that lets somebody put up to 10 bytes under `user/`.
fn signed() -> Form {
    let form =
        Form::new("bucket", "user/key").field("acl", "private").condition(json!(["starts-with", "$key", "user/"]));
    form.condition(json!(["content-length-range", 0, 10])).signed(ROOT.0, ROOT.1)
}

fn posting(form: &Form) -> Ask {
    let body = String::from_utf8(form.body()).unwrap();
    Ask::post("/bucket").header("content-type", content_type()).body(body)
}

async fn sidecar() -> Sidecar {
    // What is refused is on record before it is answered.
    let sidecar = Sidecar::start(|config| config.audit.reads = zas_proxy::config::AuditReads::Strict).await;
    let root = Signer::new(ROOT.0, ROOT.1);
    sidecar.send(&root.sign(&sidecar.client.base, Ask::put("/bucket")), None).await.expect(200);
    sidecar
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_tampered_with_is_refused_on_record_and_leaves_nothing() {
    let sidecar = sidecar().await;
    let before = sidecar.registry.total_requests();
    let late = Form::new("bucket", "user/key").at(SystemTime::now() - Duration::from_secs(3600));
    let denied = Some("denial");
    for (what, form, status, code, recorded) in [
        ("another key", signed().stray("key", "admin/key"), 403, "AccessDenied", denied),
        ("another field", signed().stray("acl", "bucket-owner-full-control"), 403, "AccessDenied", denied),
        (
            "one more field",
            signed().stray("success_action_redirect", "https://evil.example"),
            403,
            "AccessDenied",
            denied,
        ),
        ("one field less", signed().without("acl"), 403, "AccessDenied", denied),
        ("a file of another name", signed().stray("key", "${filename}"), 403, "AccessDenied", denied),
        ("more bytes", signed().content("12345678901"), 400, "EntityTooLarge", None),
        ("another policy", signed().stray("policy", "e30="), 403, "SignatureDoesNotMatch", Some("login")),
        ("another secret", Form::new("bucket", "k").signed(ROOT.0, "x"), 403, "SignatureDoesNotMatch", Some("login")),
        ("no signature", signed().without("x-amz-signature"), 400, "InvalidArgument", None),
        ("no policy", signed().without("policy"), 400, "InvalidArgument", None),
        ("neither", Form::new("bucket", "user/key"), 403, "AccessDenied", None),
        ("a policy that is over", late.signed(ROOT.0, ROOT.1), 403, "AccessDenied", None),
    ] {
        let answer = sidecar.send(&posting(&form), None).await;
        assert_eq!((answer.status, answer.element("Code")), (status, code.to_owned()), "{what}: {answer:?}");
        let records = sidecar.records(answer.header("x-amz-request-id")).await;
        let kinds: Vec<&str> = records.iter().filter_map(|record: &Value| record["kind"].as_str()).collect();
        assert_eq!(kinds, recorded.into_iter().collect::<Vec<_>>(), "{what}: {records:?}");
    }
    let objects: i64 = sqlx::query_scalar("SELECT count(*) FROM objects").fetch_one(&sidecar.pool).await.unwrap();
    assert_eq!((objects, sidecar.registry.total_requests()), (0, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_good_until_somebody_changes_it_and_is_on_record() {
    let sidecar = sidecar().await;
    let answer = sidecar.send(&posting(&signed()), None).await.expect(204);
    let records = sidecar.records(answer.header("x-amz-request-id")).await;
    let told: Vec<_> = records.iter().map(|record| (&record["kind"], &record["action"], &record["decision"])).collect();
    assert_eq!(told, [(&json!("operation"), &json!("s3:PutObject"), &json!("allow"))], "{records:?}");
    assert!(records[0].to_string().contains("user/key"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_posts_forms_with_wrong_signatures_is_not_listened_to_for_a_while() {
    let sidecar = Sidecar::start(|config| config.rates.failures_per_minute = 2).await;
    let wrong = posting(&Form::new("bucket", "key").signed("AKIANOBODY", "x"));
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(sidecar.send(&wrong, None).await.element("Code"));
    }
    assert_eq!((codes[0].as_str(), codes[7].as_str()), ("InvalidAccessKeyId", "SlowDown"), "{codes:?}");
}
