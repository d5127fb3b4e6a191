//! cosign 3 and the signatures of this project, both ways and without a network: what we sign it verifies, what it signs we verify, and
//! keys go from one to the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use time::OffsetDateTime;
use zas_e2e::{
    clients::Room,
    harness::{Endpoint, Tour, Zot},
    process::run_ok,
    tools::{Tool, require},
};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
use zas_proxy::supply_chain::legacy::{Layer, Payload, Repository};
use zas_proxy::supply_chain::manifest::{
    Artifact, Descriptor, MANIFEST, append_legacy, bundle_layer, bundle_referrer, legacy_layers, legacy_tag,
};
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{COSIGN_SIGN_V1, Statement, Subject};
use zas_proxy::supply_chain::verify::{
    Accept, Evidence, Expected, LogPolicy, Outcome, SignerName, Trust, TrustedKey, Validity, Verifier,
};
use zas_registry::{Options, Registry, Server};

const PASSWORD: &str = "a password of the tests";
const REPOSITORY: &str = "team/app";
const OBJECT: &[u8] = b"the bytes of an object\n";
const TYPE: &str = "https://example.com/predicate/v1";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

/// No log, no clock, no network.
const OFFLINE_SIGN: [&str; 3] = ["--use-signing-config=false", "--tlog-upload=false", "-y"];
const OFFLINE_VERIFY: &str = "--insecure-ignore-tlog=true";
const OLD_FORMAT: &str = "--new-bundle-format=false";
const PLAIN: &str = "--allow-http-registry";

const DEADLINE: Duration = Duration::from_secs(120);

/// cosign in a room, with a registry that an image lies in.
struct World<'a> {
    cosign: PathBuf,
    room: Room<'a>,
    http: reqwest::Client,
    image: Vec<u8>,
}

impl<'a> World<'a> {
    async fn new(cosign: PathBuf, registry: &'a Endpoint) -> Result<Self> {
        let room = Room::new(registry)?;
        room.write("object", OBJECT)?;
        room.write("predicate.json", br#"{"a":1}"#)?;
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
        let image = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.object",
            "config": Descriptor::of("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [Descriptor::of("application/octet-stream", OBJECT)],
        });
        let world = Self { cosign, room, http, image: image.to_string().into_bytes() };
        let blobs = vec![b"{}".to_vec(), OBJECT.to_vec()];
        world.push("v1", &Artifact { manifest: world.image.clone(), blobs }).await?;
        Ok(world)
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.image)
    }

    /// `HOST:PORT/team/app@sha256:...`.
    fn reference(&self) -> String {
        format!("{}/{REPOSITORY}@{}", self.room.server.authority(), self.digest())
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.room.command(&self.cosign, arguments);
        let finished = run_ok(command.env("COSIGN_PASSWORD", PASSWORD), DEADLINE)?;
        Ok(finished.stdout)
    }

    fn refused(&self, arguments: &[&str]) -> Result<()> {
        let finished = self.room.run(&self.cosign, arguments)?;
        ensure!(!finished.status.success(), "`{}` succeeded", arguments.join(" "));
        Ok(())
    }

    async fn push(&self, reference: &str, artifact: &Artifact) -> Result<()> {
        let base = format!("{}/v2/{REPOSITORY}", self.room.server.url);
        for blob in &artifact.blobs {
            let url = format!("{base}/blobs/uploads/?digest={}", Digest::of(blob));
            let upload = self.http.post(url).header("content-type", "application/octet-stream").body(blob.clone());
            upload.send().await?.error_for_status()?;
        }
        let put = self.http.put(format!("{base}/manifests/{reference}")).header("content-type", MANIFEST);
        put.body(artifact.manifest.clone()).send().await?.error_for_status()?;
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let url = format!("{}/v2/{REPOSITORY}/{path}", self.room.server.url);
        let answer = self.http.get(url).header("accept", MANIFEST).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// The bundles that refer to the image.
    async fn bundles(&self) -> Result<Vec<Vec<u8>>> {
        let index: serde_json::Value =
            serde_json::from_slice(&self.get(&format!("referrers/{}", self.digest())).await?)?;
        let mut bundles = Vec::new();
        for referrer in index.get("manifests").and_then(serde_json::Value::as_array).context("no manifests")? {
            let digest = referrer.get("digest").and_then(serde_json::Value::as_str).context("no digest")?;
            let layer = bundle_layer(&self.get(&format!("manifests/{digest}")).await?)?;
            bundles.push(self.get(&format!("blobs/{}", layer.digest)).await?);
        }
        Ok(bundles)
    }

    async fn legacy(&self, suffix: &str) -> Result<Vec<Layer>> {
        let manifest = self.get(&format!("manifests/{}", legacy_tag(&self.digest(), suffix))).await?;
        let mut layers = Vec::new();
        for descriptor in legacy_layers(&manifest)? {
            let bytes = self.get(&format!("blobs/{}", descriptor.digest)).await?;
            layers.push(Layer { media_type: descriptor.media_type, bytes, annotations: descriptor.annotations });
        }
        Ok(layers)
    }
}

