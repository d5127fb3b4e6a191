//! How fast: what a rule about artifacts costs a request, and what a large bill of materials costs to attach. With figures in a release build:
//!
//! ```sh
//! cargo test --release -p zas-proxy --test evidence speed -- --ignored --nocapture --test-threads 1
//! ```

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use zas_proxy::supply_chain::manifest::{Descriptor, MANIFEST};

use super::ask::Ask;
use super::world::{API, MAKER, READER, World, deny, get, object, only_signed, signature};

const REQUESTS: usize = 2000;

/// Length of the bill of materials, in bytes.
const LENGTH: usize = 10_000_000;

/// Half of the requests are faster than the first, and 99 of 100 than the second.
fn quantiles(mut took: Vec<Duration>) -> (Duration, Duration) {
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

/// Round trips of reads that no rule is about, and of reads that one is about, in turn: what slows the machine slows both.
async fn reads(world: &World, free: &str, gated: &str) -> [(Duration, Duration); 2] {
    let mut took = [Vec::new(), Vec::new()];
    for at in 0..REQUESTS + 50 {
        for (target, took) in [free, gated].into_iter().zip(&mut took) {
            let begun = Instant::now();
            world.ask(READER, get(target)).await.expect(200);
            if at >= 50 {
                took.push(begun.elapsed());
            }
        }
    }
    took.map(quantiles)
}

async fn push(world: &World, repository: &str) -> Descriptor {
    world.blob(MAKER, repository, "{}").await;
    let config = Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}");
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
    world.manifest(repository, "v1", MANIFEST, &manifest.to_string()).await
}

/// Has the policy `release` passed by an artifact, by a verdict that stands.
async fn pass(world: &World, artifact: &str) {
    let policy = json!({"document": {"scope": ["s3://*", "oci://*"],
        "rules": [{"name": "signed", "signatures": {"signers": ["key/ci"]}}]}});
    world.ask(MAKER, Ask::put(format!("{API}/verification-policies/release")).json(&policy)).await.expect(200);
    let question = json!({"artifact": artifact, "policy": "release"});
    let verified = world.ask(MAKER, Ask::post(format!("{API}/artifacts/verify")).json(&question)).await.expect(200);
    assert_eq!(verified.json()["verdict"]["passed"], json!(true), "{}", verified.body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p zas-proxy --test evidence speed -- --ignored --nocapture"]
async fn a_rule_about_artifacts_adds_less_than_a_millisecond_to_a_read() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    for at in 0..9 {
        world.key(&format!("other-{at}")).await;
    }
    world.ask(MAKER, Ask::post(format!("{API}/buckets")).json(&json!({"name": "free"}))).await.expect(201);
    world.ask(MAKER, Ask::put("/free/app").body("bytes")).await.expect(200);
    let digest = world.put("app", "bytes").await;
    world.attach("s3/prod", &signature(&pair, &object(&digest))).await;
    push(&world, "free/app").await;
    let image = push(&world, "prod/app").await;
    world.attach("prod/app", &signature(&pair, &image)).await;
    pass(&world, "s3://prod/app").await;
    pass(&world, "oci://prod/app:v1").await;
    let only_passed = deny("OnlyPassed", &json!({"ForAllValues:StringNotEquals": {"zas:PassedPolicies": ["release"]}}));
    let by_digest = ["free", "prod"].map(|first| format!("/v2/{first}/app/manifests/{}", image.digest));
    let by_tag = ["free", "prod"].map(|first| format!("/v2/{first}/app/manifests/v1"));
    let objects = ["free", "prod"].map(|first| format!("/{first}/app"));
    for (rule, rules) in [("signatures", only_signed()), ("a policy that is passed", json!([only_passed]))] {
        world.rule(&rules).await;
        for (what, [free, gated]) in [("a GET", &objects), ("a pull by digest", &by_digest), ("a pull by tag", &by_tag)]
        {
            let [free, gated] = reads(&world, free, gated).await;
            println!("{what} without a rule {free:?}, with one for {rule} {gated:?} (median, 99 %)");
            let added = gated.1.saturating_sub(free.1);
            assert!(added < Duration::from_millis(1), "{what}, {rule}: {added:?}");
        }
    }
}

fn cyclonedx() -> String {
    let (mut components, mut dependencies) = (String::new(), String::new());
    for i in 0.. {
        if components.len() + dependencies.len() > LENGTH {
            break;
        }
        let comma = if i == 0 { "" } else { "," };
        write!(
            components,
            r#"{comma}{{"bom-ref":"pkg:npm/%40acme/package-{i}@1.{i}.0","type":"library","group":"@acme","name":"package-{i}","version":"1.{i}.0","description":"The package number {i}, which does what packages of its kind do","hashes":[{{"alg":"SHA-256","content":"{i:064x}"}}],"licenses":[{{"license":{{"id":"MIT"}}}}],"purl":"pkg:npm/%40acme/package-{i}@1.{i}.0","externalReferences":[{{"type":"website","url":"https://acme.example/package-{i}"}}],"properties":[{{"name":"acme:layer","value":"sha256:{i:064x}"}}]}}"#
        )
        .unwrap();
        write!(dependencies, r#"{comma}{{"ref":"pkg:npm/%40acme/package-{i}@1.{i}.0","dependsOn":[]}}"#).unwrap();
    }
    format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{components}],"dependencies":[{dependencies}]}}"#
    )
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p zas-proxy --test evidence speed -- --ignored --nocapture"]
async fn ten_megabytes_of_cyclonedx_are_attached_and_found_within_a_second() {
    let world = World::new().await;
    let document = cyclonedx();
    let mut took = Vec::new();
    let before = peak();
    for at in 0..5 {
        let key = format!("large-{at}");
        world.put(&key, &format!("bytes {at}")).await;
        let post = Ask::post(format!("{API}/artifacts/sbom?artifact=s3://prod/{key}"));
        let post = post.header("content-type", "application/vnd.cyclonedx+json").body(document.clone());
        let begun = Instant::now();
        world.ask(MAKER, post).await.expect(201);
        let found =
            world.ask(MAKER, get(format!("{API}/components?purl=pkg:npm/%2540acme/package-77&limit=1000"))).await;
        assert!(found.expect(200).body.contains(&format!("s3://prod/{key}\"")), "{key}");
        took.push(begun.elapsed());
    }
    let (median, _) = quantiles(took.clone());
    println!("{} bytes: {took:?}; memory grew by {} KiB", document.len(), peak() - before);
    assert!(median < Duration::from_secs(1), "{median:?}");
}
