//! Who has little does not get more by it: restricted credentials, other people's repositories and uploads.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::index::Attachment;

use super::ask::{Ask, basic};
use super::sidecar::Sidecar;
use super::signing::Signer;

const API: &str = "/-/api/v1";
const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

async fn strict() -> Sidecar {
    Sidecar::start(|config| config.audit.reads = zas_proxy::config::AuditReads::Strict).await
}

fn allow(actions: &Value, resources: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": resources}})
}

/// An access key of a service account of the administrators' group, with a policy of its own: id and secret.
async fn restricted_key(sidecar: &Sidecar, policy: &Value) -> (String, String) {
    sidecar.attach("administrators", &allow(&json!("*"), &json!("*")), "/administrators").await;
    sidecar.refresh().await;
    let new = json!({"name": "restricted", "groups": ["/administrators"], "policy": policy});
    let made = sidecar.as_root(&Ask::post(format!("{API}/access-keys")).json(&new)).await.expect(201).json();
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// What somebody would do who wants more than they have.
async fn ways_up(sidecar: &Sidecar) -> Vec<Ask> {
    let other = sidecar.as_root(&Ask::post(format!("{API}/access-keys")).json(&json!({"name": "other"}))).await;
    let other = other.expect(201).json()["id"].as_str().unwrap().to_owned();
    let everything = allow(&json!("*"), &json!("*"));
    let trust = json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/service/restricted"},
        "Action": "sts:AssumeRole"}});
    let one = format!("{API}/access-keys/{other}");
    vec![
        Ask::post(format!("{API}/access-keys")).json(&json!({"name": "wider", "groups": ["/administrators"]})),
        Ask::post(format!("{API}/me/access-keys")).json(&json!({})),
        Ask::post(format!("{one}/rotate")).json(&json!({})),
        Ask::new(Method::PATCH, &one).json(&json!({"disabled": true})),
        Ask::delete(&one),
        Ask::get(&one),
        Ask::get(format!("{API}/access-keys")),
        Ask::put(format!("{API}/policies/mine")).json(&json!({ "document": everything })),
        Ask::put(format!("{API}/policies/admin/attachments?kind=user&name=service/restricted")),
        Ask::put(format!("{API}/roles/mine")).json(&json!({ "trust_policy": trust })),
        Ask::get(format!("{API}/policies")),
        Ask::get(format!("{API}/configuration")),
        Ask::get(format!("{API}/audit?from=2026-01-01T00:00:00Z")),
        Ask::post(format!("{API}/revocations")).json(&json!({"kind": "subject", "value": "kc/id-of-alice"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_key_of_an_administrator_manages_nothing_that_its_policy_does_not_allow() {
    let sidecar = strict().await;
    let (id, secret) = restricted_key(&sidecar, &allow(&json!("s3:*"), &json!("*"))).await;
    for ask in ways_up(&sidecar).await {
        let answer = sidecar.send(&ask, Some(&basic(&id, &secret))).await.expect(403);
        assert_eq!(answer.json()["code"], "access_denied", "{}", ask.target);
        let records = sidecar.records(answer.header("x-request-id")).await;
        let [denial] = records.as_slice() else { panic!("{}: {records:?}", ask.target) };
        assert_eq!((&denial["kind"], &denial["access_key_id"]), (&json!("denial"), &json!(id)), "{}", ask.target);
    }
    let made = "SELECT count(*) FROM access_keys WHERE name = 'service/wider' OR disabled_at IS NOT NULL";
    assert_eq!(sqlx::query_scalar::<_, i64>(made).fetch_one(&sidecar.pool).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_credential_makes_no_other_even_where_its_policy_allows_it_and_that_is_on_record() {
    let sidecar = strict().await;
    let (id, secret) = restricted_key(&sidecar, &allow(&json!("*"), &json!("*"))).await;
    let one = format!("{API}/access-keys/{id}/rotate");
    for ask in [
        Ask::post(format!("{API}/access-keys")).json(&json!({"name": "wider"})),
        Ask::post(one).json(&json!({})),
        Ask::post(format!("{API}/me/access-keys")).json(&json!({})),
        Ask::get(format!("{API}/me/access-keys")),
    ] {
        let answer = sidecar.send(&ask, Some(&basic(&id, &secret))).await.expect(403);
        let records = sidecar.records(answer.header("x-request-id")).await;
        let denial = records.iter().find(|record| record["kind"] == "denial");
        assert_eq!(denial.unwrap_or_else(|| panic!("{}: {records:?}", ask.target))["status"], 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opens_neither_the_management_api_nor_the_registry() {
    let sidecar = strict().await;
    let trust = json!({"Effect": "Allow", "Principal": {"AWS": "user/alice"}, "Action": "sts:AssumeRole"});
    sidecar.role("deploy", &trust).await;
    sidecar.attach("administrators", &allow(&json!("*"), &json!("*")), "/administrators").await;
    let attachment = Attachment { policy: "admin".into(), target_kind: "role".into(), target: "deploy".into() };
    sidecar.app.index.attach_policy(&attachment, "test", &[]).await.unwrap();
    sidecar.refresh().await;
    let form = [("Action", "AssumeRole"), ("RoleArn", "arn:aws:iam:::role/deploy"), ("RoleSessionName", "job")];
    let token = format!("Bearer {}", sidecar.token("alice", &[]));
    let answer = sidecar.send(&Ask::post("/").form(&form), Some(&token)).await.expect(200);
    let (id, secret) = (answer.element("AccessKeyId"), answer.element("SecretAccessKey"));
    let session_token = answer.element("SessionToken");
    let asks =
        ways_up(&sidecar).await.into_iter().chain([Ask::get("/v2/"), Ask::get("/-/token"), Ask::get("/-/metrics")]);
    for ask in asks {
        for shown in [basic(&id, &secret), format!("Bearer {session_token}"), basic(&id, &session_token)] {
            let answer = sidecar.send(&ask, Some(&shown)).await;
            assert_eq!(answer.status, 401, "{} with {shown}: {}", ask.target, answer.body);
        }
    }
    // What it is for it does.
    let base = format!("http://{}", sidecar.address);
    let signer = Signer { session_token: Some(session_token), ..Signer::new(&id, &secret) };
    let who = Signer { service: "sts", ..signer };
    let ask = who.sign(&base, Ask::post("/").form(&[("Action", "GetCallerIdentity")]));
    assert!(sidecar.send(&ask, None).await.expect(200).element("Arn").ends_with("assumed-role/deploy/job"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_read_through_a_repository_that_has_it_and_through_no_other() {
    let sidecar = strict().await;
    sidecar.attach("readers", &allow(&json!("oci:*"), &json!("arn:zas:oci:::mine/*")), "/readers").await;
    sidecar.refresh().await;
    let alice = format!("Bearer {}", sidecar.token("alice", &["/readers"]));
    let push = |name: &str| Ask::post(format!("/v2/{name}/blobs/uploads/?digest={DIGEST}")).body("{}");
    sidecar.as_root(&push("theirs/app")).await.expect(201);
    let get = |name: &str| Ask::get(format!("/v2/{name}/blobs/{DIGEST}"));
    sidecar.send(&get("theirs/app"), Some(&alice)).await.expect(403);
    sidecar.send(&get("mine/app"), Some(&alice)).await.expect(404);
    // A mount without the right to read its source is an upload of one's own, and one without a source is none at all.
    for from in ["&from=theirs%2Fapp", ""] {
        let mount = Ask::post(format!("/v2/mine/app/blobs/uploads/?mount={DIGEST}{from}"));
        sidecar.send(&mount, Some(&alice)).await.expect(202);
        sidecar.send(&get("mine/app"), Some(&alice)).await.expect(404);
    }
    let referrers = Ask::get(format!("/v2/theirs/app/referrers/{DIGEST}"));
    sidecar.send(&referrers, Some(&alice)).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_in_its_own_repository_in_order_and_with_its_own_digest() {
    let sidecar = strict().await;
    let begun = sidecar.as_root(&Ask::post("/v2/theirs/app/blobs/uploads/")).await.expect(202);
    let id = begun.header("location").rsplit('/').next().unwrap().to_owned();
    let chunk = |name: &str, range: &str, body: &str| {
        let ask = Ask::new(Method::PATCH, format!("/v2/{name}/blobs/uploads/{id}"));
        ask.header("content-range", range).header("content-type", "application/octet-stream").body(body)
    };
    sidecar.as_root(&chunk("mine/app", "0-0", "{")).await.expect(404);
    sidecar.as_root(&chunk("theirs/app", "1-1", "}")).await.expect(416);
    sidecar.as_root(&chunk("theirs/app", "0-0", "{")).await.expect(202);
    let finish = |digest: &str| Ask::put(format!("/v2/theirs/app/blobs/uploads/{id}?digest={digest}")).body("}");
    let other = format!("sha256:{}", "00".repeat(32));
    sidecar.as_root(&finish(&other)).await.expect(400);
    sidecar.as_root(&Ask::get(format!("/v2/theirs/app/blobs/{other}"))).await.expect(404);
}
