//! One artifact, two doors: what the AWS command line puts is pulled by oras and crane, signed and verified by cosign, and keeps
//! its signatures when the same bytes come back.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
    tools::{Tool, require},
};

/// More than the AWS command line sends in one piece.
const LARGE: usize = 21 * 1024 * 1024 + 7;

/// The clients in one room.
struct Clients<'a> {
    room: &'a Room<'a>,
    aws: PathBuf,
    oras: PathBuf,
    crane: PathBuf,
    cosign: PathBuf,
}

impl<'a> Clients<'a> {
    fn find(room: &'a Room<'a>, test: &str) -> Result<Option<Self>> {
        let [aws, oras, crane, cosign] =
            [Tool::AwsCli, Tool::Oras, Tool::Crane, Tool::Cosign].map(|tool| require(tool, test));
        let (Some(aws), Some(oras), Some(crane), Some(cosign)) = (aws?, oras?, crane?, cosign?) else {
            return Ok(None);
        };
        Ok(Some(Self { room, aws, oras, crane, cosign }))
    }

    fn aws(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.aws, arguments)
    }

    fn oras(&self, arguments: &[&str]) -> Result<String> {
        let flag = if self.room.server.is_tls() { "--insecure" } else { "--plain-http" };
        self.room.ok(&self.oras, &[arguments, &[flag]].concat())
    }

    fn oras_json(&self, arguments: &[&str]) -> Result<Value> {
        let told = self.oras(arguments)?;
        serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))
    }

    fn crane(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.crane, &[&["--insecure"], arguments].concat())
    }

    /// cosign, with nothing outside of this machine: no transparency log, no certificates.
    fn cosign(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.room.command(&self.cosign, self.flagged(arguments));
        command.env("COSIGN_PASSWORD", "password");
        Ok(zas_e2e::process::run_ok(&mut command, std::time::Duration::from_secs(180))?.stdout)
    }

    fn cosign_refuses(&self, arguments: &[&str], told: &str) -> Result<()> {
        self.room.refused(&self.cosign, &self.flagged(arguments), told)
    }

    fn flagged<'b>(&self, arguments: &[&'b str]) -> Vec<&'b str> {
        let talks = !matches!(arguments.first(), Some(&"generate-key-pair"));
        let flags: &[&str] = if talks { &["--allow-insecure-registry", "--allow-http-registry"] } else { &[] };
        [arguments, flags].concat()
    }

    /// The digest of a manifest, by its name.
    fn digest(&self, reference: &str) -> Result<String> {
        Ok(self.crane(&["digest", reference])?.trim().to_owned())
    }

    /// `HOST:PORT/name`.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.room.server.authority())
    }

    fn log_in(&self) -> Result<()> {
        let server = &self.room.server;
        if server.access_key.is_empty() {
            return Ok(());
        }
        let arguments = ["auth", "login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        self.room.ok_with_input(&self.crane, &arguments, server.secret_key.as_bytes())?;
        Ok(())
    }
}

