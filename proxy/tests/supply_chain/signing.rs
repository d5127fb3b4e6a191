//! Artifacts that the service signs over its management API, as those who believe its public key see them.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::supply_chain::legacy::Repository;
use zas_proxy::supply_chain::manifest::legacy_tag;
use zas_proxy::supply_chain::verify::{Accept, Evidence, Expected, Said, SignerName};

use crate::ask::{Answer, Ask};
use crate::support::{at, code, expected, outcome};
use crate::world::{API, HOST, Thing, World};

/// The digests of the signatures that were made, by form.
fn made(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let made = answer["signatures"].as_array().unwrap();
    made.iter().map(|made| (text(&made["form"]), text(&made["digest"]))).collect()
}

fn forms(answer: &Value) -> Vec<String> {
    made(answer).into_iter().map(|(form, _)| form).collect()
}

/// Waits for something that a sidecar writes down soon.
async fn records(world: &World, answer: &Answer) -> Vec<Value> {
    for _ in 0..100 {
        let records = world.sidecar.records(answer.header("x-request-id")).await;
        let of = |kind: &str| records.iter().filter(|record| record["kind"] == kind).count();
        if of("outcome") > 0 && of("outcome") == of("intent") {
            return records;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nothing is on record of {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_an_object_in_parts_and_an_image_are_signed_and_whoever_has_the_public_key_believes_it() {
    let world = World::new().await;
    let believer = world.believer("release").await;
    for thing in world.things().await {
        let signed = world.sign(&thing, json!({})).await.expect(201).json();
        assert_eq!(signed["artifact"]["digest"], json!(thing.digest.to_string()), "{signed}");
        assert_eq!(signed["artifact"]["object_digest"], json!(thing.content.map(|content| content.to_string())));
        assert_eq!((&signed["key"]["name"], &signed["key"]["generation"]), (&json!("release"), &json!(1)));
        let [(form, digest)] = &made(&signed)[..] else { panic!("{signed}") };
        assert_eq!(form, "bundle");
        let listed = world.referrers(&thing, "&kind=signature").await;
        assert_eq!((listed.len(), &listed[0]["digest"]), (1, &json!(digest)), "{listed:?}");
        assert_eq!(listed[0]["annotations"]["zot-artifact-store.signing-key"], json!("release/1"));
        assert_eq!(listed[0]["predicate_type"], json!("https://sigstore.dev/cosign/sign/v1"));

        let bundle = world.document(&thing, digest).await.expect(200);
        assert_eq!(bundle.header("content-type"), "application/vnd.dev.sigstore.bundle.v0.3+json");
        assert_eq!(bundle.header("x-content-type-options"), "nosniff");
        for subject in [Some(thing.digest), thing.content].into_iter().flatten() {
            let verified = outcome(&believer, bundle.body.as_bytes(), &expected(&[subject], Accept::Signature));
            assert_eq!(verified.unwrap().signer, SignerName::Key("release".into()), "{}", thing.name);
        }
        assert_eq!(world.legacy_layers(&thing, "sig").await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_clients_find_a_signature_under_its_tag_where_it_was_asked_for() {
    let world = World::new().await;
    let believer = world.believer("release").await;
    for thing in world.things().await {
        let signed = world.sign(&thing, json!({"legacy": true})).await.expect(201).json();
        assert_eq!(forms(&signed), ["legacy", "bundle"]);
        assert_eq!(signed["signatures"][0]["tag"], json!(legacy_tag(&thing.digest, "sig")));
        world.sign(&thing, json!({"legacy": true})).await.expect(201);
        let layers = world.legacy_layers(&thing, "sig").await;
        assert_eq!(layers.len(), 2, "one is added to the other");
        let hosts = [HOST.to_owned()];
        for layer in layers {
            let artifacts = [thing.digest];
            let repository = Repository { name: &thing.repository, hosts: &hosts };
            let asked: Expected<'_> = at(expected(&artifacts, Accept::Signature), repository);
            let verified = believer.verify(&Evidence::Legacy(layer), &asked).unwrap();
            assert!(matches!(&verified.said, Said::Image(image) if *image == format!("{HOST}/{}", thing.repository)));
        }
    }
}

/// cosign looks for bundles first: one of whatever kind hides what there is of the older form.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_in_the_older_form_alone_is_signed_and_attested_in_it_unless_a_bundle_is_asked_for_by_name() {
    let world = World::new().await;
    let believer = world.believer("release").await;
    let image = world.image("team/old", "bytes").await;
    let object = world.object("old.tgz", "bytes").await;
    for thing in [image, object] {
        world.signed_by_a_vendor(&thing).await;
        let result = json!({"key": "reports", "predicate_type": "https://in-toto.io/attestation/test-result/v0.1",
            "predicate": {"result": "PASSED", "configuration": [{"name": "ci.yml"}]}});
        let attested = world.attest(&thing, result.clone()).await.expect(201).json();
        assert_eq!(attested["attestation"]["form"], json!("legacy"));
        assert_eq!(attested["attestation"]["tag"], json!(legacy_tag(&thing.digest, "att")));
        for more in [json!({}), json!({"legacy": true}), json!({"form": "legacy"})] {
            assert_eq!(forms(&world.sign(&thing, more).await.expect(201).json()), ["legacy"]);
        }
        let layers = world.legacy_layers(&thing, "sig").await;
        assert_eq!(layers.len(), 4, "what was there stays");
        let (artifacts, hosts) = ([thing.digest], [HOST.to_owned()]);
        let repository = Repository { name: &thing.repository, hosts: &hosts };
        let asked: Expected<'_> = at(expected(&artifacts, Accept::Signature), repository);
        assert!(believer.verify(&Evidence::Legacy(layers[1].clone()), &asked).is_ok());
        assert_eq!(world.bundles(&thing).await, 0, "one would hide the vendor's signature");

        assert_eq!(forms(&world.sign(&thing, json!({"form": "bundle"})).await.expect(201).json()), ["bundle"]);
        let attested = world.attest(&thing, result).await.expect(201).json();
        assert_eq!(attested["attestation"]["form"], json!("bundle"), "a bundle is there: another hides nothing");
        assert_eq!(forms(&world.sign(&thing, json!({})).await.expect(201).json()), ["bundle"]);
        assert_eq!(world.legacy_layers(&thing, "sig").await.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_attestation_alone_is_hidden_by_no_bundle_of_the_service() {
    let world = World::new().await;
    let report = |more: Value| {
        let mut report = json!({"key": "reports", "predicate_type": "https://example.com/p", "predicate": {}});
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        report
    };
    for thing in world.things().await {
        world.attest(&thing, report(json!({"form": "legacy"}))).await.expect(201);
        assert_eq!(forms(&world.sign(&thing, json!({})).await.expect(201).json()), ["legacy"]);
        let attested = world.attest(&thing, report(json!({}))).await.expect(201).json();
        assert_eq!(attested["attestation"]["form"], json!("legacy"));
        assert_eq!(world.bundles(&thing).await, 0, "cosign verify-attestation would no longer find the first");
        assert_eq!(forms(&world.sign(&thing, json!({"form": "bundle"})).await.expect(201).json()), ["bundle"]);
    }
}

/// An older signature says for which registry it is.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_older_signature_for_a_registry_that_they_have_made_up() {
    let world = World::with(|config| config.listen.external_url = None).await;
    let thing = world.object("app", "bytes").await;
    for more in [json!({"legacy": true}), json!({"form": "legacy"})] {
        let refused = world.sign(&thing, more).await.expect(400).json();
        assert!(refused.to_string().contains("listen.external_url"), "{refused}");
    }
    assert_eq!(world.referrers(&thing, "").await, [] as [Value; 0]);
    world.sign(&thing, json!({})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_signer_says_besides_is_signed_with_the_rest() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    let said = json!({"annotations": {"build": "1742", "branch": "main"}, "legacy": true});
    let signed = world.sign(&thing, said).await.expect(201).json();
    let (_, digest) = &made(&signed)[1];
    let bundle = world.document(&thing, digest).await.expect(200);
    let artifacts = [thing.digest];
    let verified =
        outcome(&world.believer("release").await, bundle.body.as_bytes(), &expected(&artifacts, Accept::Signature));
    let Said::Statement(statement) = verified.unwrap().said else { panic!("no statement") };
    assert_eq!(statement.subjects[0].annotations["build"], json!("1742"));
    let payload = String::from_utf8(world.legacy_layers(&thing, "sig").await.remove(0).bytes).unwrap();
    assert!(payload.contains(r#""branch":"main""#), "{payload}");

    let many: serde_json::Map<String, Value> = (0..65).map(|n| (n.to_string(), json!(""))).collect();
    for annotations in [json!(many), json!({"long": "x".repeat(16 * 1024)})] {
        let refused = world.sign(&thing, json!({ "annotations": annotations })).await.expect(400).json();
        assert_eq!(refused["details"]["field"], json!("annotations"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_what_it_is_for_as_long_as_it_may() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    let refused = world.sign(&thing, json!({"key": "reports"})).await.expect(400).json();
    assert_eq!((&refused["details"]["field"], &refused["details"]["usage"]), (&json!("key"), &json!("report")));
    let attest = json!({"key": "release", "predicate_type": "https://example.com/p", "predicate": {}});
    let refused = world.attest(&thing, attest).await.expect(400).json();
    assert_eq!(refused["details"]["usage"], json!("release"));
    for said in ["https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/verification_summary/v1"] {
        let attest = json!({"key": "reports", "predicate_type": said, "predicate": {}});
        world.attest(&thing, attest).await.expect(400);
    }
    let missing = world.sign(&thing, json!({"key": "none"})).await.expect(404).json();
    assert_eq!(missing["details"]["field"], json!("key"), "{missing}");
    world.post("/signing-keys/release/rotate", &json!({})).await.expect(201);
    assert_eq!(world.sign(&thing, json!({})).await.expect(201).json()["key"]["generation"], json!(2));
    let path = "/signing-keys/release/generations/2";
    world.api(Method::PATCH, path, &json!({"disabled": true})).await.expect(200);
    let refused = world.sign(&thing, json!({})).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert_eq!(world.referrers(&thing, "").await.len(), 1, "nothing else was attached");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_signed() {
    let world = World::new().await;
    for (name, code) in [
        ("s3://releases/none", "no_such_key"),
        ("s3://none/app", "no_such_bucket"),
        ("oci://team/none:v1", "name_unknown"),
        (&format!("oci://team/none@sha256:{}", "0".repeat(64)), "name_unknown"),
    ] {
        let body = json!({"artifact": name, "key": "release"});
        let refused = world.post("/artifacts/sign", &body).await.expect(404).json();
        assert!([json!(code), json!("manifest_unknown")].contains(&refused["code"]), "{name} {refused}");
    }
    let thing = world.image("team/app", "bytes").await;
    let by_digest = Thing { name: format!("oci://team/app@{}", thing.digest), ..thing };
    let signed = world.sign(&by_digest, json!({})).await.expect(201).json();
    assert_eq!(signed["artifact"]["name"], json!(by_digest.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signature_is_on_record_with_its_key_and_counted() {
    let world = World::new().await;
    // All sidecars of this process count together: a key of its own.
    world.post("/signing-keys", &json!({"name": "counted", "usage": "release"})).await.expect(201);
    for thing in world.things().await {
        let signed = world.sign(&thing, json!({"legacy": true, "key": "counted"})).await.expect(201);
        let records = records(&world, &signed).await;
        let digests = made(&signed.json()).into_iter().map(|(_, digest)| digest);
        for digest in digests {
            let of = |kind: &str| {
                let is_it = |record: &&Value| record["kind"] == kind && record.to_string().contains(&digest);
                records.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} of {digest}: {records:#?}"))
            };
            for kind in ["intent", "outcome"] {
                let record = of(kind).to_string();
                for part in ["supply:Sign", "user/maker"] {
                    assert!(record.contains(part), "{part}: {record}");
                }
            }
            assert!(of("outcome").to_string().contains("signed with counted/1"), "{records:#?}");
        }
    }
    let metrics = world.send(Ask::get("/-/metrics")).await.expect(200).body;
    for operation in ["sign", "sign_legacy"] {
        let line = metrics.lines().find(|line| {
            line.starts_with("zas_signing_operations_total{")
                && line.contains(&format!("operation=\"{operation}\""))
                && line.contains("key=\"counted\"")
        });
        assert!(line.is_some_and(|line| line.ends_with(" 3")), "{operation}: {line:?}");
    }
    assert!(metrics.contains("zas_signing_duration_seconds"), "how long it takes is measured");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials_that_is_attested_is_counted_as_a_use_of_its_key() {
    let world = World::new().await;
    // All sidecars of this process count together: a key of its own.
    world.post("/signing-keys", &json!({"name": "counted-sboms", "usage": "report"})).await.expect(201);
    let thing = world.object("app", "bytes").await;
    let sbom = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}"#;
    let target = format!("{API}/artifacts/sbom?attestation=counted-sboms&artifact={}", thing.name);
    let ask = Ask::post(target).header("content-type", "application/vnd.cyclonedx+json").body(sbom);
    world.send(ask).await.expect(201);
    let metrics = world.send(Ask::get("/-/metrics")).await.expect(200).body;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("zas_signing_operations_total{") && line.contains("key=\"counted-sboms\""));
    let is_counted = |line: &str| line.contains("operation=\"attest\"") && line.ends_with(" 1");
    assert!(line.is_some_and(is_counted), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_signs_once() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    let body = json!({"artifact": thing.name, "key": "release"});
    let ask = || Ask::post(format!("{API}/artifacts/sign")).json(&body).header("idempotency-key", "k-1");
    let first = world.send(ask()).await.expect(201);
    let again = world.send(ask()).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
    assert_eq!(world.referrers(&thing, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_counts_in_the_quota_of_its_bucket() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    world.api(Method::PUT, "/buckets/releases/quota", &json!({"max_bytes": 100})).await.expect(200);
    let refused = world.sign(&thing, json!({})).await;
    assert!(refused.body.contains("quota"), "{refused:?}");
    assert_eq!(world.referrers(&thing, "").await, [] as [Value; 0]);
    world.api(Method::PUT, "/buckets/releases/quota", &json!({"max_bytes": 1_000_000})).await.expect(200);
    world.sign(&thing, json!({})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_key_has_signed_is_believed_by_no_replica() {
    let world = World::new().await;
    let thing = world.object("app", "bytes").await;
    let signed = world.sign(&thing, json!({})).await.expect(201).json();
    let bundle = world.document(&thing, &made(&signed)[0].1).await.expect(200).body;
    let artifacts = [thing.digest];
    let ask = || {
        let snapshot = world.sidecar.app.trust.current().unwrap();
        outcome(&snapshot.verifier, bundle.as_bytes(), &expected(&artifacts, Accept::Signature))
    };
    assert_eq!(ask().unwrap().signer, SignerName::SigningKey("release".into(), 1));
    // Told by another process, as it were.
    let path = "/signing-keys/release/generations/1/revoke";
    let other = world.sidecar.replica(|_| {}).await;
    let token = format!("Bearer {}", world.sidecar.token("maker", &["/all"]));
    let revoke = Ask::post(format!("{API}{path}")).json(&json!({"reason": "stolen"}));
    other.client.send(&revoke, Some(&token)).await.expect(200);
    other.stop().await;
    for _ in 0..100 {
        if ask().is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(code(ask()), "signer_revoked");
}
