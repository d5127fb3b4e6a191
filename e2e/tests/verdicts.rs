//! Artifacts that cosign has signed and attested are held against a policy by the service, and its verdict is verified by cosign: for an
//! object that AWS's command line has put and for an image that crane has pushed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::{Room, pattern},
    harness::{DevServer, Failure, Options, Tour, Upstream, Zot, no_zot},
    image::Image,
    process::run_ok,
    tools::{Tool, require},
};

const TEST: &str = "cosigns_evidence_is_judged_and_cosign_verifies_the_verdict";
const VSA: &str = "https://slsa.dev/verification_summary/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// No log, no clock, no network.
const OFFLINE: [&str; 3] = ["--use-signing-config=false", "--tlog-upload=false", "--yes"];
const UNLOGGED: &str = "--insecure-ignore-tlog=true";
const PLAIN: [&str; 2] = ["--allow-insecure-registry", "--allow-http-registry"];

/// cosign, AWS's command line and crane in one room, and root at the management API.
struct World<'a> {
    room: Room<'a>,
    aws: PathBuf,
    crane: PathBuf,
    cosign: PathBuf,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl World<'_> {
    fn cosign(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.room.command(&self.cosign, arguments.iter().copied());
        Ok(run_ok(command.env("COSIGN_PASSWORD", "password"), Duration::from_secs(180))?.stdout)
    }

    fn refused(&self, arguments: &[&str]) -> Result<()> {
        let finished = self.room.run(&self.cosign, arguments)?;
        ensure!(!finished.status.success(), "`{}` succeeded", arguments.join(" "));
        Ok(())
    }

    fn sign(&self, key: &str, image: &str, more: &[&str]) -> Result<()> {
        self.cosign(&[&["sign", "--key", key], &OFFLINE[..], &PLAIN, more, &[image]].concat()).map(drop)
    }

    fn attest(&self, key: &str, kind: &str, predicate: &Value, image: &str) -> Result<()> {
        self.room.write("predicate.json", predicate.to_string().as_bytes())?;
        let attest = ["attest", "--key", key, "--type", kind, "--predicate", "predicate.json"];
        self.cosign(&[&attest[..], &OFFLINE, &PLAIN, &[image]].concat()).map(drop)
    }

    fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Result<(u16, Vec<u8>)> {
        let server = self.room.server;
        let request = self.http.request(method, format!("{}/-/api/v1{path}", server.url));
        let request = request.basic_auth(&server.access_key, Some(&server.secret_key));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
        })
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let (status, bytes) = self.ask(reqwest::Method::GET, path, None)?;
        ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<Value> {
        let (status, bytes) = self.ask(method, path, Some(body))?;
        ensure!(status < 300, "{path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(serde_json::from_slice(&bytes)?)
    }

    fn verify(&self, artifact: &str) -> Result<Value> {
        self.send(reqwest::Method::POST, "/artifacts/verify", &json!({"artifact": artifact, "policy": "release"}))
    }

    /// The names of the rules that are not met.
    fn failed(&self, artifact: &str) -> Result<Vec<String>> {
        let verified = self.verify(artifact)?;
        let rules = verified.pointer("/verdict/rules").and_then(Value::as_array).context("no rules")?;
        let failed = rules.iter().filter(|rule| rule.get("passed") == Some(&Value::Bool(false)));
        Ok(failed.filter_map(|rule| rule.get("name")?.as_str().map(str::to_owned)).collect())
    }

    /// cosign's word on the verdict that is attached to an artifact.
    fn verdict_by_cosign(&self, key: &str, image: &str) -> Result<()> {
        let verify = ["verify-attestation", "--key", key, "--type", VSA, UNLOGGED];
        self.cosign(&[&verify[..], &PLAIN, &[image]].concat()).map(drop)
    }
}

/// What came of tests that ended on a day of a month that is over.
fn test_result(result: &str, day: u8) -> Value {
    let configuration = json!([{"name": "ci", "digest": {"sha256": "ab".repeat(32)}}]);
    json!({"result": result, "configuration": configuration, "finishedOn": format!("2024-01-{day:02}T00:00:00Z")})
}