fn s3_objects_are_artifacts(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, "s3_objects_are_artifacts")? else { return Ok(()) };
    let bytes = pattern(100_000, 7);
    room.write("app.tgz", &bytes)?;
    room.write("sbom.json", br#"{"spdxVersion": "SPDX-2.3"}"#)?;
    let key = "s3://artifact-tour/linux/amd64/app-1.2.tgz";
    let (folder, image) =
        (clients.at("s3/artifact-tour/linux/amd64"), clients.at("s3/artifact-tour/linux/amd64:app-1.2.tgz"));
    let mut tour = Tour::new("artifacts");
    clients.log_in()?;

    tour.step("what aws puts, oras pulls as the file that it is", || {
        clients.aws(&["s3", "mb", "s3://artifact-tour"])?;
        clients.aws(&["s3", "cp", "app.tgz", key])?;
        clients.oras(&["pull", &image, "--output", "pulled"])?;
        ensure_same(&room.read("pulled/app-1.2.tgz")?, &bytes)
    });
    tour.step("its manifest is the same by name and by digest, in the folder and in the bucket", || {
        let digest = clients.digest(&image)?;
        let by_name = clients.crane(&["manifest", &image])?;
        ensure!(clients.crane(&["manifest", &format!("{folder}@{digest}")])? == by_name);
        ensure!(clients.crane(&["manifest", &format!("{}@{digest}", clients.at("s3/artifact-tour"))])? == by_name);
        ensure!(clients.oras(&["manifest", "fetch", &image])?.trim_end() == by_name.trim_end());
        clients.oras(&["pull", &format!("{folder}@{digest}"), "--output", "by-digest"])?;
        ensure_same(&room.read("by-digest/app-1.2.tgz")?, &bytes)?;
        clients.crane(&["pull", "--format", "oci", &image, "layout"]).map(drop)
    });
    tour.step("keys are listed as tags, and not in the catalog", || {
        ensure!(clients.crane(&["ls", &folder])?.trim() == "app-1.2.tgz");
        let repositories = clients.crane(&["catalog", server.authority()])?;
        ensure!(
            !repositories.lines().any(|line| line.starts_with("s3/") || line.starts_with("zas/")),
            "{repositories}"
        );
        Ok(())
    });
    tour.step("an artifact goes from S3 to a repository of its own", || {
        let copy = clients.at("artifact-tour/app:1.2");
        let flags: [&str; 2] = if server.is_tls() {
            ["--from-insecure", "--to-insecure"]
        } else {
            ["--from-plain-http", "--to-plain-http"]
        };
        room.ok(&clients.oras, &["cp", flags[0], flags[1], &image, &copy])?;
        ensure!(clients.digest(&copy)? == clients.digest(&image)?);
        Ok(())
    });
    tour.step("what oras attaches, oras discovers", || {
        clients.oras(&["attach", &image, "--artifact-type", "application/spdx+json", "sbom.json"])?;
        let found = clients.oras_json(&["discover", "--format", "json", &image])?;
        ensure!(referrers(&found) == 1, "{found}");
        let digest = found.pointer("/referrers/0/digest").and_then(Value::as_str).context("no digest")?;
        clients.oras(&["pull", &format!("{folder}@{digest}"), "--output", "attached"])?;
        ensure_same(&room.read("attached/sbom.json")?, &room.read("sbom.json")?)?;
        let none =
            clients.oras_json(&["discover", "--format", "json", "--artifact-type", "application/vnd.other", &image])?;
        ensure!(referrers(&none) == 0, "{none}");
        Ok(())
    });
    tour.step("a client that keeps the list under a tag is served too", || {
        let attach =
            ["attach", "--distribution-spec", "v1.1-referrers-tag", &image, "--artifact-type", "application/vnd.note"];
        clients.oras(&[&attach[..], &["--annotation", "note=hello"]].concat())?;
        let discover = ["discover", "--distribution-spec", "v1.1-referrers-tag", "--format", "json", &image];
        let found = clients.oras_json(&discover)?;
        ensure!(referrers(&found) == 2, "{found}");
        Ok(())
    });
    tour.step("what cosign signs, cosign verifies, and with another key it does not", || {
        clients.cosign(&["generate-key-pair", "--output-key-prefix", "release"])?;
        clients.cosign(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
        let image = format!("{folder}@{}", clients.digest(&image)?);
        let offline = ["--use-signing-config=false", "--tlog-upload=false", "--yes"];
        clients.cosign(&[&["sign", "--key", "release.key"], &offline[..], &[&image]].concat())?;
        clients.cosign(&["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &image])?;
        clients.cosign_refuses(&["verify", "--key", "stranger.pub", "--insecure-ignore-tlog=true", &image], "")
    });
    tour.step("what is removed is not discovered any more", || {
        let found =
            clients.oras_json(&["discover", "--format", "json", "--artifact-type", "application/vnd.note", &image])?;
        let note = found.pointer("/referrers/0/digest").and_then(Value::as_str).context("no note")?;
        clients.oras(&["manifest", "delete", "--force", &format!("{folder}@{note}")])?;
        let found =
            clients.oras_json(&["discover", "--format", "json", "--artifact-type", "application/vnd.note", &image])?;
        ensure!(referrers(&found) == 0, "{found}");
        Ok(())
    });
    tour.step("cosign shows what is attached", || {
        let tree = clients.cosign(&["tree", "--experimental-oci11", &image])?;
        ensure!(tree.contains("cosign/sign") && tree.contains("application/spdx+json"), "{tree}");
        Ok(())
    });
    tour.step("a signature in the older form is found by its tag", || {
        let image = format!("{folder}@{}", clients.digest(&image)?);
        let offline = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false", "--yes"];
        clients.cosign(&[&["sign", "--key", "stranger.key"], &offline[..], &[&image]].concat())?;
        let verify =
            ["verify", "--new-bundle-format=false", "--key", "stranger.pub", "--insecure-ignore-tlog=true", &image];
        clients.cosign(&verify).map(drop)
    });
    tour.step("other bytes have another digest and no signature; the same bytes have theirs back", || {
        let signed = clients.digest(&image)?;
        room.write("other.tgz", &pattern(100_000, 8))?;
        clients.aws(&["s3", "cp", "other.tgz", key])?;
        ensure!(clients.digest(&image)? != signed);
        ensure!(referrers(&clients.oras_json(&["discover", "--format", "json", &image])?) == 0);
        clients.cosign_refuses(&["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &image], "")?;
        clients.aws(&["s3", "rm", key])?;
        clients.aws(&["s3", "cp", "app.tgz", key])?;
        ensure!(clients.digest(&image)? == signed);
        clients.cosign(&["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &image]).map(drop)
    });
    tour.step("an object that came in parts is pulled as one file, and signed", || {
        let bytes = pattern(LARGE, 9);
        room.write("model.bin", &bytes)?;
        let metadata = "zas-artifact-type=application/vnd.example.model";
        clients.aws(&["s3", "cp", "model.bin", "s3://artifact-tour/models/model.bin", "--metadata", metadata])?;
        let model = clients.at("s3/artifact-tour/models:model.bin");
        clients.oras(&["pull", &model, "--output", "model"])?;
        ensure_same(&room.read("model/model.bin")?, &bytes)?;
        let manifest = clients.oras_json(&["manifest", "fetch", &model])?;
        ensure!(
            manifest.get("artifactType").and_then(Value::as_str) == Some("application/vnd.example.model"),
            "{manifest}"
        );
        let offline = ["--use-signing-config=false", "--tlog-upload=false", "--yes"];
        clients.cosign(&[&["sign", "--key", "release.key"], &offline[..], &[&model]].concat())?;
        clients.cosign(&["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &model]).map(drop)
    });
    tour.step("objects are not put or deleted by clients of the registry", || {
        let flag = if server.is_tls() { "--insecure" } else { "--plain-http" };
        room.refused(&clients.oras, &["push", flag, &image, "app.tgz"], "S3")?;
        room.refused(&clients.crane, &["--insecure", "delete", &image], "S3")
    });
    tour.finish()
}

/// How many referrers `oras discover` found.
fn referrers(found: &Value) -> usize {
    found.get("referrers").and_then(Value::as_array).map_or(0, Vec::len)
}

on_each_backend!(s3_objects_are_artifacts);
