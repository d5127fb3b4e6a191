//! What says to be something else than it is: it counts for nothing, and gives nothing away.

use serde_json::json;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::manifest::{Descriptor, MANIFEST};
use zas_proxy::supply_chain::statement::COSIGN_SIGN_V1;

use super::ask::Ask;
use super::gate::at_both_doors;
use super::world::{API, INDEX, MAKER, READER, World, get, object, only_signed, signature};

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_was_attached_as_a_report_with_the_right_to_attest_is_none() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let digest = world.put("app", "bytes of the app").await;
    world.rule(&only_signed()).await;
    let attesting =
        json!({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "supply:Attest"], "Resource": "*"}]});
    world.sidecar.attach("attesters", &attesting, "/attesters").await;
    world.sidecar.refresh().await;
    let made = signature(&pair, &object(&digest));
    for blob in &made.blobs {
        world.blob(MAKER, "s3/prod", std::str::from_utf8(blob).unwrap()).await;
    }
    let push = async |text: String| {
        let target = format!("/v2/s3/prod/manifests/{}", Digest::of(text.as_bytes()));
        world.ask("/attesters", Ask::put(target).header("content-type", MANIFEST).body(text)).await
    };
    let honest = String::from_utf8(made.manifest.clone()).unwrap();
    let disguised = honest.replace(COSIGN_SIGN_V1, "https://example.com/report/v1");
    assert_ne!(honest, disguised);
    assert_eq!(push(honest).await.status, 403, "that takes the right to sign");
    push(disguised).await.expect(201);
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [403, 403, 403, 403]);
    let question = json!({"artifact": "s3://prod/app", "signers": ["key/ci"]});
    let verified =
        world.ask(MAKER, Ask::post(format!("{API}/artifacts/verify")).json(&question)).await.expect(200).json();
    assert_eq!(verified["verdict"]["passed"], json!(false), "{verified:#}");
    assert_eq!(verified["evidence"][0]["code"], json!("attached_as_other"), "{verified:#}");
    world.attach("s3/prod", &made).await;
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [200, 200, 200, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_no_attestation_because_an_index_says_so() {
    let world = World::new().await;
    let image = world.push("v1", "layer").await;
    let statement = "a statement";
    world.blob(MAKER, "prod/app", statement).await;
    let attestation = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [Descriptor::of("application/vnd.in-toto+json", statement.as_bytes())]});
    let text = attestation.to_string();
    let digest = Digest::of(text.as_bytes()).to_string();
    let attestation = world.manifest("prod/app", &digest, MANIFEST, &text).await;
    let about = |manifest: &Descriptor| {
        json!({"mediaType": MANIFEST, "digest": manifest.digest.to_string(), "size": manifest.size, "annotations": {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest.to_string()}})
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [about(&image), about(&attestation)]});
    let index = world.manifest("prod/app", "all", INDEX, &index.to_string()).await;
    let path = |manifest: &Descriptor| {
        format!("{API}/artifacts/attestations/{}?artifact=oci://prod/app@{}", manifest.digest, index.digest)
    };
    world.rule(&json!([])).await;
    world.ask(READER, get(path(&image))).await.expect(200);
    world.rule(&only_signed()).await;
    let refused = world.ask(READER, get(path(&image))).await.expect(403);
    assert_ne!(refused.body, "layer");
    assert_eq!(world.ask(READER, get(path(&attestation))).await.expect(200).body, statement);
}
