//! The clients in one room, and one artifact of each kind that they sign.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    image::Image,
    process::run_ok,
    tools::{Tool, require},
};

/// More than the AWS command line sends in one piece.
pub(crate) const LARGE: usize = 17 * 1024 * 1024 + 7;

pub(crate) const PASSWORD: &str = "a password of the tests";
pub(crate) const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// No log, no clock, no network: for whoever signs, ...
pub(crate) const SIGN_OFFLINE: [&str; 4] =
    ["--tlog-upload=false", "--yes", "--allow-insecure-registry", "--allow-http-registry"];
/// ... and for whoever verifies.
pub(crate) const OFFLINE: [&str; 3] =
    ["--insecure-ignore-tlog=true", "--allow-insecure-registry", "--allow-http-registry"];

const DEADLINE: Duration = Duration::from_secs(180);

/// The clients in one room.
pub(crate) struct Clients<'a> {
    pub(crate) room: &'a Room<'a>,
    /// What everything here is called after: the bucket, and the first part of the names of repositories.
    pub(crate) place: &'static str,
    aws: PathBuf,
    pub(crate) cosign: PathBuf,
    crane: PathBuf,
    helm: PathBuf,
}

/// Something to sign.
pub(crate) struct Thing {
    pub(crate) what: &'static str,
    /// As the management API names it.
    pub(crate) name: String,
    /// As clients of the registry name it, with its digest.
    pub(crate) image: String,
    /// A file with the bytes of its manifest.
    pub(crate) manifest: String,
    /// The object's bytes, as they were downloaded.
    pub(crate) file: Option<String>,
}

impl Thing {
    /// The digest of its manifest.
    pub(crate) fn digest(&self) -> Result<&str> {
        Ok(self.image.split_once('@').context("no digest")?.1)
    }
}

/// What is said of everything that is attested.
pub(crate) fn tests_passed() -> Value {
    json!({"result": "PASSED", "configuration": [{"name": "ci.yml", "digest": {"sha256": "ab".repeat(32)}}]})
}

impl<'a> Clients<'a> {
    pub(crate) fn find(room: &'a Room<'a>, place: &'static str, test: &str) -> Result<Option<Self>> {
        let [aws, cosign, crane, helm] =
            [Tool::AwsCli, Tool::Cosign, Tool::Crane, Tool::Helm].map(|tool| require(tool, test));
        let (Some(aws), Some(cosign), Some(crane), Some(helm)) = (aws?, cosign?, crane?, helm?) else {
            return Ok(None);
        };
        Ok(Some(Self { room, place, aws, cosign, crane, helm }))
    }

