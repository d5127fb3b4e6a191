//! Bills of materials by REST: attached, listed, read, removed; and validated.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::digest::Digest;

use super::ask::{Answer, Ask};
use super::world::{API, MAKER, READER, SBOM, World, get, object, plain_sbom};

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

fn post(artifact: &str, more: &str, body: &str) -> Ask {
    let artifact: String = url::form_urlencoded::byte_serialize(artifact.as_bytes()).collect();
    Ask::post(format!("{API}/artifacts/sbom?artifact={artifact}{more}")).header("content-type", CYCLONEDX).body(body)
}

fn of(artifact: &str, digest: &str) -> String {
    let artifact: String = url::form_urlencoded::byte_serialize(artifact.as_bytes()).collect();
    match digest {
        "" => format!("{API}/artifacts/sboms?artifact={artifact}"),
        digest => format!("{API}/artifacts/sboms/{digest}?artifact={artifact}"),
    }
}

async fn listed(world: &World, artifact: &str) -> Value {
    world.ask(READER, get(of(artifact, ""))).await.expect(200).json()["sboms"].clone()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials_is_attached_listed_read_and_removed() {
    let world = World::new().await;
    world.put("linux/app", "bytes").await;
    let image = world.push("v1", "layer").await;
    let by_digest = format!("oci://prod/app@{}", image.digest);
    for artifact in ["s3://prod/linux/app", "oci://prod/app:v1"] {
        let attached = world.ask(MAKER, post(artifact, "", SBOM)).await.expect(201);
        let made = attached.json();
        let digest = Digest::of(SBOM.as_bytes()).to_string();
        assert_eq!((made["digest"].as_str(), &made["sbom"]["components"]), (Some(digest.as_str()), &json!(2)));
        let again = world.ask(MAKER, post(artifact, "", SBOM)).await.expect(201).json();
        assert_eq!(again["carrier"], made["carrier"], "the same document is there once");
        let list = listed(&world, artifact).await;
        assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
        assert_eq!(
            (&list[0]["carried"], &list[0]["valid"], &list[0]["format"]),
            (&json!("referrer"), &json!(true), &json!("cyclonedx"))
        );
        let read = world.ask(READER, get(attached.header("location"))).await.expect(200);
        assert_eq!((read.body.as_str(), read.header("content-type")), (SBOM, CYCLONEDX));
        let remove = || Ask::delete(of(artifact, &digest));
        assert_eq!(world.ask(READER, remove()).await.status, 403);
        world.ask(MAKER, remove()).await.expect(204);
        assert_eq!(listed(&world, artifact).await, json!([]));
        assert_eq!(code(&world.ask(MAKER, remove()).await), (404, "no_such_entity".into()));
        assert_eq!(world.ask(READER, get(of(artifact, &digest))).await.status, 404);
    }
    assert_eq!(listed(&world, &by_digest).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials_that_is_attached_under_a_type_of_ones_own_is_found_by_its_layer() {
    let world = World::new().await;
    let object = object(&world.put("app", "bytes").await);
    let image = world.push("v1", "layer").await;
    for (subject, at, artifact) in [(&object, "s3/prod", "s3://prod/app"), (&image, "prod/app", "oci://prod/app:v1")] {
        let mut made = plain_sbom(subject);
        let mut manifest: Value = serde_json::from_slice(&made.manifest).unwrap();
        manifest["artifactType"] = json!("application/vnd.example.report");
        made.manifest = manifest.to_string().into_bytes();
        world.attach(at, &made).await;
        let list = listed(&world, artifact).await;
        assert_eq!(list[0]["digest"], json!(Digest::of(SBOM.as_bytes()).to_string()), "{artifact}: {list}");
        assert_eq!(list[0]["carried"], json!("referrer"), "{artifact}: {list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_breaks_rules_is_refused_place_by_place_and_not_attached() {
    let world = World::new().await;
    world.put("app", "bytes").await;
    let wrong = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
        {"type":"library","bom-ref":"a","name":"a","purl":"no purl"},{"type":"nonsense","bom-ref":"a","name":"b"}]}"#;
    let refused = world.ask(MAKER, post("s3://prod/app", "", wrong)).await;
    assert_eq!(code(&refused), (400, "sbom_invalid".into()));
    let body = refused.json();
    let problems = body["problems"].as_array().unwrap();
    let of =
        |rule: &str| problems.iter().find(|problem| problem["rule"] == rule).map(|problem| problem["field"].clone());
    assert_eq!(of("package_url"), Some(json!("/components/0/purl")), "{body:#}");
    assert_eq!(of("schema"), Some(json!("/components/1/type")), "{body:#}");
    assert!(of("duplicate_id").is_some(), "{body:#}");
    assert_eq!(listed(&world, "s3://prod/app").await, json!([]));
    for (text, expected) in [
        ("{", (400, "sbom_invalid")),
        ("{}", (415, "sbom_unsupported")),
        ("nonsense", (415, "sbom_unsupported")),
        (r#"{"bomFormat":"CycloneDX","specVersion":"1.0"}"#, (415, "sbom_unsupported")),
    ] {
        let refused = world.ask(MAKER, post("s3://prod/app", "", text)).await;
        assert_eq!(code(&refused), (expected.0, expected.1.into()), "{text}: {}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials_can_be_signed_as_an_attestation() {
    let world = World::new().await;
    world.put("app", "bytes").await;
    let key = json!({"name": "reports", "usage": "report"});
    world.ask(MAKER, Ask::post(format!("{API}/signing-keys")).json(&key)).await.expect(201);
    let attached = world.ask(MAKER, post("s3://prod/app", "&attestation=reports", SBOM)).await.expect(201).json();
    let list = listed(&world, "s3://prod/app").await;
    assert_eq!((&list[0]["carried"], &list[0]["carrier"]), (&json!("attestation"), &attached["carrier"]));
    let digest = Digest::of(SBOM.as_bytes()).to_string();
    let read = world.ask(READER, get(of("s3://prod/app", &digest))).await.expect(200);
    let (read, sent): (Value, Value) = (read.json(), serde_json::from_str(SBOM).unwrap());
    assert_eq!(read, sent);
    world.ask(MAKER, Ask::delete(of("s3://prod/app", &digest))).await.expect(204);
    let unknown = world.ask(MAKER, post("s3://prod/app", "&attestation=nobody", SBOM)).await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_attaches_once() {
    let world = World::new().await;
    world.put("app", "bytes").await;
    let ask = || post("s3://prod/app", "", SBOM).header("idempotency-key", "k-1");
    let first = world.ask(MAKER, ask()).await.expect(201);
    let again = world.ask(MAKER, ask()).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_learns_nothing() {
    let world = World::new().await;
    world.put("app", "bytes").await;
    world.ask(MAKER, post("s3://prod/app", "", SBOM)).await.expect(201);
    let digest = Digest::of(SBOM.as_bytes()).to_string();
    for (ask, action) in [
        (post("s3://prod/app", "", SBOM), "supply:AttachSBOM"),
        (get(of("s3://prod/app", "")), "supply:GetSBOM"),
        (get(of("s3://prod/none", "")), "supply:GetSBOM"),
        (get(of("s3://prod/app", &digest)), "supply:GetSBOM"),
        (Ask::new(Method::DELETE, of("s3://prod/app", &digest)), "supply:DeleteSBOM"),
    ] {
        let refused = world.ask("/nobody", ask).await;
        assert_eq!(code(&refused), (403, "access_denied".into()));
        assert_eq!(refused.json()["details"]["action"], action);
    }
    assert_eq!(code(&world.ask(READER, get(of("s3://prod/none", ""))).await), (404, "no_such_key".into()));
    assert_eq!(code(&world.ask(READER, get(of("nonsense", ""))).await), (400, "invalid_argument".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_validated_without_an_artifact() {
    let world = World::new().await;
    let validate = |text: &str| Ask::post(format!("{API}/sbom/validate")).header("content-type", CYCLONEDX).body(text);
    let valid = world.ask("/nobody", validate(SBOM)).await.expect(200).json();
    assert_eq!(
        (&valid["valid"], &valid["version"], &valid["purls"], &valid["findings"]),
        (&json!(true), &json!("1.6"), &json!(2), &json!([]))
    );
    let spdx = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: d\n";
    let invalid = world.ask("/nobody", validate(spdx)).await.expect(200).json();
    assert_eq!((&invalid["valid"], &invalid["encoding"]), (&json!(false), &json!("tag-value")));
    assert!(invalid["findings"][0]["message"].is_string(), "{invalid:#}");
    world.sidecar.send(&validate(SBOM), None).await.expect(401);
}
