//! The tour of `docs/supply-chain.md`, run as it stands there, and the examples about verification policies.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::ensure_same,
    examples::{Script, USUAL, block, blocks},
    harness::Options,
    tools::{Tool, require},
};

use super::{SUPPLY_CHAIN, VERIFICATION_POLICIES, World, pages::given};

/// The examples of the tour, in their order.
fn tour() -> Result<Vec<&'static str>> {
    let (_, rest) = SUPPLY_CHAIN.split_once("## A tour\n").context("docs/supply-chain.md has no tour")?;
    Ok(blocks(rest.split("\n## ").next().unwrap_or_default()))
}

/// Whether each artifact that was held against a policy has passed, in the order of the answers.
fn verdicts(told: &str) -> Vec<bool> {
    let answers = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    answers.filter_map(|answer| answer.pointer("/verdict/passed")?.as_bool()).collect()
}

#[test]
fn the_tour_of_the_supply_chain_works_as_it_stands_there() -> Result<()> {
    const TEST: &str = "the_tour_of_the_supply_chain_works_as_it_stands_there";
    let (Some(aws), Some(oras), Some(cosign)) =
        (require(Tool::AwsCli, TEST)?, require(Tool::Oras, TEST)?, require(Tool::Cosign, TEST)?)
    else {
        return Ok(());
    };
    let examples = tour()?;
    ensure!(examples.len() >= 9, "{examples:?}");
    let world = World::start()?;
    let room = world.room()?;
    let script = examples.into_iter().fold(Script::default(), Script::then);
    let programs: [(&str, &Path); 3] = [("aws", &aws), ("oras", &oras), ("cosign", &cosign)];
    let told = script.with(USUAL, world.dev.endpoint().authority())?.run(&room, &programs)?;
    ensure!(verdicts(&told) == [true, false], "{told}");
    for part in [
        r#""licence":"MIT""#,
        r#""levels":["SLSA_BUILD_LEVEL_2"]"#,
        // Both refusals are for this reason: the same principal has the other object.
        "does not meet the rule bucket/shipping#SignedByRelease",
        "Pulled [registry]",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        r#""type":"https://sigstore.dev/cosign/sign/v1""#,
    ] {
        ensure!(told.contains(part), "no {part:?} in {told}");
    }
    ensure_same(&room.read("from-s3.tgz")?, &room.read("app-1.2.tgz")?)
}

#[test]
fn the_examples_about_verification_policies_work() -> Result<()> {
    let Some(cosign) = require(Tool::Cosign, "the_examples_about_verification_policies_work")? else { return Ok(()) };
    // As the page says it: `dev` with a key for verdicts.
    let environment = vec![("ZAS_SUPPLY_CHAIN__VERDICT_KEY".to_owned(), "verdicts".to_owned())];
    let world = World::start_with(&Options { environment, ..Options::default() })?;
    let room = world.room()?;
    let document = VERIFICATION_POLICIES.split("```json policy\n").nth(1).and_then(|rest| rest.split("```").next());
    let document = document.context("docs/verification-policies.md has no policy")?;
    room.write("policy.json", format!(r#"{{"document": {document}}}"#).as_bytes())?;
    room.write("app.tgz", b"an application\n")?;
    let taken_for_granted = [
        "curl -sS -u $root $api/buckets -H 'content-type: application/json' -d '{\"name\": \"releases\"}'\n",
        "sigv4='--aws-sigv4 aws:amz:us-east-1:s3 -H x-amz-content-sha256:UNSIGNED-PAYLOAD'\n",
        "curl -sS -u $root $sigv4 -X PUT $URL/releases/app.tgz --data-binary @app.tgz\n",
        "echo $SECRET | cosign login -u $KEY --password-stdin 127.0.0.1:9800\n",
    ];
    let mut script = taken_for_granted.into_iter().fold(given()?, Script::then);
    for begins in [
        "curl -sS -u $root $api/signing-keys",
        "curl -sS -u $root -X PUT",
        "curl -sS -u $root $api/artifacts/verify",
        "job=",
        "curl -sS -u $root \"$api/artifacts/verdicts",
        "cosign verify-attestation",
    ] {
        script = script.then(block(VERIFICATION_POLICIES, begins)?);
    }
    let programs: [(&str, &Path); 1] = [("cosign", &cosign)];
    let told = script.with(USUAL, world.dev.endpoint().authority())?.run(&room, &programs)?;
    // By signers, and by the policy: nobody has signed.
    ensure!(verdicts(&told) == [false, false], "{told}");
    for part in [r#""code":"no_evidence""#, r#""signed":true"#, r#""state":""#, r#""change":"put""#, r#""payload":""#] {
        ensure!(told.contains(part), "no {part:?} in {told}");
    }
    let summary: Value = serde_json::from_slice(&room.read("verdict.sigstore.json")?)?;
    let media_type = summary.pointer("/mediaType").and_then(Value::as_str);
    ensure!(media_type == Some("application/vnd.dev.sigstore.bundle.v0.3+json"), "{summary}");
    Ok(())
}
