//! The management API of bills of materials, and the search over what they list.

use http::Method;
use serde_json::json;
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;

use super::ask::Ask;
use super::case::{Case, Need, need};
use super::oci::{let_prepare, prepare};
use super::sidecar::Sidecar;

const API: &str = "/-/api/v1";
const SBOM: &str =
    r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1"}]}"#;

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let_prepare(sidecar).await;
    let mut cases = vec![search(), validate()];
    cases.push(attach(sidecar, "plain", None).await);
    cases.push(attach(sidecar, "attested", Some("gate-reports")).await);
    cases.push(list(sidecar).await);
    for (method, action, success) in [(Method::GET, Action::GetSbom, 200), (Method::DELETE, Action::DeleteSbom, 204)] {
        cases.push(one(sidecar, method, action, success).await);
    }
    cases
}

fn search() -> Case {
    let ask = Ask::get(format!("{API}/components?name=lodash"));
    let needs = [need(Action::Search, Resource::Service)];
    Case::new(Door::Rest, "sboms-search", &format!("GET {API}/components"), ask, &needs, 200)
}

/// Nothing is read but what is sent.
fn validate() -> Case {
    let path = format!("{API}/sbom/validate");
    Case::for_the_known(Door::Rest, "sboms-validate", &format!("POST {path}"), document(&path), 200)
}

/// A request with a document.
fn document(target: &str) -> Ask {
    Ask::post(target).header("content-type", "application/vnd.cyclonedx+json").body(SBOM)
}

async fn attach(sidecar: &Sidecar, how: &str, key: Option<&str>) -> Case {
    let id = format!("sboms-{how}");
    let (artifact, on_object) = object(sidecar, &id).await;
    let (mut target, mut needs) =
        (format!("{API}/artifacts/sbom?artifact={artifact}"), vec![on_object(Action::AttachSbom)]);
    if let Some(key) = key {
        let new = json!({"name": key, "usage": "report"});
        prepare(sidecar, Ask::post(format!("{API}/signing-keys")).json(&new), 201).await;
        target.push_str(&format!("&attestation={key}"));
        needs.push(on_object(Action::Attest));
        needs.push(need(Action::UseSigningKey, Resource::managed("signing-key", key)));
    }
    Case::new(Door::Rest, &id, &format!("POST {API}/artifacts/sbom"), document(&target), &needs, 201)
}

async fn list(sidecar: &Sidecar) -> Case {
    let (artifact, on_object) = object(sidecar, "sboms-list").await;
    let path = format!("{API}/artifacts/sboms");
    let ask = Ask::get(format!("{path}?artifact={artifact}"));
    Case::new(Door::Rest, "sboms-list", &format!("GET {path}"), ask, &[on_object(Action::GetSbom)], 200)
}

/// An operation on a document that is attached.
async fn one(sidecar: &Sidecar, method: Method, action: Action, success: u16) -> Case {
    let id = format!("sboms-{}", method.as_str().to_lowercase());
    let (artifact, on_object) = object(sidecar, &id).await;
    prepare(sidecar, document(&format!("{API}/artifacts/sbom?artifact={artifact}")), 201).await;
    let path = format!("{API}/artifacts/sboms");
    let digest = zas_proxy::digest::Digest::of(SBOM.as_bytes());
    let ask = Ask::new(method.clone(), format!("{path}/{digest}?artifact={artifact}"));
    Case::new(Door::Rest, &id, &format!("{method} {path}/{{digest}}"), ask, &[on_object(action)], success)
}

/// The name of an object of its own, and rights on it.
async fn object(sidecar: &Sidecar, id: &str) -> (String, impl Fn(Action) -> Need + use<>) {
    let bucket = format!("{id}-bucket");
    prepare(sidecar, Ask::put(format!("/{bucket}")), 200).await;
    prepare(sidecar, Ask::put(format!("/{bucket}/app")).body(format!("bytes of {id}")), 200).await;
    (format!("s3://{bucket}/app"), move |action| need(action, Resource::object(&*bucket, "app")))
}
