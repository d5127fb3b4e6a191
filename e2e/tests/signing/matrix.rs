//! Who signs, who verifies, and what, as one table: cosign 3, cosign 2 and the service, in each form that each of them writes, for each kind
//! of artifact. Every cell is a step: the signature and an attestation are verified by the key that has made them, and by no other.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::Room,
    harness::{Endpoint, Tour},
    on_each_backend,
    tools::{Tool, require},
};

use crate::clients::{Clients, OFFLINE, SIGN_OFFLINE, TEST_RESULT, Thing, tests_passed};

const TEST: &str = "whoever_signs_is_verified_by_everybody";

/// A trusted root of nobody: cosign 2 asks the network for one where it is given none.
const NOBODY: &[u8] = br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Somebody who is trusted, and has signed nothing.
const STRANGER: &str = "stranger";

/// The key by which cosign 3 attests files.
const FILES: &str = "cosign3-files";

/// Who signs or verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Cosign3,
    Cosign2,
    Service,
}

/// How a signature lies in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bundle,
    Legacy,
}

/// Who signs, in which form, and with a key of which name.
struct Signer {
    program: Program,
    form: Form,
    key: &'static str,
}

/// Those who write the older form come first: without a word on the form, cosign 3 looks for that only where there is no bundle.
const SIGNERS: [Signer; 5] = [
    Signer { program: Program::Service, form: Form::Legacy, key: "service-legacy" },
    Signer { program: Program::Cosign2, form: Form::Legacy, key: "cosign2-legacy" },
    Signer { program: Program::Cosign3, form: Form::Legacy, key: "cosign3-legacy" },
    Signer { program: Program::Service, form: Form::Bundle, key: "service-bundle" },
    Signer { program: Program::Cosign3, form: Form::Bundle, key: "cosign3-bundle" },
];

const VERIFIERS: [Program; 3] = [Program::Cosign3, Program::Cosign2, Program::Service];

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Cosign3 => "cosign 3",
            Self::Cosign2 => "cosign 2",
            Self::Service => "the service",
        }
    }
}

impl Form {
    /// As the management API calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Legacy => "legacy",
        }
    }

    /// The media types of a signature and of an attestation.
    const fn media_types(self) -> [&'static str; 2] {
        match self {
            Self::Bundle => ["application/vnd.dev.sigstore.bundle.v0.3+json"; 2],
            Self::Legacy => {
                ["application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dsse.envelope.v1+json"]
            }
        }
    }
}

impl Signer {
    /// The key that attests: one of the service for that, and of cosign the same one.
    fn reporter(&self) -> String {
        match self.program {
            Program::Service => format!("{}-reports", self.key),
            Program::Cosign3 | Program::Cosign2 => self.key.to_owned(),
        }
    }

    /// What the service calls those who hold the key that signs and the key that attests.
    fn names(&self) -> [String; 2] {
        let kind = if self.program == Program::Service { "signing-key" } else { "key" };
        [self.key.to_owned(), self.reporter()].map(|key| format!("{kind}/{key}"))
    }
}

/// The clients, and the other cosign.
struct Matrix<'a> {
    clients: Clients<'a>,
    cosign2: PathBuf,
}

