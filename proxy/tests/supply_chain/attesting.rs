//! What is said of artifacts: by the service with a key for reports, and by clients that have signed themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zas_proxy::supply_chain::bundle::Content;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::legacy::Layer;
use zas_proxy::supply_chain::statement::{Statement, Subject};
use zas_proxy::supply_chain::verify::{Accept, Evidence, Said, SignerName};

use crate::ask::Ask;
use crate::support::{expected, key, outcome, said};
use crate::world::{API, Thing, World};

const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

fn passed() -> Value {
    json!({"result": "PASSED", "configuration": [{"name": "ci.yml"}], "passedTests": ["a", "b"]})
}

/// A bundle and an envelope in which a key says this of an artifact.
async fn signed(pair: &KeyPair, about: &Thing, predicate_type: &str, predicate: &Value) -> (Value, Value) {
    let statement = Statement::new(vec![Subject::new("app", &about.digest)], predicate_type, predicate).unwrap();
    let bundle = said(pair, &statement).await;
    let Content::Envelope(envelope) = &bundle.content else { panic!("no envelope") };
    let value = |json: &[u8]| serde_json::from_slice(json).unwrap();
    (value(&bundle.to_json().unwrap()), value(&envelope.to_json().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_reports_is_signed_by_the_service_and_found_by_its_type() {
    let world = World::new().await;
    let believer = world.believer("reports").await;
    for thing in world.things().await {
        let report = json!({"key": "reports", "predicateType": TEST_RESULT, "predicate": passed()});
        let attested = world.attest(&thing, report).await.expect(201).json();
        assert_eq!(
            (&attested["key"]["name"], &attested["verification"]),
            (&json!("reports"), &Value::Null),
            "{attested}"
        );
        assert_eq!(
            (&attested["predicate_type"], &attested["attestation"]["form"]),
            (&json!(TEST_RESULT), &json!("bundle"))
        );
        let listed = world.referrers(&thing, &format!("&kind=attestation&predicateType={TEST_RESULT}")).await;
        assert_eq!((listed.len(), &listed[0]["digest"]), (1, &attested["attestation"]["digest"]));
        assert_eq!(world.referrers(&thing, "&predicateType=https://example.com/other").await.len(), 0);
        let document = world.document(&thing, attested["attestation"]["digest"].as_str().unwrap()).await.expect(200);
        assert_eq!(document.header("x-zas-predicate-type"), TEST_RESULT);
        let artifacts = [thing.digest];
        let asked = expected(&artifacts, Accept::Statements(&[TEST_RESULT]));
        let verified = outcome(&believer, document.body.as_bytes(), &asked).unwrap();
        let Said::Statement(statement) = verified.said else { panic!("no statement") };
        let predicate: Value = serde_json::from_str(statement.predicate.get()).unwrap();
        assert_eq!(predicate, passed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_reports_lies_under_the_older_tag_where_it_was_asked_for() {
    let world = World::new().await;
    let believer = world.believer("reports").await;
    for thing in world.things().await {
        let report = json!({"key": "reports", "predicate_type": TEST_RESULT, "predicate": passed(), "form": "legacy"});
        for _ in 0..2 {
            let attested = world.attest(&thing, report.clone()).await.expect(201).json();
            assert_eq!(attested["attestation"]["form"], json!("legacy"));
        }
        let layers = world.legacy_layers(&thing, "att").await;
        assert_eq!(layers.len(), 2);
        let artifacts = [thing.digest];
        let asked = expected(&artifacts, Accept::Statements(&[TEST_RESULT]));
        for layer in layers {
            assert_eq!(layer.annotations["predicateType"], TEST_RESULT);
            believer.verify(&Evidence::Legacy(layer), &asked).unwrap();
        }
        let listed = world.referrers(&thing, "&kind=attestation").await;
        let digest = listed[0]["digest"].as_str().unwrap();
        let many = world.document(&thing, digest).await.expect(400).json();
        assert_eq!(many["details"]["field"], json!("layer"), "it must be said which");
        let path = format!("/artifacts/attestations/{digest}?artifact={}", thing.name);
        let second = world.get(&format!("{path}&layer=1")).await.expect(200);
        assert_eq!(second.header("content-type"), "application/vnd.dsse.envelope.v1+json");
        world.get(&format!("{path}&layer=2")).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_signed_is_attached_as_it_is_and_it_is_said_whether_it_is_believed() {
    let world = World::new().await;
    let pair = key(Algorithm::EcdsaP256);
    let thing = world.object("app", "bytes").await;
    let (bundle, envelope) = signed(&pair, &thing, TEST_RESULT, &passed()).await;
    let stranger = world.attest(&thing, json!({ "bundle": bundle })).await.expect(201).json();
    assert_eq!((&stranger["verification"]["verified"], &stranger["key"]), (&json!(false), &Value::Null), "{stranger}");
    assert_eq!(stranger["verification"]["code"], json!("no_trusted_key"));
    let read = world.document(&thing, stranger["attestation"]["digest"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(read, bundle);

    let acme = json!({"name": "acme", "public_key": pair.public().to_pem()});
    world.post("/trusted-keys", &acme).await.expect(201);
    let known = world.attest(&thing, json!({ "bundle": bundle })).await.expect(201).json();
    let verification = json!({"verified": true, "signer": "key/acme", "code": null, "reason": null});
    assert_eq!(known["verification"], verification);
    let older = world.attest(&thing, json!({ "envelope": envelope })).await.expect(201).json();
    assert_eq!((&older["verification"], &older["attestation"]["form"]), (&verification, &json!("legacy")));
    let Layer { bytes, .. } = world.legacy_layers(&thing, "att").await.remove(0);
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), envelope);

    let (signature, _) = signed(&pair, &thing, SIGNATURE, &json!({})).await;
    let attached = world.attest(&thing, json!({ "bundle": signature })).await.expect(201).json();
    assert_eq!(attached["predicate_type"], json!(SIGNATURE));
    assert_eq!(world.referrers(&thing, "&kind=signature").await.len(), 1);
    let snapshot = world.sidecar.app.trust.current().unwrap();
    let artifacts = [thing.digest];
    let verified =
        outcome(&snapshot.verifier, &serde_json::to_vec(&signature).unwrap(), &expected(&artifacts, Accept::Signature));
    assert_eq!(verified.unwrap().signer, SignerName::Key("acme".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_bundle_hides_older_signatures_only_where_it_was_asked_for_by_name() {
    let world = World::new().await;
    let pair = key(Algorithm::EcdsaP256);
    let thing = world.object("app", "bytes").await;
    world.signed_by_a_vendor(&thing).await;
    let (bundle, envelope) = signed(&pair, &thing, TEST_RESULT, &passed()).await;
    let refused = world.attest(&thing, json!({ "bundle": bundle })).await.expect(400).json();
    assert_eq!((&refused["code"], &refused["details"]["field"]), (&json!("invalid_request"), &json!("form")));
    for body in [json!({"bundle": bundle, "form": "legacy"}), json!({"envelope": envelope, "form": "bundle"})] {
        let refused = world.attest(&thing, body).await.expect(400).json();
        assert_eq!((&refused["code"], &refused["details"]["field"]), (&json!("invalid_argument"), &json!("form")));
    }
    assert_eq!(world.bundles(&thing).await, 0);
    let older = world.attest(&thing, json!({ "envelope": envelope })).await.expect(201).json();
    assert_eq!(older["attestation"]["form"], json!("legacy"));
    let asked = world.attest(&thing, json!({"bundle": bundle, "form": "bundle"})).await.expect(201).json();
    assert_eq!((&asked["attestation"]["form"], world.bundles(&thing).await), (&json!("bundle"), 1));
    world.attest(&thing, json!({ "bundle": bundle })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_something_else_or_cannot_be_read_is_not_attached() {
    let world = World::new().await;
    let pair = key(Algorithm::EcdsaP256);
    let (thing, other) = (world.object("app", "bytes").await, world.object("other", "others").await);
    let (bundle, envelope) = signed(&pair, &other, TEST_RESULT, &passed()).await;
    let (malformed, _) = signed(&pair, &thing, TEST_RESULT, &json!({"result": "MAYBE", "configuration": []})).await;
    let (_, signature) = signed(&pair, &thing, SIGNATURE, &json!({})).await;
    for body in [
        json!({ "bundle": bundle }),
        json!({ "envelope": envelope }),
        json!({ "bundle": malformed }),
        json!({ "envelope": signature }),
        json!({"bundle": {}}),
        json!({"envelope": {"payload": "!", "payloadType": "application/vnd.in-toto+json", "signatures": []}}),
        json!({"bundle": bundle, "envelope": envelope}),
        json!({"bundle": bundle, "key": "reports"}),
        json!({"predicate": {}}),
        json!({"predicate": {}, "predicate_type": TEST_RESULT}),
        json!({"predicate": {}, "predicate_type": "no uri", "key": "reports"}),
    ] {
        let refused = world.attest(&thing, body.clone()).await.expect(400).json();
        assert!(
            refused["code"] == json!("invalid_argument") || refused["code"] == json!("invalid_request"),
            "{body} {refused}"
        );
    }
    assert_eq!(world.referrers(&thing, "").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_of_known_types_are_held_to_their_form_and_others_are_taken_as_they_are() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    let deployment = "urn:zot-artifact-store:predicate:deployment:v1";
    for (predicate_type, predicate, place) in [
        ("https://slsa.dev/provenance/v1", json!({"runDetails": {"builder": {"id": "b"}}}), "buildDefinition"),
        ("https://slsa.dev/provenance/v0.2", json!({"buildType": "t"}), "builder"),
        (TEST_RESULT, json!({"result": "MAYBE", "configuration": []}), "result"),
        ("https://openvex.dev/ns/v0.2.0", json!({"@context": "x"}), ""),
        (deployment, json!({}), ""),
    ] {
        let body = json!({"key": "reports", "predicate_type": predicate_type, "predicate": predicate});
        let refused = world.attest(&thing, body).await.expect(400).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(text(&refused["details"]["field"]).starts_with("predicate"), "{predicate_type}: {refused}");
        assert!(text(&refused["message"]).contains(place), "{predicate_type}: {refused}");
    }
    for (predicate_type, predicate) in [
        ("https://example.com/our-own/v1", json!({"anything": [1, 2]})),
        (
            "https://slsa.dev/provenance/v1",
            json!({
            "buildDefinition": {"buildType": "https://example.com/build", "externalParameters": {"ref": "main"}},
            "runDetails": {"builder": {"id": "https://example.com/builder"}}}),
        ),
    ] {
        let body = json!({"key": "reports", "predicate_type": predicate_type, "predicate": predicate});
        world.attest(&thing, body).await.expect(201);
    }
}

/// A bundle that says that an artifact is signed is a signature, whatever way it comes.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_attest_but_not_sign_attaches_no_signature() {
    let world = World::new().await;
    let pair = key(Algorithm::EcdsaP256);
    let thing = world.object("app", "bytes").await;
    world.allow("/attesters", &[("supply:Attest", "releases/*")]).await;
    let attest = async |group: &str, body: Value| {
        let ask = Ask::post(format!("{API}/artifacts/attest")).json(&body);
        world.send_as("ci", group, ask).await
    };
    let (report, _) = signed(&pair, &thing, TEST_RESULT, &passed()).await;
    let (signature, _) = signed(&pair, &thing, SIGNATURE, &json!({})).await;
    attest("/attesters", json!({"artifact": thing.name, "bundle": report})).await.expect(201);
    attest("/attesters", json!({"artifact": thing.name, "bundle": signature})).await.expect(403);
    let ours = json!({"artifact": thing.name, "key": "reports", "predicate_type": TEST_RESULT, "predicate": passed()});
    attest("/attesters", ours.clone()).await.expect(403);
    world
        .allow(
            "/reporters",
            &[("supply:Attest", "releases/*"), ("supply:UseSigningKey", "arn:zas:admin:::signing-key/reports")],
        )
        .await;
    attest("/reporters", ours).await.expect(201);
    assert_eq!(world.referrers(&thing, "&kind=signature").await.len(), 0);
    assert_eq!(world.referrers(&thing, "&kind=attestation").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_as_large_as_the_configuration_says() {
    let world = World::with(|config| config.supply_chain.document_bytes = bytesize::ByteSize::kib(64)).await;
    let thing = world.object("app", "bytes").await;
    let of = |bytes: usize| {
        let predicate = BTreeMap::from([("text", "x".repeat(bytes))]);
        json!({"key": "reports", "predicate_type": "https://example.com/p", "predicate": predicate})
    };
    world.attest(&thing, of(60 * 1024)).await.expect(201);
    world.attest(&thing, of(65 * 1024)).await.expect(413);
}
