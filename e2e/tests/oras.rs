//! oras against a running server: artifacts, referrers, tags and copies, with the access key as user name and password.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
    tools::{Tool, require},
};

const SIZE: usize = 6 * 1024 * 1024 + 5;

/// oras in a room, with the flags that a server without TLS needs.
struct Oras<'a> {
    program: &'a Path,
    room: &'a Room<'a>,
}

impl Oras<'_> {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        self.room.ok(self.program, &self.flagged(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let told = self.run(arguments)?;
        serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))
    }

    fn refused(&self, arguments: &[&str], told: &str) -> Result<()> {
        self.room.refused(self.program, &self.flagged(arguments), told)
    }

    fn flagged<'b>(&self, arguments: &[&'b str]) -> Vec<&'b str> {
        let copies = arguments.first() == Some(&"cp");
        let flags: &[&str] = match (copies, self.room.server.is_tls()) {
            (true, true) => &["--from-insecure", "--to-insecure"],
            (true, false) => &["--from-plain-http", "--to-plain-http"],
            (false, true) => &["--insecure"],
            (false, false) => &["--plain-http"],
        };
        [arguments, flags].concat()
    }

    /// `HOST:PORT/name`.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.room.server.authority())
    }

    fn log_in(&self, password: &str) -> Result<String> {
        let server = &self.room.server;
        let arguments = ["login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        self.room.ok_with_input(self.program, &self.flagged(&arguments), password.as_bytes())
    }
}

fn oras_works(server: &Endpoint) -> Result<()> {
    let Some(program) = require(Tool::Oras, "oras_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    let oras = Oras { program: &program, room: &room };
    let (image, copy, tree) = (oras.at("oras/team/app:v1"), oras.at("oras/copy:v1"), oras.at("oras/tree:v1"));
    let bytes = pattern(SIZE, 1);
    room.write("app.bin", &bytes)?;
    room.write("sbom.json", br#"{"spdxVersion": "SPDX-2.3"}"#)?;
    let mut tour = Tour::new("oras");

    if !server.access_key.is_empty() {
        tour.step("without a login nothing is pushed", || {
            oras.refused(&["push", &image, "app.bin"], "Authentication is required")
        });
        tour.step("a wrong password does not log in, the right one does", || {
            ensure!(oras.log_in("not the secret").is_err(), "a wrong password was accepted");
            oras.log_in(&server.secret_key)?;
            Ok(())
        });
    }
    tour.step("a pushed artifact is pulled as it was", || {
        let options = ["--artifact-type", "application/vnd.example.app", "--annotation", "org.example.colour=blue"];
        oras.run(&[&["push", &image], &options[..], &["app.bin:application/octet-stream"]].concat())?;
        oras.run(&["pull", &image, "--output", "pulled"])?;
        ensure_same(&room.read("pulled/app.bin")?, &bytes)?;
        let manifest = oras.json(&["manifest", "fetch", &image])?;
        ensure!(text(&manifest, "/artifactType")? == "application/vnd.example.app", "{manifest}");
        ensure!(text(&manifest, "/annotations/org.example.colour")? == "blue", "{manifest}");
        Ok(())
    });
    tour.step("a push of what is there already changes nothing", || {
        let before = oras.run(&["resolve", &image])?;
        oras.run(&["tag", &image, "again"])?;
        ensure!(before == oras.run(&["resolve", &oras.at("oras/team/app:again")])?);
        Ok(())
    });
    tour.step("what is attached is discovered, by kind too", || {
        oras.run(&["attach", &image, "--artifact-type", "application/spdx+json", "sbom.json"])?;
        oras.run(&["attach", &image, "--artifact-type", "application/vnd.example.note", "--annotation", "note=hello"])?;
        let found = oras.json(&["discover", "--format", "json", &image])?;
        ensure!(referrers(&found) == 2, "{found}");
        let found = oras.json(&["discover", "--format", "json", "--artifact-type", "application/spdx+json", &image])?;
        ensure!(referrers(&found) == 1, "{found}");
        let digest = text(&found, "/referrers/0/digest")?;
        oras.run(&["pull", &oras.at(&format!("oras/team/app@{digest}")), "--output", "attached"])?;
        ensure_same(&room.read("attached/sbom.json")?, &room.read("sbom.json")?)
    });
    tour.step("tags and repositories are listed", || {
        oras.run(&["tag", &image, "v1.0", "latest"])?;
        let tags = oras.run(&["repo", "tags", &oras.at("oras/team/app")])?;
        ensure!(["v1", "v1.0", "latest"].iter().all(|tag| tags.lines().any(|line| line == *tag)), "{tags}");
        let repositories = oras.run(&["repo", "ls", server.authority()])?;
        ensure!(repositories.lines().any(|line| line == "oras/team/app"), "{repositories}");
        ensure!(!repositories.lines().any(|line| line.starts_with("s3/")), "S3 repositories show: {repositories}");
        Ok(())
    });
    tour.step("an artifact is copied to another repository, with all that is attached", || {
        oras.run(&["cp", &image, &copy])?;
        oras.run(&["pull", &copy, "--output", "copied"])?;
        ensure_same(&room.read("copied/app.bin")?, &bytes)?;
        oras.run(&["cp", "--recursive", &image, &tree])?;
        ensure!(oras.run(&["resolve", &tree])? == oras.run(&["resolve", &image])?);
        let found = oras.json(&["discover", "--format", "json", &tree])?;
        ensure!(referrers(&found) == 2, "{found}");
        Ok(())
    });
    tour.step("an artifact goes to a layout on disk and back", || {
        oras.run(&["pull", &image, "--output", "unused"])?;
        let flag = if server.is_tls() { "--from-insecure" } else { "--from-plain-http" };
        room.ok(&program, &["cp", flag, &image, "--to-oci-layout", "layout:v1"])?;
        let flag = if server.is_tls() { "--to-insecure" } else { "--to-plain-http" };
        let back = oras.at("oras/from-layout:v1");
        room.ok(&program, &["cp", flag, "--from-oci-layout", "layout:v1", &back])?;
        ensure!(oras.run(&["resolve", &back])? == oras.run(&["resolve", &image])?);
        Ok(())
    });
    tour.step("a blob is pushed, fetched and deleted", || {
        room.write("blob", b"a blob")?;
        let pushed = oras.json(&["blob", "push", &oras.at("oras/parts"), "blob", "--descriptor"])?;
        let blob = oras.at(&format!("oras/parts@{}", text(&pushed, "/digest")?));
        ensure!(oras.run(&["blob", "fetch", "--output", "-", &blob])? == "a blob");
        oras.run(&["blob", "delete", "--force", &blob])?;
        oras.refused(&["blob", "fetch", "--output", "-", &blob], "not found")
    });
    tour.step("a deleted manifest is gone", || {
        oras.run(&["manifest", "delete", "--force", &copy])?;
        oras.refused(&["pull", &copy], "not found")
    });
    tour.step("what is not there is not found", || {
        oras.refused(&["pull", &oras.at("oras/team/app:none")], "not found")?;
        oras.refused(&["pull", &oras.at("oras/no-such-repository:v1")], "not found")
    });
    tour.finish()
}

/// The text at a JSON pointer.
fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} of {value}"))
}

/// How many referrers `oras discover` found.
fn referrers(found: &Value) -> usize {
    found.get("referrers").and_then(Value::as_array).map_or(0, Vec::len)
}

on_each_backend!(oras_works);