/// What comes of evidence about the image or its object, with one trusted key.
fn ask(world: &World<'_>, key: &PublicKey, evidence: Evidence, accept: Accept<'_>) -> Outcome {
    let signer = SignerName::Key("cosign".to_owned());
    let keys = vec![TrustedKey { signer, key: key.clone(), validity: Validity::default() }];
    let verifier = Verifier::new(Trust { keys, ..Trust::default() }, None, LogPolicy::default())?;
    let artifacts = [world.digest(), Digest::of(OBJECT)];
    let hosts = [world.room.server.authority().to_owned()];
    let repository = Some(Repository { name: REPOSITORY, hosts: &hosts });
    let now = OffsetDateTime::now_utc();
    verifier.verify(&evidence, &Expected { artifacts: &artifacts, accept, repository, bytes: None, now })
}

/// The image and its object, signed by us.
async fn signed(world: &World<'_>, pair: &KeyPair) -> Result<Vec<u8>> {
    let subjects = vec![Subject::new("", &world.digest()), Subject::new("object", &Digest::of(OBJECT))];
    Ok(sign::attest(pair, &Statement::signature(subjects)?).await?.to_json()?)
}

async fn cosign_verifies_what_we_sign(world: &World<'_>, tour: &mut Tour, algorithm: Algorithm) -> Result<()> {
    let (pair, other) = (KeyPair::generate(algorithm)?, KeyPair::generate(algorithm)?);
    world.room.write("our.pub", pair.public().to_pem().as_bytes())?;
    world.room.write("other.pub", other.public().to_pem().as_bytes())?;
    let bundle = signed(world, &pair).await?;
    world.room.write("our.bundle", &bundle)?;
    let of_object = sign::sign_bytes(&pair, OBJECT).await?.to_json()?;
    world.room.write("our.blob.bundle", &of_object)?;

    let attestation = |key: &'static str| {
        [
            "verify-blob-attestation",
            OFFLINE_VERIFY,
            "--key",
            key,
            "--type",
            COSIGN_SIGN_V1,
            "--bundle",
            "our.bundle",
            "object",
        ]
    };
    tour.step(&format!("{}: a bundle about image and object is verified for the object", algorithm.as_str()), || {
        world.run(&attestation("our.pub"))?;
        world.refused(&attestation("other.pub"))?;
        world.room.write("object", b"other bytes")?;
        world.refused(&attestation("our.pub"))?;
        world.room.write("object", OBJECT)?;
        Ok(())
    });
    // cosign wants Ed25519 over bytes prehashed, which it does not verify itself.
    if algorithm == Algorithm::EcdsaP256 {
        tour.step("a signature over the object's bytes is verified", || {
            let verify = ["verify-blob", OFFLINE_VERIFY, "--key", "our.pub", "--bundle", "our.blob.bundle", "object"];
            world.run(&verify)?;
            Ok(())
        });
    }

    let subject = Descriptor::of(MANIFEST, &world.image);
    let referrer = bundle_referrer(&subject, &bundle, COSIGN_SIGN_V1, OffsetDateTime::now_utc())?;
    world.push(&Digest::of(&referrer.manifest).to_string(), &referrer).await?;
    let reference = world.reference();
    let image =
        |key: &'static str| ["verify", OFFLINE_VERIFY, PLAIN, "--key", key, reference.as_str()].map(str::to_owned);
    tour.step(&format!("{}: the same bundle is verified for the image", algorithm.as_str()), || {
        world.run(&image("our.pub").each_ref().map(String::as_str))?;
        world.refused(&image("other.pub").each_ref().map(String::as_str))
    });

    let payload = Payload {
        reference: format!("{}/{REPOSITORY}", world.room.server.authority()),
        digest: world.digest(),
        annotations: Default::default(),
    };
    let layer = sign::sign_legacy(&pair, &payload).await?;
    let tag = legacy_tag(&world.digest(), "sig");
    let existing = world.get(&format!("manifests/{tag}")).await.ok();
    world.push(&tag, &append_legacy(existing.as_deref(), &layer)?).await?;
    tour.step(&format!("{}: a legacy signature is verified", algorithm.as_str()), || {
        let verify = ["verify", OFFLINE_VERIFY, PLAIN, OLD_FORMAT, "--key", "our.pub", reference.as_str()];
        world.run(&verify)?;
        world.refused(&["verify", OFFLINE_VERIFY, PLAIN, OLD_FORMAT, "--key", "other.pub", &reference])
    });
    Ok(())
}

