//! What this service signs, stock cosign verifies: each kind of artifact, in each form, with each kind of key, wherever it lies.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    image::Image,
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

/// More than the AWS command line sends in one piece.
const LARGE: usize = 17 * 1024 * 1024 + 7;

const PASSWORD: &str = "a password of the tests";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
const FOLDER: &str = "s3/signing-tour/linux";

/// No log, no clock, no network.
const OFFLINE: [&str; 3] = ["--insecure-ignore-tlog=true", "--allow-insecure-registry", "--allow-http-registry"];
const DEADLINE: Duration = Duration::from_secs(180);

/// The clients in one room.
struct Clients<'a> {
    room: &'a Room<'a>,
    aws: PathBuf,
    cosign: PathBuf,
    crane: PathBuf,
    helm: PathBuf,
}

/// Something to sign.
struct Thing {
    what: &'static str,
    /// As the management API names it.
    name: String,
    /// As clients of the registry name it, with its digest.
    image: String,
    /// A file with the bytes of its manifest.
    manifest: String,
    /// The object's bytes, as they were downloaded.
    file: Option<String>,
}

/// A signing key of the service, and the file with its public half.
struct Key {
    what: &'static str,
    name: &'static str,
    file: String,
}

impl<'a> Clients<'a> {
    fn find(room: &'a Room<'a>, test: &str) -> Result<Option<Self>> {
        let [aws, cosign, crane, helm] =
            [Tool::AwsCli, Tool::Cosign, Tool::Crane, Tool::Helm].map(|tool| require(tool, test));
        let (Some(aws), Some(cosign), Some(crane), Some(helm)) = (aws?, cosign?, crane?, helm?) else {
            return Ok(None);
        };
        Ok(Some(Self { room, aws, cosign, crane, helm }))
    }

