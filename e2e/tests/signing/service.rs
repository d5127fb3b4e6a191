//! What this service signs, stock cosign verifies: each kind of artifact, in each form, with each kind of key, wherever it lies.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
};

use crate::clients::{Clients, LARGE, OFFLINE, PASSWORD, SIGN_OFFLINE, TEST_RESULT, Thing, tests_passed};

const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const PLACE: &str = "signing-tour";

/// A signing key of the service, and the file with its public half.
struct Key {
    what: &'static str,
    name: &'static str,
    file: String,
}

impl Clients<'_> {
    /// Keys that are made here, and one that cosign has made.
    fn keys(&self) -> Result<Vec<Key>> {
        self.cosign(&["generate-key-pair", "--output-key-prefix", "theirs"])?;
        let theirs = String::from_utf8(self.room.read("theirs.key")?)?;
        let keys = [
            ("a P-256 key of ours", "tour-p256", json!({"algorithm": "ecdsa-p256"})),
            ("an Ed25519 key of ours", "tour-ed25519", json!({"algorithm": "ed25519"})),
            ("a key of cosign's", "tour-cosign", json!({"private_key": theirs, "password": PASSWORD})),
        ];
        let mut made = Vec::new();
        for (what, name, more) in keys {
            made.push(Key { what, name, file: self.signing_key(name, "release", more)? });
        }
        ensure_same(&self.room.read("tour-cosign.pub")?, &self.room.read("theirs.pub")?)?;
        Ok(made)
    }

    fn verify(&self, key: &str, form: &[&str], image: &str) -> Result<String> {
        self.cosign(&[&["verify", "--key", key], &OFFLINE[..], form, &[image]].concat())
    }

    fn verify_file(&self, key: &str, bundle: &str, file: &str) -> Result<String> {
        let verify = ["verify-blob-attestation", "--insecure-ignore-tlog=true", "--type", SIGNATURE, "--key", key];
        self.cosign(&[&verify[..], &["--bundle", bundle, file]].concat())
    }

    /// Signs a thing that a vendor has signed in the older form alone; cosign finds both signatures without a word on the form.
    fn sign_beside_a_vendor(&self, thing: &Thing) -> Result<()> {
        let old = ["sign", "--key", "stranger.key", "--use-signing-config=false", "--new-bundle-format=false"];
        self.cosign(&[&old[..], &SIGN_OFFLINE, &[thing.image.as_str()]].concat())?;
        let signed = self.post("artifacts/sign", &json!({"artifact": thing.name, "key": "tour-p256"}))?;
        ensure!(signed.pointer("/signatures/0/form") == Some(&json!("legacy")), "{}: {signed}", thing.what);
        ensure!(signed.pointer("/signatures/1").is_none(), "{}: {signed}", thing.what);
        for key in ["stranger.pub", "tour-p256.pub"] {
            self.verify(key, &[], &thing.image)?;
        }
        Ok(())
    }

    /// Signs a thing in both forms and has cosign verify it every way that there is.
    fn sign_and_verify(&self, key: &Key, thing: &Thing) -> Result<()> {
        let signed = self.post("artifacts/sign", &json!({"artifact": thing.name, "key": key.name, "legacy": true}))?;
        let digest = signed.pointer("/signatures/1/digest").and_then(Value::as_str).context("no bundle was made")?;
        let bundle = format!("{}.bundle", key.name);
        let document = self.api(
            &["-G", "-d", &format!("artifact={}", thing.name)],
            &format!("artifacts/attestations/{digest}"),
            &Value::Null,
        )?;
        self.room.write(&bundle, document.as_bytes())?;

        for form in [&[][..], &["--new-bundle-format=false"]] {
            let told = self.verify(&key.file, form, &thing.image)?;
            ensure!(told.contains(thing.digest()?), "{told}");
            ensure!(self.verify("stranger.pub", form, &thing.image).is_err(), "{form:?}: another key was believed");
        }
        for file in [Some(thing.manifest.as_str()), thing.file.as_deref()].into_iter().flatten() {
            self.verify_file(&key.file, &bundle, file)?;
            ensure!(self.verify_file("stranger.pub", &bundle, file).is_err(), "{file}: another key was believed");
        }
        ensure!(self.verify_file(&key.file, &bundle, "other-bytes").is_err(), "other bytes were believed");
        Ok(())
    }
}

fn cosign_verifies_what_the_service_signs(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, PLACE, "cosign_verifies_what_the_service_signs")? else { return Ok(()) };
    room.write("other-bytes", b"other bytes")?;
    clients.cosign(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
    clients.log_in()?;
    let reports = clients.signing_key("tour-reports", "report", json!({}))?;
    let (keys, things) = (clients.keys()?, clients.things()?);
    let mut tour = Tour::new("signing");

    for key in &keys {
        for thing in &things {
            tour.step(&format!("{} is signed with {}", thing.what, key.what), || clients.sign_and_verify(key, thing));
        }
    }
    tour.step("what is reported of each is verified as an attestation, with the key for reports alone", || {
        for thing in &things {
            let report = json!({"artifact": thing.name, "key": "tour-reports", "predicate_type": TEST_RESULT,
                "predicate": tests_passed()});
            clients.post("artifacts/attest", &report)?;
            let verify = |key: &str| {
                let verify = ["verify-attestation", "--type", TEST_RESULT, "--key", key];
                clients.cosign(&[&verify[..], &OFFLINE[..], &[&thing.image]].concat())
            };
            verify(&reports)?;
            ensure!(verify("tour-p256.pub").is_err(), "{}: a key for releases has reported", thing.what);
        }
        Ok(())
    });
    tour.step("a vendor's older signature stays in sight when the service signs beside it", || {
        room.write("vendor.bin", b"signed by a vendor")?;
        let url = "s3://signing-tour/linux/vendor.bin";
        clients.aws(&["s3", "cp", "vendor.bin", url])?;
        let object = clients.thing("an object", url.to_owned(), "s3/signing-tour/linux:vendor.bin")?;
        let image = clients.thing("an image", "oci://signing-tour/app:arm64".to_owned(), "signing-tour/app:arm64")?;
        [object, image].iter().try_for_each(|thing| clients.sign_beside_a_vendor(thing))
    });
    tour.step("a rule signs what is put, and cosign finds that", || {
        let rules = json!({"rules": [{"name": "tarballs", "suffix": ".tgz", "key": "tour-p256"}]});
        clients.api(&["-X", "PUT"], "buckets/signing-tour/signing-rules", &rules)?;
        for (key, bytes) in [("small.tgz", pattern(1000, 5)), ("large.tgz", pattern(LARGE, 6))] {
            let thing = clients.object("an object of a rule", key, &bytes)?;
            let mut verified = clients.verify("tour-p256.pub", &[], &thing.image);
            for _ in 0..60 {
                if verified.is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_secs(1));
                verified = clients.verify("tour-p256.pub", &[], &thing.image);
            }
            verified?;
        }
        Ok(())
    });
    tour.finish()
}

on_each_backend!(cosign_verifies_what_the_service_signs);
