//! The clients in one room, and what is asked of the service.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use zas_e2e::{
    clients::Room,
    process::run_ok,
    tools::{Tool, require},
};

const DEADLINE: Duration = Duration::from_secs(180);

/// What is pushed by others is found by a worker.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

/// No log, no clock, no network.
pub(crate) const OFFLINE: [&str; 3] = ["--use-signing-config=false", "--tlog-upload=false", "--yes"];

/// The clients in one room.
pub(crate) struct Clients<'a> {
    pub(crate) room: &'a Room<'a>,
    pub(crate) aws: PathBuf,
    pub(crate) oras: PathBuf,
    pub(crate) crane: PathBuf,
    pub(crate) cosign: PathBuf,
    pub(crate) syft: PathBuf,
}

impl<'a> Clients<'a> {
    pub(crate) fn find(room: &'a Room<'a>, test: &str) -> Result<Option<Self>> {
        let [aws, oras, crane, cosign, syft] =
            [Tool::AwsCli, Tool::Oras, Tool::Crane, Tool::Cosign, Tool::Syft].map(|tool| require(tool, test));
        let (Some(aws), Some(oras), Some(crane), Some(cosign), Some(syft)) = (aws?, oras?, crane?, cosign?, syft?)
        else {
            return Ok(None);
        };
        Ok(Some(Self { room, aws, oras, crane, cosign, syft }))
    }

    pub(crate) fn aws(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.aws, arguments)
    }

    pub(crate) fn oras(&self, arguments: &[&str]) -> Result<String> {
        let flag = if self.room.server.is_tls() { "--insecure" } else { "--plain-http" };
        self.room.ok(&self.oras, &[arguments, &[flag]].concat())
    }

    pub(crate) fn crane(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(&self.crane, &[&["--insecure"], arguments].concat())
    }

    pub(crate) fn cosign(&self, arguments: &[&str]) -> Result<String> {
        let talks = !matches!(arguments.first(), Some(&"generate-key-pair"));
        let flags: &[&str] = if talks { &["--allow-insecure-registry", "--allow-http-registry"] } else { &[] };
        let mut command = self.room.command(&self.cosign, [arguments, flags].concat());
        command.env("COSIGN_PASSWORD", "password");
        Ok(run_ok(&mut command, DEADLINE)?.stdout)
    }

    /// A bill of materials of a folder of the room, in a form of syft's.
    pub(crate) fn syft(&self, folder: &str, form: &str, file: &str) -> Result<Vec<u8>> {
        let written = format!("{form}={file}");
        let mut command = self.room.command(&self.syft, ["scan", &format!("dir:{folder}"), "-o", &written, "-q"]);
        command.env("SYFT_CHECK_FOR_APP_UPDATE", "false");
        run_ok(&mut command, DEADLINE)?;
        self.room.read(file)
    }

    /// Asks the management API; gives what it answers.
    pub(crate) fn rest(&self, path: &str, arguments: &[&str]) -> Result<String> {
        let server = &self.room.server;
        let credentials = format!("{}:{}", server.access_key, server.secret_key);
        let url = format!("{}/-/api/v1{path}", server.url);
        self.room.ok("curl".as_ref(), &[&["-sS", "--fail-with-body", "-u", &credentials], arguments, &[&url]].concat())
    }

    pub(crate) fn rest_json(&self, path: &str, arguments: &[&str]) -> Result<Value> {
        let told = self.rest(path, arguments)?;
        serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.rest_json(path, &["-H", "content-type: application/json", "-d", &body.to_string()])
    }

    /// Attaches a file of the room.
    pub(crate) fn attach(&self, query: &str, media_type: &str, file: &str) -> Result<Value> {
        let (file, media_type) = (format!("@{file}"), format!("content-type: {media_type}"));
        self.rest_json(&format!("/artifacts/sbom?{query}"), &["-H", &media_type, "--data-binary", &file])
    }

    /// What carries what lists a package, and where: `carried artifact`.
    pub(crate) fn containing(&self, purl: &str) -> Result<Vec<String>> {
        let found = self.rest_json(&format!("/components?purl={purl}"), &[])?;
        let each = found.get("components").and_then(Value::as_array).context("no components")?;
        let mut places: Vec<String> =
            each.iter().map(|one| format!("{} {}", text(one, "carried"), text(one, "artifact"))).collect();
        places.sort();
        Ok(places)
    }

    pub(crate) fn until_containing(&self, purl: &str, expected: &[&str]) -> Result<()> {
        let begun = Instant::now();
        loop {
            let found = self.containing(purl)?;
            if found == expected {
                return Ok(());
            }
            if begun.elapsed() > FOUND_WITHIN {
                bail!("{purl} is in {found:?}, it should be in {expected:?}");
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// `HOST:PORT/name`.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.room.server.authority())
    }

    pub(crate) fn log_in(&self) -> Result<()> {
        let server = &self.room.server;
        let arguments = ["auth", "login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        self.room.ok_with_input(&self.crane, &arguments, server.secret_key.as_bytes()).map(drop)
    }
}

pub(crate) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