async fn we_verify_what_cosign_signs(world: &World<'_>, tour: &mut Tour) -> Result<()> {
    world.run(&["generate-key-pair", "--output-key-prefix", "cosign"])?;
    let public = PublicKey::from_pem(std::str::from_utf8(&world.room.read("cosign.pub")?)?)?;
    let stranger = KeyPair::generate(Algorithm::EcdsaP256)?;
    let sign = |command: &str, arguments: &[&str]| {
        let all = [&[command, "--key", "cosign.key"], &OFFLINE_SIGN[..], arguments].concat();
        world.run(&all)
    };
    let statements = [TYPE];
    let verified = |evidence: Evidence, accept: Accept<'_>| -> Result<()> {
        ask(world, &public, evidence.clone(), accept)?;
        ensure!(ask(world, stranger.public(), evidence, accept).is_err(), "a stranger's key was believed");
        Ok(())
    };

    tour.step("a signed blob is verified", || {
        sign("sign-blob", &["--bundle", "blob.bundle", "object"])?;
        verified(Evidence::Bundle(world.room.read("blob.bundle")?), Accept::Signature)
    });
    tour.step("an attested blob is verified", || {
        let arguments = ["--predicate", "predicate.json", "--type", TYPE, "--bundle", "att.bundle", "object"];
        sign("attest-blob", &arguments)?;
        verified(Evidence::Bundle(world.room.read("att.bundle")?), Accept::Statements(&statements))
    });
    let reference = world.reference();
    let before = world.bundles().await?;
    sign("sign", &[PLAIN, &reference])?;
    let bundles = world.bundles().await?;
    tour.step("a signed image is verified", || {
        let new = bundles.into_iter().find(|bundle| !before.contains(bundle)).context("no new bundle")?;
        verified(Evidence::Bundle(new), Accept::Signature)
    });
    sign("sign", &[PLAIN, OLD_FORMAT, &reference])?;
    let layers = world.legacy("sig").await?;
    tour.step("cosign adds a legacy signature to ours, and both are verified", || {
        ensure!(layers.len() == ALGORITHMS.len() + 1, "{} layers", layers.len());
        let newest = layers.into_iter().next_back().context("no layer")?;
        verified(Evidence::Legacy(newest), Accept::Signature)
    });
    sign("attest", &[PLAIN, OLD_FORMAT, "--predicate", "predicate.json", "--type", TYPE, &reference])?;
    let layers = world.legacy("att").await?;
    tour.step("a legacy attestation is verified", || {
        let layer = layers.into_iter().next().context("no layer")?;
        verified(Evidence::Legacy(layer), Accept::Statements(&statements))
    });
    Ok(())
}

fn keys_go_both_ways(world: &World<'_>, tour: &mut Tour) -> Result<()> {
    let theirs = String::from_utf8(world.room.read("cosign.key")?)?;
    tour.step("a key that cosign made is read with its password", || {
        let pair = KeyPair::from_pem(&theirs, PASSWORD.as_bytes())?;
        ensure!(pair.public().to_pem().as_bytes() == world.room.read("cosign.pub")?);
        Ok(())
    });
    for algorithm in ALGORITHMS {
        let pair = KeyPair::generate(algorithm)?;
        world.room.write("exported.key", pair.to_cosign_pem(PASSWORD.as_bytes())?.as_bytes())?;
        tour.step(&format!("{}: cosign reads a key that we hand out", algorithm.as_str()), || {
            let public = world.run(&["public-key", "--key", "exported.key"])?;
            ensure!(public == pair.public().to_pem(), "{public}");
            Ok(())
        });
    }
    Ok(())
}

async fn both_ways(name: &'static str, cosign: &Path, registry: &Endpoint) -> Result<()> {
    let world = World::new(cosign.to_owned(), registry).await?;
    let mut tour = Tour::new(name);
    for algorithm in ALGORITHMS {
        cosign_verifies_what_we_sign(&world, &mut tour, algorithm).await?;
    }
    we_verify_what_cosign_signs(&world, &mut tour).await?;
    keys_go_both_ways(&world, &mut tour)?;
    tour.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_and_we_verify_each_other_in_the_embedded_registry() -> Result<()> {
    let Some(cosign) = require(Tool::Cosign, "cosign_and_we_verify_each_other")? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let registry = Registry::open(folder.path(), Options::default())?;
    let server = Server::start(registry, ([127, 0, 0, 1], 0).into()).await?;
    let url = format!("http://{}", server.local_addr());
    let endpoint = Endpoint { url, access_key: String::new(), secret_key: String::new() };
    let outcome = both_ways("cosign, embedded registry", &cosign, &endpoint).await;
    server.shutdown().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_and_we_verify_each_other_in_zot() -> Result<()> {
    let Some(cosign) = require(Tool::Cosign, "cosign_and_we_verify_each_other_in_zot")? else { return Ok(()) };
    let Some(zot) = Zot::from_env()? else {
        zas_e2e::harness::no_zot("cosign_and_we_verify_each_other_in_zot");
        return Ok(());
    };
    both_ways("cosign, Zot", &cosign, zot.endpoint()).await
}