    pub(crate) fn aws(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.aws, arguments)
    }

    pub(crate) fn crane(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.crane, &[&["--insecure"], arguments].concat())
    }

    pub(crate) fn cosign(&self, arguments: &[&str]) -> Result<String> {
        self.run_cosign(&self.cosign, arguments)
    }

    /// One version or another.
    pub(crate) fn run_cosign(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = self.room.command(program, arguments);
        Ok(run_ok(command.env("COSIGN_PASSWORD", PASSWORD), DEADLINE)?.stdout)
    }

    /// `HOST:PORT/name`.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.room.server.authority())
    }

    pub(crate) fn log_in(&self) -> Result<()> {
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
    pub(crate) fn api(&self, arguments: &[&str], path: &str, body: &Value) -> Result<String> {
        let server = self.room.server;
        let (credentials, url) =
            (format!("{}:{}", server.access_key, server.secret_key), format!("{}/-/api/v1/{path}", server.url));
        let body = body.to_string();
        let with_body = ["-H", "content-type: application/json", "-d", body.as_str()];
        let with_body = if body == "null" { &[][..] } else { &with_body[..] };
        let always = ["-sSk", "--fail-with-body", "--retry", "60", "--retry-delay", "1", "-u", &credentials];
        self.room.ok("curl".as_ref(), &[&always[..], arguments, with_body, &[&url]].concat())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.api(&[], path, body)?)?)
    }

    /// Has the service make a key, and writes the public half to the file that it gives.
    pub(crate) fn signing_key(&self, name: &str, usage: &str, mut body: Value) -> Result<String> {
        let fields = body.as_object_mut().context("what a key is made of is no object")?;
        fields.insert("name".to_owned(), json!(name));
        fields.insert("usage".to_owned(), json!(usage));
        self.post("signing-keys", &body)?;
        let file = format!("{name}.pub");
        let pem = self.api(&[], &format!("signing-keys/{name}/public-key"), &Value::Null)?;
        self.room.write(&file, pem.as_bytes())?;
        Ok(file)
    }

    /// A thing by its tag.
    pub(crate) fn thing(&self, what: &'static str, name: String, tag: &str) -> Result<Thing> {
        let tag = self.at(tag);
        let digest = self.crane(&["digest", &tag])?.trim().to_owned();
        let (repository, _) = tag.rsplit_once(':').context("no tag")?;
        let manifest = format!("{what}.manifest").replace(' ', "-");
        self.room.write(&manifest, self.crane(&["manifest", &tag])?.trim_end_matches('\n').as_bytes())?;
        Ok(Thing { what, name, image: format!("{repository}@{digest}"), manifest, file: None })
    }

    /// An object of these bytes, downloaded again.
    pub(crate) fn object(&self, what: &'static str, key: &str, bytes: &[u8]) -> Result<Thing> {
        self.room.write(key, bytes)?;
        let url = format!("s3://{}/linux/{key}", self.place);
        self.aws(&["s3", "cp", key, &url])?;
        let file = format!("downloaded/{key}");
        self.aws(&["s3", "cp", &url, &file])?;
        ensure_same(&self.room.read(&file)?, bytes)?;
        // A client of the registry may be told to come again until the digest is there; the management API waits in curl.
        self.post("artifacts/verify", &json!({ "artifact": url }))?;
        let thing = self.thing(what, url, &format!("s3/{}/linux:{key}", self.place))?;
        Ok(Thing { file: Some(file), ..thing })
    }

    /// One of each kind.
    pub(crate) fn things(&self) -> Result<Vec<Thing>> {
        let app = format!("{}/app", self.place);
        for (layout, bytes) in [("amd64", b"one"), ("arm64", b"two")] {
            Image::make(self.room, layout, bytes)?;
            self.crane(&["push", layout, &self.at(&format!("{app}:{layout}"))])?;
        }
        let [one, two, index] = ["amd64", "arm64", "all"].map(|tag| self.at(&format!("{app}:{tag}")));
        self.crane(&["index", "append", "--manifest", &one, "--manifest", &two, "--tag", &index])?;
        let chart = self.push_chart()?;
        self.aws(&["s3", "mb", &format!("s3://{}", self.place)])?;
        Ok(vec![
            self.thing("an image", format!("oci://{app}:amd64"), &format!("{app}:amd64"))?,
            self.thing("an index", format!("oci://{app}:all"), &format!("{app}:all"))?,
            self.thing("a chart", format!("oci://{chart}"), &chart)?,
            self.object("an object", "app.tgz", &pattern(100_000, 3))?,
            self.object("an object in parts", "model.bin", &pattern(LARGE, 4))?,
        ])
    }

    /// Packs a chart and pushes it; its name and tag.
    fn push_chart(&self) -> Result<String> {
        self.room.write("app/Chart.yaml", b"apiVersion: v2\nname: app\nversion: 1.2.3\ndescription: a chart\n")?;
        self.room.ok(&self.helm, &["package", "app"])?;
        let charts = format!("{}/charts", self.place);
        let flag = if self.room.server.is_tls() { "--insecure-skip-tls-verify" } else { "--plain-http" };
        self.room.ok(&self.helm, &["push", "app-1.2.3.tgz", &format!("oci://{}", self.at(&charts)), flag])?;
        Ok(format!("{charts}/app:1.2.3"))
    }
}