    fn aws(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.aws, arguments)
    }

    fn crane(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.crane, &[&["--insecure"], arguments].concat())
    }

    fn cosign(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.room.command(&self.cosign, arguments);
        Ok(run_ok(command.env("COSIGN_PASSWORD", PASSWORD), DEADLINE)?.stdout)
    }

    /// `HOST:PORT/name`.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.room.server.authority())
    }

    fn log_in(&self) -> Result<()> {
        let server = self.room.server;
        if server.access_key.is_empty() {
            return Ok(());
        }
        let secret = server.secret_key.as_bytes();
        let crane = ["auth", "login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        self.room.ok_with_input(&self.crane, &crane, secret)?;
        let flag = if server.is_tls() { "--insecure" } else { "--plain-http" };
        let helm = ["registry", "login", server.authority(), "-u", &server.access_key, "--password-stdin", flag];
        self.room.ok_with_input(&self.helm, &helm, secret).map(drop)
    }

    /// Asks the management API, which may say that the digest of an object is not there yet.
    fn api(&self, arguments: &[&str], path: &str, body: &Value) -> Result<String> {
        let server = self.room.server;
        let (credentials, url) =
            (format!("{}:{}", server.access_key, server.secret_key), format!("{}/-/api/v1/{path}", server.url));
        let body = body.to_string();
        let with_body = ["-H", "content-type: application/json", "-d", body.as_str()];
        let with_body = if body == "null" { &[][..] } else { &with_body[..] };
        let always = ["-sSk", "--fail-with-body", "--retry", "60", "--retry-delay", "1", "-u", &credentials];
        self.room.ok("curl".as_ref(), &[&always[..], arguments, with_body, &[&url]].concat())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.api(&[], path, body)?)?)
    }

    /// A thing by its tag.
    fn thing(&self, what: &'static str, name: String, tag: &str) -> Result<Thing> {
        let tag = self.at(tag);
        let digest = self.crane(&["digest", &tag])?.trim().to_owned();
        let (repository, _) = tag.rsplit_once(':').context("no tag")?;
        let manifest = format!("{what}.manifest").replace(' ', "-");
        self.room.write(&manifest, self.crane(&["manifest", &tag])?.trim_end_matches('\n').as_bytes())?;
        Ok(Thing { what, name, image: format!("{repository}@{digest}"), manifest, file: None })
    }

    /// An object of these bytes, downloaded again.
    fn object(&self, what: &'static str, key: &str, bytes: &[u8]) -> Result<Thing> {
        self.room.write(key, bytes)?;
        let url = format!("s3://signing-tour/linux/{key}");
        self.aws(&["s3", "cp", key, &url])?;
        let file = format!("downloaded/{key}");
        self.aws(&["s3", "cp", &url, &file])?;
        ensure_same(&self.room.read(&file)?, bytes)?;
        // A client of the registry may be told to come again until the digest is there; the management API waits in curl.
        self.post(
            "artifacts/attest",
            &json!({"artifact": url, "key": "tour-reports", "predicate_type": TEST_RESULT,
            "predicate": {"result": "PASSED", "configuration": [{"name": "ci.yml"}]}}),
        )?;
        let thing = self.thing(what, url, &format!("{FOLDER}:{key}"))?;
        Ok(Thing { file: Some(file), ..thing })
    }

    fn things(&self) -> Result<Vec<Thing>> {
        let charts = format!("oci://{}", self.at("signing/charts"));
        for (layout, bytes) in [("amd64", b"one"), ("arm64", b"two")] {
            Image::make(self.room, layout, bytes)?;
            self.crane(&["push", layout, &self.at(&format!("signing/app:{layout}"))])?;
        }
        let [one, two, index] = ["amd64", "arm64", "all"].map(|tag| self.at(&format!("signing/app:{tag}")));
        self.crane(&["index", "append", "--manifest", &one, "--manifest", &two, "--tag", &index])?;
        self.room.write("app/Chart.yaml", b"apiVersion: v2\nname: app\nversion: 1.2.3\ndescription: a chart\n")?;
        self.room.ok(&self.helm, &["package", "app"])?;
        let flag = if self.room.server.is_tls() { "--insecure-skip-tls-verify" } else { "--plain-http" };
        self.room.ok(&self.helm, &["push", "app-1.2.3.tgz", &charts, flag])?;
        self.aws(&["s3", "mb", "s3://signing-tour"])?;
        Ok(vec![
            self.thing("an image", "oci://signing/app:amd64".to_owned(), "signing/app:amd64")?,
            self.thing("an index", "oci://signing/app:all".to_owned(), "signing/app:all")?,
            self.thing("a chart", "oci://signing/charts/app:1.2.3".to_owned(), "signing/charts/app:1.2.3")?,
            self.object("an object", "app.tgz", &pattern(100_000, 3))?,
            self.object("an object in parts", "model.bin", &pattern(LARGE, 4))?,
        ])
    }

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
            made.push(self.key(what, name, "release", more)?);
        }
        ensure_same(&self.room.read("tour-cosign.pub")?, &self.room.read("theirs.pub")?)?;
        Ok(made)
    }

    fn key(&self, what: &'static str, name: &'static str, usage: &str, mut body: Value) -> Result<Key> {
        let fields = body.as_object_mut().context("what a key is made of is no object")?;
        fields.insert("name".to_owned(), json!(name));
        fields.insert("usage".to_owned(), json!(usage));
        self.post("signing-keys", &body)?;
        let file = format!("{name}.pub");
        let pem = self.api(&[], &format!("signing-keys/{name}/public-key"), &Value::Null)?;
        self.room.write(&file, pem.as_bytes())?;
        Ok(Key { what, name, file })
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
        let old = ["--use-signing-config=false", "--tlog-upload=false", "--yes", "--new-bundle-format=false"];
        let plain = ["--allow-insecure-registry", "--allow-http-registry"];
        self.cosign(&[&["sign", "--key", "stranger.key"][..], &old[..], &plain[..], &[thing.image.as_str()]].concat())?;
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
            let (_, digest) = thing.image.split_once('@').context("no digest")?;
            ensure!(told.contains(digest), "{told}");
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
    let Some(clients) = Clients::find(&room, "cosign_verifies_what_the_service_signs")? else { return Ok(()) };
    room.write("other-bytes", b"other bytes")?;
    clients.cosign(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
    clients.log_in()?;
    let reports = clients.key("a key for reports", "tour-reports", "report", json!({}))?;
    let (keys, things) = (clients.keys()?, clients.things()?);
    let mut tour = Tour::new("signing");

    for key in &keys {
        for thing in &things {
            tour.step(&format!("{} is signed with {}", thing.what, key.what), || clients.sign_and_verify(key, thing));
        }
    }
    tour.step("what is reported of each is verified as an attestation, with the key for reports alone", || {
        let predicate = json!({"result": "PASSED", "configuration": [{"name": "ci.yml"}]});
        for thing in &things {
            let report =
                json!({"artifact": thing.name, "key": reports.name, "predicate_type": TEST_RESULT, "predicate": predicate});
            clients.post("artifacts/attest", &report)?;
            let verify = |key: &str| {
                let verify = ["verify-attestation", "--type", TEST_RESULT, "--key", key];
                clients.cosign(&[&verify[..], &OFFLINE[..], &[&thing.image]].concat())
            };
            verify(&reports.file)?;
            ensure!(verify("tour-p256.pub").is_err(), "{}: a key for releases has reported", thing.what);
        }
        Ok(())
    });
    tour.step("a vendor's older signature stays in sight when the service signs beside it", || {
        room.write("vendor.bin", b"signed by a vendor")?;
        let url = "s3://signing-tour/linux/vendor.bin";
        clients.aws(&["s3", "cp", "vendor.bin", url])?;
        let object = clients.thing("an object", url.to_owned(), &format!("{FOLDER}:vendor.bin"))?;
        let image = clients.thing("an image", "oci://signing/app:arm64".to_owned(), "signing/app:arm64")?;
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
