//! What is attached, by whatever way, is found by what it lists, and goes when it goes.

use serde_json::{Value, json};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::manifest::{Descriptor, MANIFEST, legacy_tag};

use super::ask::Ask;
use super::world::{API, INDEX, MAKER, SBOM, World, get, object, plain_sbom, signature, statement};

/// The artifacts that contain something everybody has heard of, and how their documents are carried.
async fn containing(world: &World) -> Vec<String> {
    let answer = world.ask(MAKER, get(format!("{API}/components?name=log4j-core"))).await.expect(200).json();
    let each = answer["components"].as_array().unwrap().iter();
    let mut found: Vec<String> =
        each.map(|one| format!("{} {}", one["carried"].as_str().unwrap(), one["artifact"].as_str().unwrap())).collect();
    found.sort();
    found
}

async fn until_containing(world: &World, what: &str, expected: &[String]) {
    let mut expected = expected.to_vec();
    expected.sort();
    world.until(what, async || containing(world).await == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_through_either_door_is_indexed_however_it_is_carried() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let digest = world.put("linux/app", "bytes").await;
    let image = world.push("v1", "layer").await;
    let sbom: Value = serde_json::from_str(SBOM).unwrap();
    // `oras attach` at both doors.
    world.attach("s3/prod/linux", &plain_sbom(&object(&digest))).await;
    world.attach("prod/app", &plain_sbom(&image)).await;
    // `cosign attest` to an image of its own.
    let other = world.push("v2", "other layer").await;
    world.attach("prod/app", &statement(&pair, &other, "https://cyclonedx.org/bom", &sbom)).await;
    // A tag of older clients.
    let third = world.push("v3", "third layer").await;
    world.blob(MAKER, "prod/app", SBOM).await;
    let layer = Descriptor::of("application/vnd.cyclonedx+json", SBOM.as_bytes());
    let config = Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}");
    let tagged = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).to_string();
    world.manifest("prod/app", &legacy_tag(&third.digest, "sbom"), MANIFEST, &tagged).await;
    // buildx: beside an image in an index.
    let fourth = world.push("fourth", "fourth layer").await;
    let said = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://cyclonedx.org/bom",
        "subject": [{"name": "app", "digest": {"sha256": fourth.digest.hex()}}], "predicate": sbom})
    .to_string();
    world.blob(MAKER, "prod/app", &said).await;
    let mut layer = Descriptor::of("application/vnd.in-toto+json", said.as_bytes());
    layer.annotations.insert("in-toto.io/predicate-type".into(), "https://cyclonedx.org/bom".into());
    let beside = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).to_string();
    let mut beside = world.manifest("prod/app", &Digest::of(beside.as_bytes()).to_string(), MANIFEST, &beside).await;
    beside.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
    beside.annotations.insert("vnd.docker.reference.digest".into(), fourth.digest.to_string());
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [fourth, beside]}).to_string();
    world.manifest("prod/app", "v4", INDEX, &index).await;

    let named = |manner: &str, digest: &Digest| format!("{manner} oci://prod/app@{digest}");
    let expected = [
        "referrer s3://prod/linux/app".to_owned(),
        named("referrer", &image.digest),
        named("attestation", &other.digest),
        named("referrer", &third.digest),
        named("statement", &fourth.digest),
    ];
    until_containing(&world, "all of it is found", &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_about_something_else_is_not_indexed() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let (image, other) = (world.push("v1", "layer").await, world.push("v2", "other").await);
    let sbom: Value = serde_json::from_str(SBOM).unwrap();
    // It is about the one and refers to the other.
    let about = statement(&pair, &other, "https://cyclonedx.org/bom", &sbom);
    let mut manifest: Value = serde_json::from_slice(&about.manifest).unwrap();
    manifest["subject"] = json!(image);
    let moved = zas_proxy::supply_chain::manifest::Artifact { manifest: manifest.to_string().into_bytes(), ..about };
    let carrier = world.attach("prod/app", &moved).await;
    let looked_at =
        "SELECT count(*) FROM evidence WHERE carrier = $1 AND refusal = 'other_artifact' AND sbom_valid IS NULL";
    world
        .until("it was looked at", async || {
            let count: i64 = sqlx::query_scalar(looked_at)
                .bind(carrier.as_bytes().as_slice())
                .fetch_one(&world.sidecar.pool)
                .await
                .unwrap();
            count == 1
        })
        .await;
    assert!(containing(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_is_found_no_more_and_the_same_bytes_put_again_are_found_again() {
    let world = World::new().await;
    let digest = world.put("a/app", "bytes").await;
    let image = world.push("v1", "layer").await;
    let object_sbom = world.attach("s3/prod", &plain_sbom(&object(&digest))).await;
    let image_sbom = world.attach("prod/app", &plain_sbom(&image)).await;
    let of_image = format!("referrer oci://prod/app@{}", image.digest);
    let of_object = |key: &str| format!("referrer s3://prod/{key}");
    until_containing(&world, "both are found", &[of_object("a/app"), of_image.clone()]).await;
    // The same bytes under another key of the same name have the same manifest, and what is attached to it.
    world.put("b/app", "bytes").await;
    until_containing(&world, "the other key is found", &[of_object("a/app"), of_object("b/app"), of_image.clone()])
        .await;
    world.ask(MAKER, Ask::delete("/prod/a/app")).await.expect(204);
    until_containing(&world, "the object is gone", &[of_object("b/app"), of_image.clone()]).await;
    world.put("a/app", "bytes").await;
    until_containing(&world, "it is put again", &[of_object("a/app"), of_object("b/app"), of_image.clone()]).await;
    world.ask(MAKER, Ask::delete(format!("/v2/prod/app/manifests/{image_sbom}"))).await.expect(202);
    until_containing(&world, "the image's document is gone", &[of_object("a/app"), of_object("b/app")]).await;
    world.ask(MAKER, Ask::delete(format!("/v2/s3/prod/manifests/{object_sbom}"))).await.expect(202);
    until_containing(&world, "the objects' document is gone", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_past_us_is_found_by_walking_through_the_registry() {
    let world = World::new().await;
    let image = world.push("v1", "layer").await;
    world.attach_past("prod/app", &plain_sbom(&image)).await;
    assert!(containing(&world).await.is_empty());
    world.sidecar.app.evidence.walk(&world.sidecar.app).await.unwrap();
    until_containing(&world, "the walk finds it", &[format!("referrer oci://prod/app@{}", image.digest)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_takes_what_is_known_along() {
    let world = World::new().await;
    let digest = world.put("app", "bytes").await;
    world.attach("s3/prod", &plain_sbom(&object(&digest))).await;
    until_containing(&world, "it is found", &["referrer s3://prod/app".to_owned()]).await;
    world.ask(MAKER, Ask::delete("/prod/app")).await.expect(204);
    world.ask(MAKER, Ask::delete(format!("{API}/buckets/prod"))).await.expect(204);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM evidence_subjects").fetch_one(&world.sidecar.pool).await.unwrap();
    assert_eq!(left, 0);
    assert!(containing(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_are_looked_at_before_anybody_asks_are_counted_by_their_signer() {
    let world = World::new().await;
    // Counting begins when somebody first asks; all sidecars of this process count together: a key of its own.
    world.sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200);
    let (known, unknown) = (world.key("counted").await, KeyPair::generate(Algorithm::Ed25519).unwrap());
    let image = world.push("v1", "layer").await;
    world.attach("prod/app", &signature(&known, &image)).await;
    world.attach("prod/app", &signature(&unknown, &image)).await;
    for labels in [[r#"signer="key/counted""#, r#"result="ok""#], [r#"signer="""#, r#"result="no_trusted_key""#]] {
        let is_counted = |line: &str| {
            line.starts_with("zas_signatures_checked_total{")
                && line.contains(r#"by="evidence""#)
                && labels.iter().all(|label| line.contains(label))
        };
        let told = async || world.sidecar.as_root(&Ask::get("/-/metrics")).await.body.lines().any(is_counted);
        world.until("a signature is counted", told).await;
    }
}