/// Keys of cosign's that are trusted, a key for verdicts, and the policy.
fn prepare(world: &World<'_>) -> Result<()> {
    for key in ["release", "ci", "evil"] {
        world.cosign(&["generate-key-pair", "--output-key-prefix", key])?;
    }
    for key in ["release", "ci"] {
        let public_key = String::from_utf8(world.room.read(&format!("{key}.pub"))?)?;
        world.send(reqwest::Method::POST, "/trusted-keys", &json!({"name": key, "public_key": public_key}))?;
    }
    world.send(reqwest::Method::POST, "/signing-keys", &json!({"name": "verdicts", "usage": "verdict"}))?;
    world.room.write("verdicts.pub", &world.get("/signing-keys/verdicts/public-key")?)?;
    let document = json!({"scope": ["s3://verdict-tour/*", "oci://verdict-tour/*"], "rules": [
        {"name": "signed", "signatures": {"signers": ["key/release"]}},
        {"name": "tested", "tests": {"signers": ["key/ci"], "time_field": "/finishedOn"}}]});
    world.send(reqwest::Method::PUT, "/verification-policies/release", &json!({"document": document}))?;
    let server = world.room.server;
    let login = ["auth", "login", server.authority(), "-u", &server.access_key, "--password-stdin"];
    world.room.ok_with_input(&world.crane, &login, server.secret_key.as_bytes()).map(drop)
}

/// One artifact, by its name here and by the one that cosign has for it.
fn judged(world: &World<'_>, tour: &mut Tour, artifact: &str, image: &str) {
    tour.step(
        &format!("{artifact}: what nobody has signed does not pass, and the verdict says so to cosign too"),
        || {
            ensure!(world.failed(artifact)? == ["signed", "tested"], "{:?}", world.verify(artifact)?);
            world.verdict_by_cosign("verdicts.pub", image)
        },
    );
    tour.step(&format!("{artifact}: what a stranger signs changes nothing"), || {
        world.sign("evil.key", image, &[])?;
        world.attest("evil.key", TEST_RESULT, &test_result("PASSED", 2), image)?;
        ensure!(world.failed(artifact)? == ["signed", "tested"]);
        Ok(())
    });
    tour.step(&format!("{artifact}: cosign's signature counts, and tests that failed do not"), || {
        world.sign("release.key", image, &[])?;
        world.attest("ci.key", TEST_RESULT, &test_result("FAILED", 1), image)?;
        ensure!(world.failed(artifact)? == ["tested"]);
        // The key for releases may not speak of tests.
        world.attest("release.key", TEST_RESULT, &test_result("PASSED", 2), image)?;
        ensure!(world.failed(artifact)? == ["tested"]);
        Ok(())
    });
    tour.step(
        &format!("{artifact}: with tests that passed it passes, and cosign verifies the verdict by its key alone"),
        || {
            world.attest("ci.key", TEST_RESULT, &test_result("PASSED", 2), image)?;
            let verified = world.verify(artifact)?;
            ensure!(verified.pointer("/verdict/passed") == Some(&Value::Bool(true)), "{verified}");
            world.verdict_by_cosign("verdicts.pub", image)?;
            let verify = ["verify-attestation", "--key", "release.pub", "--type", VSA, UNLOGGED];
            world.refused(&[&verify[..], &PLAIN, &[image]].concat())
        },
    );
    tour.step(&format!("{artifact}: the verdict by REST is a bundle that says PASSED"), || {
        let verified = world.verify(artifact)?;
        ensure!(verified.pointer("/verdict/cached") == Some(&Value::Bool(true)), "{verified}");
        let id = verified.pointer("/verdict/id").and_then(Value::as_str).context("no id")?;
        let bundle = world.get(&format!("/verdicts/{id}/summary"))?;
        let read: Value = serde_json::from_slice(&bundle)?;
        ensure!(read.get("mediaType").and_then(Value::as_str) == Some(BUNDLE), "{read}");
        world.room.write("verdict.bundle", &bundle).map(drop)
    });
}

