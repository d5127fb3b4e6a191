//! Verdicts as signed statements: what they say, by which key, and where they are attached.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use zas_policy::Action;
use zas_proxy::supply_chain::attach::{NewReferrerDocument, attach};
use zas_proxy::supply_chain::bundle::{Bundle, Content};
use zas_proxy::supply_chain::dsse;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
use zas_proxy::supply_chain::legacy::{Layer, Payload};
use zas_proxy::supply_chain::manifest::{append_legacy, legacy_tag};
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{SLSA_VSA_V1, Statement};

use super::ask::Ask;
use super::world::{API, OBJECT, World};

/// The statement of a bundle that the key for verdicts has signed.
async fn stated(world: &World, bundle: &str) -> Statement {
    let key = world.ask(Method::GET, "/signing-keys/verdicts/public-key", &Value::Null).await.expect(200).body;
    let key = PublicKey::from_pem(&key).unwrap();
    let Content::Envelope(envelope) = Bundle::parse(bundle.as_bytes()).unwrap().content else { panic!("an envelope") };
    assert!(key.has_signed(&envelope.pae(), &envelope.signature));
    Statement::parse(&envelope.payload).unwrap()
}

async fn summary(world: &World, verdict: &Value) -> String {
    let path = format!("/verdicts/{}/summary", verdict["id"].as_str().unwrap());
    let answer = world.ask(Method::GET, &path, &Value::Null).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.dev.sigstore.bundle.v0.3+json");
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_signed_by_the_key_for_verdicts_and_says_what_was_found() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    let verified = world.verify(OBJECT).await;
    let verdict = &verified["verdict"];
    assert_eq!(verdict["signed"], json!(true));
    let statement = stated(&world, &summary(&world, verdict).await).await;
    let artifact = world.resolved(OBJECT).await;
    assert_eq!(statement.predicate_type, SLSA_VSA_V1);
    assert_eq!(statement.matching(&artifact.digests()).count(), 2, "the manifest and the bytes");
    let said: Value = serde_json::from_str(statement.predicate.get()).unwrap();
    assert_eq!((&said["verificationResult"], &said["resourceUri"]), (&json!("PASSED"), &json!(OBJECT)));
    assert_eq!(said["verifier"]["id"], json!("https://registry.example/-/api/v1"));
    assert_eq!(said["policy"]["uri"], json!("https://registry.example/-/api/v1/verification-policies/release"));
    let digest = verdict["policy_digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert_eq!(said["policy"]["digest"]["sha256"], json!(digest));
    assert_eq!(said["inputAttestations"].as_array().unwrap().len(), 1);
    assert_eq!(said["inputAttestations"][0]["digest"]["sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_verdict_is_attached_and_the_one_before_it_is_not() {
    let world = World::new().await;
    world.signed_by_release().await;
    let failed = world.verify(OBJECT).await["verdict"].clone();
    assert!(failed["attached"].is_string());
    let statement = stated(&world, &summary(&world, &failed).await).await;
    assert!(statement.predicate.get().contains(r#""verificationResult":"FAILED""#));
    world.sign(OBJECT).await;
    let passed = world.verify(OBJECT).await["verdict"].clone();
    let attached = world.attached(OBJECT).await;
    let verdicts: Vec<_> = attached.iter().filter(|one| one["predicate_type"] == json!(SLSA_VSA_V1)).collect();
    assert_eq!(verdicts.len(), 1, "{attached:?}");
    assert_eq!((&verdicts[0]["digest"], attached.len()), (&passed["attached"], 2));
    assert_eq!(world.verify(OBJECT).await["verdict"]["cached"], json!(true), "it is no evidence for another one");
}

/// The digests of what a verdict says to have been made of.
async fn inputs(world: &World, verdict: &Value) -> BTreeSet<String> {
    let statement = stated(world, &summary(world, verdict).await).await;
    let said: Value = serde_json::from_str(statement.predicate.get()).unwrap();
    let inputs = said["inputAttestations"].as_array().unwrap();
    inputs.iter().map(|input| input["uri"].as_str().unwrap().rsplit_once('@').unwrap().1.to_owned()).collect()
}

/// The digests of the manifests that are attached to the object, verdicts left out.
async fn evidence(world: &World) -> BTreeSet<String> {
    let attached = world.attached(OBJECT).await.into_iter();
    let evidence = attached.filter(|one| one["predicate_type"] != json!(SLSA_VSA_V1));
    evidence.map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_verdict_is_made_of_all_evidence_and_not_of_the_first() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    let first = world.verify(OBJECT).await["verdict"].clone();
    let before = evidence(&world).await;
    assert_eq!(before.len(), 1, "the signature");
    assert_eq!(inputs(&world, &first).await, before);
    world.attest(OBJECT, "https://acme.example/review/v1", json!({"approved": true})).await;
    let second = world.verify(OBJECT).await["verdict"].clone();
    let after = evidence(&world).await;
    assert_eq!(after.len(), 2, "the signature and the review");
    assert_eq!(inputs(&world, &second).await, after);
    assert!(!after.contains(first["attached"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials_that_nobody_has_signed_is_an_input_where_the_policy_takes_it() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "components": [{"type": "library", "name": "a", "version": "1", "purl": "pkg:npm/a@1"}]})
    .to_string();
    let post = Ask::post(format!("{API}/artifacts/sbom?artifact={OBJECT}"));
    let post = post.header("content-type", "application/vnd.cyclonedx+json").body(sbom);
    world.sidecar.as_root(&post).await.expect(201);
    let strict = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!(inputs(&world, &strict).await.len(), 1, "the signature alone");
    world.policy(json!([{"name": "listed", "sbom": {"unsigned": true}}])).await;
    let lenient = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!(lenient["passed"], json!(true), "{lenient}");
    let all = evidence(&world).await;
    assert_eq!(all.len(), 2, "the signature and what nobody has signed");
    assert_eq!(inputs(&world, &lenient).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_not_attached_where_it_would_hide_older_attestations() {
    let world = World::new().await;
    let reference = OBJECT.parse().unwrap();
    let (artifact, permit) = (world.resolved(OBJECT).await, world.permit(&reference, Action::Attest));
    let annotations = [("predicateType".to_owned(), "https://example.com/p".to_owned())].into();
    let layer = Layer { media_type: dsse::MEDIA_TYPE.to_owned(), bytes: b"{}".to_vec(), annotations };
    let document =
        NewReferrerDocument::tagged(append_legacy(None, &layer).unwrap(), legacy_tag(&artifact.digest, "att"));
    attach(&world.sidecar.app, &permit, &artifact, document).await.unwrap();
    world.signed_by_release().await;
    let verdict = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!((&verdict["signed"], &verdict["attached"]), (&json!(true), &Value::Null), "{verdict:#}");
    assert_eq!(world.attached(OBJECT).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_not_attached_where_it_would_hide_older_signatures() {
    let world = World::new().await;
    world.signed_by_release().await;
    let reference = OBJECT.parse().unwrap();
    let (artifact, permit) = (world.resolved(OBJECT).await, world.permit(&reference, Action::Sign));
    let payload = Payload {
        reference: "registry.example/s3/releases/linux".to_owned(),
        digest: artifact.digest,
        annotations: Default::default(),
    };
    let theirs = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let layer = sign::sign_legacy(&theirs, &payload).await.unwrap();
    let image = append_legacy(None, &layer).unwrap();
    let document = NewReferrerDocument::tagged(image, legacy_tag(&artifact.digest, "sig"));
    attach(&world.sidecar.app, &permit, &artifact, document).await.unwrap();
    let key = json!({"name": "theirs", "public_key": theirs.public().to_pem()});
    world.post("/trusted-keys", &key, 201).await;
    world.policy(json!([{"name": "signed", "signatures": {"signers": ["key/theirs"]}}])).await;
    let verdict = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!(
        (&verdict["passed"], &verdict["signed"], &verdict["attached"]),
        (&json!(true), &json!(true), &Value::Null),
        "an older signature by a folder that the object is in"
    );
    assert_eq!(world.attached(OBJECT).await.len(), 1);
    let statement = stated(&world, &summary(&world, &verdict).await).await;
    assert!(statement.predicate.get().contains("PASSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_for_verdicts_they_are_kept_unsigned() {
    let world = World::with(|config| config.supply_chain.verdict_key = None).await;
    world.signed_by_release().await;
    let verdict = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!((&verdict["signed"], &verdict["attached"]), (&json!(false), &Value::Null));
    let path = format!("/verdicts/{}/summary", verdict["id"].as_str().unwrap());
    world.ask(Method::GET, &path, &Value::Null).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_releases_signs_no_verdict_and_the_one_before_counts_no_more_all_the_same() {
    let world = World::with(|config| config.supply_chain.verdict_key = Some("release".to_owned())).await;
    world.signed_by_release().await;
    let signed = world.sign(OBJECT).await;
    let passed = world.verify(OBJECT).await["verdict"].clone();
    assert_eq!(
        (&passed["passed"], &passed["signed"], &passed["attached"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    assert_eq!(world.passed(OBJECT).await, ["release"]);
    assert_eq!(world.attached(OBJECT).await.len(), 1, "the signature alone");
    let path =
        format!("/artifacts/attestations/{}?artifact={OBJECT}", signed["signatures"][0]["digest"].as_str().unwrap());
    world.ask(Method::DELETE, &path, &Value::Null).await.expect(204);
    assert!(world.refresh().await);
    let listed = world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await;
    assert_eq!(
        (&listed["verdicts"][0]["passed"], &listed["verdicts"][0]["signed"], &listed["verdicts"][0]["counts"]),
        (&json!(false), &json!(false), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_is_no_longer_so_is_replaced_while_nothing_can_be_signed() {
    let world = World::new().await;
    world.signed_by_release().await;
    world.sign(OBJECT).await;
    world.verify(OBJECT).await;
    world.post("/signing-keys/verdicts/generations/1/revoke", &json!({"reason": "stolen"}), 200).await;
    let app = &world.sidecar.app;
    app.trust.refresh(&app.index).await.unwrap();
    world.policy(json!([{"name": "tested", "tests": {"signers": ["signing-key/reports"]}}])).await;
    assert!(world.refresh().await);
    let listed = world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await;
    assert_eq!(
        (&listed["verdicts"][0]["passed"], &listed["verdicts"][0]["signed"]),
        (&json!(false), &json!(false)),
        "{listed}"
    );
    let attached = world.attached(OBJECT).await;
    assert!(attached.iter().all(|one| one["predicate_type"] != json!(SLSA_VSA_V1)), "the PASSED is attached no more");
}