impl Matrix<'_> {
    /// Makes the keys of a signer, and has the service believe them.
    fn prepare(&self, signer: &Signer) -> Result<()> {
        match signer.program {
            Program::Cosign3 => self.trusted_key(&self.clients.cosign, signer.key),
            Program::Cosign2 => self.trusted_key(&self.cosign2, signer.key),
            Program::Service => {
                self.clients.signing_key(signer.key, "release", json!({}))?;
                self.clients.signing_key(&signer.reporter(), "report", json!({})).map(drop)
            }
        }
    }

    fn trusted_key(&self, cosign: &Path, name: &str) -> Result<()> {
        self.clients.run_cosign(cosign, &["generate-key-pair", "--output-key-prefix", name])?;
        let public_key = String::from_utf8(self.clients.room.read(&format!("{name}.pub"))?)?;
        self.clients.post("trusted-keys", &json!({"name": name, "public_key": public_key})).map(drop)
    }

    /// Signs and attests a thing that this signer has not signed before.
    fn sign(&self, signer: &Signer, thing: &Thing) -> Result<()> {
        ensure!(!self.passes(thing, &signer.names())?.0, "it passes before it is signed");
        match (signer.program, signer.form) {
            (Program::Service, form) => self.sign_by_service(signer, form, thing),
            (Program::Cosign2, _) => self.sign_by_cosign(&self.cosign2, signer.key, &[], thing),
            (Program::Cosign3, form) => {
                let old = format!("--new-bundle-format={}", form == Form::Bundle);
                let flags = ["--use-signing-config=false", old.as_str()];
                self.sign_by_cosign(&self.clients.cosign, signer.key, &flags, thing)
            }
        }
    }

    fn sign_by_service(&self, signer: &Signer, form: Form, thing: &Thing) -> Result<()> {
        let signature = json!({"artifact": thing.name, "key": signer.key, "form": form.name()});
        self.clients.post("artifacts/sign", &signature)?;
        let report = json!({"artifact": thing.name, "key": signer.reporter(), "form": form.name(),
            "predicate_type": TEST_RESULT, "predicate": tests_passed()});
        self.clients.post("artifacts/attest", &report).map(drop)
    }

    fn sign_by_cosign(&self, cosign: &Path, key: &str, flags: &[&str], thing: &Thing) -> Result<()> {
        let key = format!("{key}.key");
        let attest = ["attest", "--type", TEST_RESULT, "--predicate", "predicate.json"];
        for act in [&["sign"][..], &attest[..]] {
            let by = ["--key", key.as_str()];
            let arguments = [act, &by[..], flags, &SIGN_OFFLINE[..], &[thing.image.as_str()][..]].concat();
            self.clients.run_cosign(cosign, &arguments)?;
        }
        Ok(())
    }

    /// One cell.
    fn verify(&self, verifier: Program, signer: &Signer, thing: &Thing) -> Result<()> {
        match (verifier, signer.form) {
            (Program::Service, _) => self.verify_by_service(signer, thing),
            (Program::Cosign3, _) => self.verify_by_cosign(&self.clients.cosign, &[], signer, thing),
            (Program::Cosign2, form) => {
                // It looks for bundles where it is told to.
                let form = format!("--new-bundle-format={}", form == Form::Bundle);
                self.verify_by_cosign(&self.cosign2, &["--trusted-root", "nobody.json", &form], signer, thing)
            }
        }
    }

    fn verify_by_cosign(&self, cosign: &Path, flags: &[&str], signer: &Signer, thing: &Thing) -> Result<()> {
        let (clients, image) = (&self.clients, [thing.image.as_str()]);
        let (signature, attestation) = (["verify"], ["verify-attestation", "--type", TEST_RESULT]);
        for (act, key) in [(&signature[..], signer.key.to_owned()), (&attestation[..], signer.reporter())] {
            let key = format!("{key}.pub");
            let by = ["--key", key.as_str()];
            let told = clients.run_cosign(cosign, &[act, &by[..], flags, &OFFLINE[..], &image[..]].concat())?;
            ensure!(act == attestation || told.contains(thing.digest()?), "{told}");
            let stranger = ["--key", "stranger.pub"];
            let arguments = [act, &stranger[..], flags, &OFFLINE[..], &image[..]].concat();
            clients.room.refused(cosign, &arguments, "no matching")?;
        }
        Ok(())
    }

    fn verify_by_service(&self, signer: &Signer, thing: &Thing) -> Result<()> {
        let names = signer.names();
        let (passed, verified) = self.passes(thing, &names)?;
        ensure!(passed, "{verified}");
        let evidence = verified.get("evidence").and_then(Value::as_array).context("no evidence")?;
        for (name, media_type) in names.iter().zip(signer.form.media_types()) {
            let is_it = |piece: &Value| {
                piece.get("signer") == Some(&json!(name)) && piece.get("media_type") == Some(&json!(media_type))
            };
            ensure!(evidence.iter().any(is_it), "nothing of {name} is {media_type}: {verified}");
        }
        let stranger = format!("key/{STRANGER}");
        let (passed, verified) = self.passes(thing, &[stranger.clone(), stranger])?;
        ensure!(!passed, "a key that has not signed was believed: {verified}");
        Ok(())
    }

    /// cosign 3 attests a file, an object's bytes as they were downloaded or a manifest's. REST attaches that, the service verifies it, and
    /// what is read of it again cosign verifies for the file.
    fn attest_file(&self, thing: &Thing) -> Result<()> {
        let (clients, file) = (&self.clients, thing.file.as_ref().unwrap_or(&thing.manifest).as_str());
        let (key, public) = (format!("{FILES}.key"), format!("{FILES}.pub"));
        let attest =
            ["attest-blob", "--key", key.as_str(), "--use-signing-config=false", "--tlog-upload=false", "--yes"];
        let what = ["--type", TEST_RESULT, "--predicate", "predicate.json", "--bundle", "file.bundle", file];
        clients.cosign(&[&attest[..], &what[..]].concat())?;
        let bundle: Value = serde_json::from_slice(&clients.room.read("file.bundle")?)?;
        let attached = clients.post("artifacts/attest", &json!({"artifact": thing.name, "bundle": bundle}))?;
        let name = format!("key/{FILES}");
        ensure!(attached.pointer("/verification/signer") == Some(&json!(name)), "{attached}");
        let (passed, verified) = self.passes(thing, &["key/cosign3-bundle".to_owned(), name])?;
        ensure!(passed, "{verified}");

        let digest = attached.pointer("/attestation/digest").and_then(Value::as_str).context("no digest")?;
        let artifact = format!("artifact={}", thing.name);
        let path = format!("artifacts/attestations/{digest}");
        let read = clients.api(&["-G", "-d", &artifact], &path, &Value::Null)?;
        clients.room.write("read.bundle", read.as_bytes())?;
        let verify = |key: &str, file: &str| {
            let verify = ["verify-blob-attestation", "--insecure-ignore-tlog=true", "--type", TEST_RESULT];
            clients.cosign(&[&verify[..], &["--bundle", "read.bundle", "--key", key, file]].concat())
        };
        verify(&public, file)?;
        ensure!(verify("stranger.pub", file).is_err(), "another key was believed");
        ensure!(verify(&public, "predicate.json").is_err(), "other bytes were believed");
        Ok(())
    }

    /// Whether a thing is signed by the one and tested by the other, and all that the service says of it.
    fn passes(&self, thing: &Thing, [signer, reporter]: &[String; 2]) -> Result<(bool, Value)> {
        let policy = json!({"scope": ["s3://*", "oci://*"], "rules": [
            {"name": "signed", "signatures": {"signers": [signer]}},
            {"name": "tested", "tests": {"signers": [reporter]}}]});
        let verified = self.clients.post("artifacts/verify", &json!({"artifact": thing.name, "document": policy}))?;
        let passed = verified.pointer("/verdict/passed").and_then(Value::as_bool).context("no verdict")?;
        Ok((passed, verified))
    }
}