fn tour(server: &DevServer) -> Result<()> {
    let tools = [Tool::AwsCli, Tool::Crane, Tool::Cosign].map(|tool| require(tool, TEST));
    let [Some(aws), Some(crane), Some(cosign)] =
        <[Option<PathBuf>; 3]>::try_from(tools.into_iter().collect::<Result<Vec<_>>>()?)
            .map_err(|_| anyhow::anyhow!("three tools"))?
    else {
        return Ok(());
    };
    let room = Room::new(server.endpoint())?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let world = World { room, aws, crane, cosign, http, runtime };
    let authority = world.room.server.authority().to_owned();
    let mut tour = Tour::new("verdicts");
    prepare(&world)?;

    let object = "s3://verdict-tour/linux/app.tgz";
    world.room.write("app.tgz", &pattern(100_000, 3))?;
    world.room.ok(&world.aws, &["s3", "mb", "s3://verdict-tour"])?;
    world.room.ok(&world.aws, &["s3", "cp", "app.tgz", object])?;
    judged(&world, &mut tour, object, &format!("{authority}/s3/verdict-tour/linux:app.tgz"));
    tour.step("the same verdict is verified for the file that was downloaded", || {
        let verify =
            ["verify-blob-attestation", UNLOGGED, "--key", "verdicts.pub", "--type", VSA, "--bundle", "verdict.bundle"];
        world.cosign(&[&verify[..], &["app.tgz"]].concat())?;
        world.room.write("other.tgz", b"other bytes")?;
        world.refused(&[&verify[..], &["other.tgz"]].concat())
    });

    let image = Image::make(&world.room, "layout", b"to be judged")?;
    let tag = format!("{authority}/verdict-tour/app:v1");
    world.room.ok(&world.crane, &["--insecure", "push", "layout", &tag])?;
    judged(&world, &mut tour, "oci://verdict-tour/app:v1", &format!("{authority}/verdict-tour/app@{}", image.digest));

    let legacy = "s3://verdict-tour/linux/legacy.tgz";
    let at = format!("{authority}/s3/verdict-tour/linux:legacy.tgz");
    tour.step("a signature of cosign 2's kind counts, and the verdict is not attached where it would hide it", || {
        world.room.write("legacy.tgz", b"signed as before")?;
        world.room.ok(&world.aws, &["s3", "cp", "legacy.tgz", legacy])?;
        world.sign("release.key", &at, &["--new-bundle-format=false"])?;
        ensure!(world.failed(legacy)? == ["tested"]);
        let verify = ["verify", "--key", "release.pub", UNLOGGED, "--new-bundle-format=false"];
        world.cosign(&[&verify[..], &PLAIN, &[&at]].concat())?;
        let verified = world.verify(legacy)?;
        ensure!(verified.pointer("/verdict/signed") == Some(&Value::Bool(true)), "{verified}");
        ensure!(verified.pointer("/verdict/attached") == Some(&Value::Null), "{verified}");
        // Without a word on the format cosign 3 looks for bundles first: there must be none.
        world.cosign(&[&["verify", "--key", "release.pub", UNLOGGED], &PLAIN[..], &[&at]].concat()).map(drop)
    });
    tour.finish()
}

fn on(upstream: Upstream) -> Result<(), Failure> {
    let environment = vec![("ZAS_SUPPLY_CHAIN__VERDICT_KEY".to_owned(), "verdicts".to_owned())];
    let server = DevServer::start(&Options { upstream, environment, ..Options::default() })?;
    Ok(tour(&server).with_context(|| server.log_tail())?)
}

#[test]
fn cosigns_evidence_is_judged_on_the_embedded_registry() -> Result<(), Failure> {
    on(Upstream::Embedded)
}

#[test]
fn cosigns_evidence_is_judged_on_a_stock_zot() -> Result<(), Failure> {
    match Zot::binary() {
        Some(path) => on(Upstream::Zot(path)),
        None => {
            no_zot(TEST);
            Ok(())
        }
    }
}
