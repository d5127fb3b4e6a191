//! Verification policies, and artifacts held against them.

use http::Method;
use serde_json::{Value, json};
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;

use super::ask::Ask;
use super::case::{Case, need};
use super::oci::{let_prepare, prepare};
use super::sidecar::Sidecar;

const API: &str = "/-/api/v1";

/// The key that verdicts are signed with.
pub(crate) const KEY: &str = "gate-verdicts";

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let_prepare(sidecar).await;
    as_root(sidecar, Method::POST, "/signing-keys", &json!({"name": KEY, "usage": "verdict"})).await;
    let mut cases = of_policies(sidecar).await;
    cases.extend(of_artifacts(sidecar).await);
    cases
}

fn policy() -> Value {
    json!({"document": {"scope": ["s3://*"], "rules": [{"name": "signed", "signatures": {"signers": ["key/nobody"]}}]}})
}

async fn of_policies(sidecar: &Sidecar) -> Vec<Case> {
    let (all, one) = ("/verification-policies", "/verification-policies/{verification_policy}");
    let history = format!("{one}/history");
    let needs = [need(Action::ListVerificationPolicies, Resource::Service)];
    let operation = format!("GET {API}{all}");
    let mut cases =
        vec![Case::new(Door::Rest, "verdicts-list", &operation, Ask::get(format!("{API}{all}")), &needs, 200)];
    for (number, (method, path, body, action, success)) in [
        (Method::GET, one, Value::Null, Action::GetVerificationPolicy, 200),
        (Method::PUT, one, policy(), Action::PutVerificationPolicy, 200),
        (Method::DELETE, one, Value::Null, Action::DeleteVerificationPolicy, 204),
        (Method::GET, &history, Value::Null, Action::GetVerificationPolicy, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("gate-{number}");
        as_root(sidecar, Method::PUT, &format!("/verification-policies/{name}"), &policy()).await;
        let target = format!("{API}{path}").replace("{verification_policy}", &name);
        let needs = [need(action, Resource::managed("verification-policy", &*name))];
        let operation = format!("{method} {API}{path}");
        let ask = with_body(Ask::new(method, target), &body);
        cases.push(Case::new(Door::Rest, &format!("verdicts-policy-{number}"), &operation, ask, &needs, success));
    }
    cases
}

async fn of_artifacts(sidecar: &Sidecar) -> Vec<Case> {
    prepare(sidecar, Ask::put("/gate-verdicts"), 200).await;
    prepare(sidecar, Ask::put("/gate-verdicts/app").body("an application"), 200).await;
    as_root(sidecar, Method::PUT, "/verification-policies/gate-verify", &policy()).await;
    let artifact = "s3://gate-verdicts/app";
    let verify = json!({"artifact": artifact, "policy": "gate-verify"});
    let queue = json!({"artifact": artifact, "policy": "gate-verify", "async": true});
    let verified = as_root(sidecar, Method::POST, "/artifacts/verify", &verify).await;
    let queued = as_root(sidecar, Method::POST, "/artifacts/verify", &queue).await;
    let (verdict, verification) = (verified["verdict"]["id"].as_str().unwrap(), queued["id"].as_str().unwrap());
    let list = format!("/artifacts/verdicts?artifact={artifact}");
    let (one, summary) = (format!("/verdicts/{verdict}"), format!("/verdicts/{verdict}/summary"));
    let waiting = format!("/verifications/{verification}");
    let on = |action| [need(action, Resource::object("gate-verdicts", "app"))];
    let get = |number: usize, template: &str, target: &str| {
        let id = format!("verdicts-get-{number}");
        let (operation, ask) = (format!("GET {API}{template}"), Ask::get(format!("{API}{target}")));
        Case::new(Door::Rest, &id, &operation, ask, &on(Action::GetVerdict), 200)
    };
    let mut cases = vec![
        get(0, "/artifacts/verdicts", &list),
        get(1, "/verdicts/{verdict}", &one),
        get(2, "/verdicts/{verdict}/summary", &summary),
        get(3, "/verifications/{verification}", &waiting),
    ];
    // Last: a verdict that is made takes the place of the one that is asked for.
    for (id, body, success) in [("verdicts-queue", queue, 202), ("verdicts-verify", verify, 200)] {
        let ask = Ask::post(format!("{API}/artifacts/verify")).json(&body);
        let operation = format!("POST {API}/artifacts/verify");
        cases.push(Case::new(Door::Rest, id, &operation, ask, &on(Action::Verify), success));
    }
    cases
}

/// Does something that must work.
async fn as_root(sidecar: &Sidecar, method: Method, path: &str, body: &Value) -> Value {
    let answer = sidecar.as_root(&with_body(Ask::new(method, format!("{API}{path}")), body)).await;
    assert!(answer.status < 300, "{path}: {answer:?}");
    answer.json()
}

fn with_body(ask: Ask, body: &Value) -> Ask {
    if body.is_null() { ask } else { ask.json(body) }
}
