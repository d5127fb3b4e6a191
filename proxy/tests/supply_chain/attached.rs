//! What is attached to artifacts: listed, read and removed over the management API.

use http::Method;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::world::{API, MANIFEST, Thing, World, descriptor};

const REPORT: &str = "https://example.com/report";

impl World {
    async fn report(&self, thing: &Thing) -> String {
        let body = json!({"key": "reports", "predicate_type": REPORT, "predicate": {"n": thing.name}});
        let attested = self.attest(thing, body).await.expect(201).json();
        attested["attestation"]["digest"].as_str().unwrap().to_owned()
    }

    /// Attaches a text, as a client of the registry does.
    async fn note(&self, thing: &Thing, artifact_type: &str) -> String {
        for blob in ["{}", "a note"] {
            self.push_blob(&thing.repository, blob).await;
        }
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type,
            "config": descriptor("application/vnd.oci.empty.v1+json", "{}"), "layers": [descriptor("text/plain", "a note")],
            "subject": {"mediaType": MANIFEST, "digest": thing.digest.to_string(), "size": 1}});
        let digest = zas_proxy::digest::Digest::of(document.to_string().as_bytes()).to_string();
        self.push_manifest(&thing.repository, &digest, &document).await;
        digest
    }
}

fn digests(listed: &[Value]) -> Vec<&str> {
    listed.iter().map(|one| one["digest"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_are_listed_with_what_they_are_page_by_page() {
    let world = World::new().await;
    for thing in world.things().await {
        world.sign(&thing, json!({"legacy": true})).await.expect(201);
        let report = world.report(&thing).await;
        let sbom = world.note(&thing, "application/spdx+json").await;
        let note = world.note(&thing, "application/vnd.example.note").await;
        let all = world.referrers(&thing, "").await;
        assert_eq!(all.len(), 5, "{all:#?}");
        for (query, wanted) in [
            ("&kind=attestation", vec![report.as_str()]),
            ("&kind=sbom", vec![sbom.as_str()]),
            ("&kind=other", vec![note.as_str()]),
            ("&kind=attestation&predicate_type=https://example.com/report", vec![report.as_str()]),
            ("&kind=signature&predicate_type=https://example.com/report", vec![]),
        ] {
            assert_eq!(digests(&world.referrers(&thing, query).await), wanted, "{query}");
        }
        let signatures = world.referrers(&thing, "&kind=signature").await;
        let tags: Vec<bool> = signatures.iter().map(|one| one["tag"].is_string()).collect();
        assert_eq!((tags.len(), tags.iter().filter(|tagged| **tagged).count()), (2, 1));
        assert!(all.iter().all(|one| one["subject"] == json!(thing.digest.to_string())));

        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/artifacts/referrers?artifact={}&limit=2&after={after}", thing.name);
            let page = world.get(&path).await.expect(200).json();
            assert_eq!(page["truncated"], json!(false));
            seen.extend(page["referrers"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            next.clone_into(&mut after);
        }
        assert_eq!(seen, all);
        let gone = format!("/artifacts/referrers?artifact={}&after=sha256:{}", thing.name, "0".repeat(64));
        assert_eq!(world.get(&gone).await.expect(400).json()["details"]["field"], json!("after"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_the_kinds_that_they_may_read() {
    let world = World::new().await;
    let (object, image) = (world.object("app", "bytes").await, world.image("team/app", "bytes").await);
    for (thing, resource, name) in [(object, "releases/*", "s3"), (image, "arn:zas:oci:::team/app", "oci")] {
        world.sign(&thing, json!({})).await.expect(201);
        let report = world.report(&thing).await;
        let group = format!("/readers-{name}");
        world.allow(&group, &[("supply:GetAttestation", resource)]).await;
        let ask = async |method: Method, path: String| {
            world.send_as("reader", &group, Ask::new(method, format!("{API}{path}"))).await
        };
        let list = format!("/artifacts/referrers?artifact={}", thing.name);
        let seen = ask(Method::GET, list.clone()).await.expect(200).json();
        assert_eq!(digests(seen["referrers"].as_array().unwrap()), [report.as_str()]);
        ask(Method::GET, format!("{list}&kind=signature")).await.expect(403);
        let signature = world.referrers(&thing, "&kind=signature").await[0]["digest"].as_str().unwrap().to_owned();
        let one = |digest: &str| format!("/artifacts/attestations/{digest}?artifact={}", thing.name);
        ask(Method::GET, one(&report)).await.expect(200);
        ask(Method::GET, one(&signature)).await.expect(403);
        ask(Method::DELETE, one(&report)).await.expect(403);
        let nobody = Ask::get(format!("{API}{list}"));
        world.send_as("stranger", "/none", nobody).await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_is_gone_and_on_record() {
    let world = World::new().await;
    for thing in world.things().await {
        world.sign(&thing, json!({"legacy": true})).await.expect(201);
        world.report(&thing).await;
        let listed = world.referrers(&thing, "").await;
        assert_eq!(listed.len(), 3);
        for digest in digests(&listed) {
            let path = format!("/artifacts/attestations/{digest}?artifact={}", thing.name);
            let removed = world.api(Method::DELETE, &path, &Value::Null).await.expect(204);
            world.document(&thing, digest).await.expect(404);
            world.api(Method::DELETE, &path, &Value::Null).await.expect(404);
            let records = world.sidecar.records(removed.header("x-request-id")).await;
            let is_there = records.iter().any(|record| record.to_string().contains(digest));
            assert!(is_there, "{digest}: {records:#?}");
        }
        assert_eq!(world.referrers(&thing, "").await, [] as [Value; 0]);
        assert_eq!(world.legacy_layers(&thing, "sig").await, []);
        world.sign(&thing, json!({})).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_another_artifact_is_neither_read_nor_removed_as_if_it_were_attached() {
    let world = World::new().await;
    let (thing, other) = (world.image("team/app", "bytes").await, world.image("team/app", "others").await);
    let by_digest = |thing: &Thing| Thing { name: format!("oci://team/app@{}", thing.digest), ..thing.clone() };
    let (thing, other) = (by_digest(&thing), by_digest(&other));
    let report = world.report(&other).await;
    for digest in [report, other.digest.to_string(), thing.digest.to_string()] {
        world.document(&thing, &digest).await.expect(404);
        let path = format!("/artifacts/attestations/{digest}?artifact={}", thing.name);
        world.api(Method::DELETE, &path, &Value::Null).await.expect(404);
    }
    world.send(Ask::get(format!("/v2/team/app/manifests/{}", other.digest))).await.expect(200);
    assert_eq!(world.referrers(&other, "").await.len(), 1);
}