fn whoever_signs_is_verified_by_everybody(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, "matrix-tour", TEST)? else { return Ok(()) };
    let Some(cosign2) = require(Tool::Cosign2, TEST)? else { return Ok(()) };
    let matrix = Matrix { clients, cosign2 };
    room.write("nobody.json", NOBODY)?;
    room.write("predicate.json", tests_passed().to_string().as_bytes())?;
    matrix.clients.log_in()?;
    matrix.trusted_key(&matrix.clients.cosign, STRANGER)?;
    matrix.trusted_key(&matrix.clients.cosign, FILES)?;
    SIGNERS.iter().try_for_each(|signer| matrix.prepare(signer))?;
    let things = matrix.clients.things()?;
    let mut tour = Tour::new("the matrix of signatures");

    for signer in &SIGNERS {
        let who = format!("{} ({})", signer.program.name(), signer.form.name());
        for thing in &things {
            tour.step(&format!("{who} signs {}", thing.what), || matrix.sign(signer, thing));
            for verifier in VERIFIERS {
                let sentence = format!("{who} has signed {}, and {} verifies it", thing.what, verifier.name());
                tour.step(&sentence, || matrix.verify(verifier, signer, thing));
            }
        }
    }
    for thing in &things {
        let sentence = format!("cosign 3 attests the file of {}, and both verify it", thing.what);
        tour.step(&sentence, || matrix.attest_file(thing));
    }
    tour.finish()
}

on_each_backend!(whoever_signs_is_verified_by_everybody);
