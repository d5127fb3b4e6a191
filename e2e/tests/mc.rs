//! mc, MinIO's client, against a running server: the commands that people type.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour, http_get},
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

/// Above the 16 MiB that mc sends in one part, and not a multiple of it.
const BIG: usize = 17 * 1024 * 1024 + 23;

/// The room of a client that knows the server as `zas`.
fn room_of(server: &Endpoint) -> Result<Room<'_>> {
    let room = Room::new(server)?;
    let host = serde_json::json!({
        "url": server.url, "accessKey": server.access_key, "secretKey": server.secret_key, "api": "S3v4", "path": "auto",
    });
    let configuration = serde_json::json!({"version": "10", "aliases": {"zas": host}}).to_string();
    room.write(".mc/config.json", configuration.as_bytes())?;
    Ok(room)
}

fn mc_works(server: &Endpoint) -> Result<()> {
    let Some(mc) = require(Tool::Mc, "mc_works")? else { return Ok(()) };
    let room = room_of(server)?;
    let run = |arguments: &[&str]| room.ok(&mc, &[&["--quiet"], arguments].concat());
    let refused = |arguments: &[&str], told: &str| room.refused(&mc, arguments, told);
    let mut tour = Tour::new("mc");

    tour.step("a made bucket is listed", || {
        run(&["mb", "zas/mc-bucket"])?;
        ensure!(run(&["ls", "zas"])?.contains(" mc-bucket/\n"));
        ensure!(run(&["stat", "zas/mc-bucket"])?.contains("us-east-1"));
        Ok(())
    });
    tour.step("a small file comes back as it went up, whatever its name", || {
        room.write("small.txt", b"hello\nworld\n")?;
        for name in ["small.txt", "a folder/ü+%.txt"] {
            let object = format!("zas/mc-bucket/{name}");
            run(&["cp", "--attr", "colour=blue;Cache-Control=max-age=60", "small.txt", &object])?;
            ensure!(run(&["cat", &object])? == "hello\nworld\n");
            ensure!(run(&["head", "--lines", "1", &object])? == "hello\n");
            let told = run(&["stat", &object])?;
            ensure!(told.contains("text/plain") && told.contains("blue") && told.contains("max-age=60"), "{told}");
        }
        Ok(())
    });
    tour.step("a big file goes up in parts and comes back whole", || {
        let bytes = pattern(BIG, 41);
        room.write("big.bin", &bytes)?;
        run(&["cp", "big.bin", "zas/mc-bucket/big.bin"])?;
        let told = run(&["stat", "zas/mc-bucket/big.bin"])?;
        ensure!(told.contains("-2 \n"), "not an upload of two parts: {told}");
        run(&["cp", "zas/mc-bucket/big.bin", "big.back"])?;
        ensure_same(&room.read("big.back")?, &bytes)
    });
    tour.step("a stream of unknown length is uploaded", || {
        room.ok_with_input(&mc, &["pipe", "zas/mc-bucket/stream"], b"from a pipe")?;
        ensure!(run(&["cat", "zas/mc-bucket/stream"])? == "from a pipe");
        Ok(())
    });
    tour.step("a folder is mirrored up, and down again, and only what changed", || {
        for n in 0..6 {
            room.write(&format!("tree/{}/a file {n}.txt", n % 2), format!("content {n}").as_bytes())?;
        }
        run(&["mirror", "tree", "zas/mc-bucket/tree"])?;
        ensure!(run(&["diff", "tree", "zas/mc-bucket/tree"])?.trim().is_empty());
        std::fs::remove_file(room.path("tree/1/a file 1.txt"))?;
        room.write("tree/1/a file 3.txt", b"longer than it was before")?;
        run(&["mirror", "--overwrite", "--remove", "tree", "zas/mc-bucket/tree"])?;
        run(&["mirror", "zas/mc-bucket/tree", "down"])?;
        ensure_same(&room.read("down/1/a file 3.txt")?, b"longer than it was before")?;
        ensure!(!room.path("down/1/a file 1.txt").exists());
        Ok(())
    });
    tour.step("objects are found and counted", || {
        let found = run(&["find", "zas/mc-bucket", "--name", "*.txt"])?;
        ensure!(found.lines().count() == 7 && found.contains("zas/mc-bucket/tree/0/a file 4.txt\n"), "{found}");
        let told = run(&["du", "zas/mc-bucket/tree"])?;
        ensure!(told.contains("5 objects"), "{told}");
        Ok(())
    });
    tour.step("objects are copied and moved within the server", || {
        run(&["cp", "zas/mc-bucket/big.bin", "zas/mc-bucket/copied"])?;
        run(&["mv", "zas/mc-bucket/copied", "zas/mc-bucket/moved"])?;
        run(&["cp", "zas/mc-bucket/moved", "moved.back"])?;
        ensure_same(&room.read("moved.back")?, &pattern(BIG, 41))?;
        refused(&["stat", "zas/mc-bucket/copied"], "Object does not exist")
    });
    tour.step("tags are kept until they are removed", || {
        run(&["tag", "set", "zas/mc-bucket/small.txt", "team=a b&cost=1"])?;
        let told = run(&["tag", "list", "zas/mc-bucket/small.txt"])?;
        ensure!(told.contains("a b") && told.contains("cost"), "{told}");
        run(&["tag", "remove", "zas/mc-bucket/small.txt"])?;
        ensure!(run(&["tag", "list", "zas/mc-bucket/small.txt"])?.contains("No tags found"));
        Ok(())
    });
    tour.step("a shared link opens the object to whoever has it", || {
        let told = run(&["share", "download", "--expire", "5m", "zas/mc-bucket/small.txt"])?;
        let link = told.lines().find_map(|line| line.strip_prefix("Share: ")).context("no link")?;
        let (status, body) = http_get(link.trim())?;
        ensure!(status == 200, "{status}");
        ensure_same(&body, b"hello\nworld\n")
    });
    tour.step("a folder is opened to everybody, and shut again", || {
        let public =
            || Ok::<_, anyhow::Error>(http_get(&format!("{}/mc-bucket/tree/0/a%20file%204.txt", server.url))?.0);
        run(&["anonymous", "set", "download", "zas/mc-bucket/tree"])?;
        ensure!(public()? == 200);
        ensure!(run(&["anonymous", "get", "zas/mc-bucket/tree"])?.contains("download"));
        run(&["anonymous", "set", "private", "zas/mc-bucket/tree"])?;
        ensure!(public()? == 403);
        Ok(())
    });
    tour.step("objects are removed, and a bucket with objects only by force", || {
        refused(&["rb", "zas/mc-bucket"], "is not empty")?;
        ensure!(run(&["rm", "--recursive", "--force", "zas/mc-bucket/tree"])?.matches("Removed").count() == 5);
        run(&["rb", "--force", "zas/mc-bucket"])?;
        refused(&["ls", "zas/mc-bucket"], "does not exist")
    });
    tour.finish()
}

fn mc_keeps_versions(server: &Endpoint) -> Result<()> {
    let Some(mc) = require(Tool::Mc, "mc_keeps_versions")? else { return Ok(()) };
    let room = room_of(server)?;
    let run = |arguments: &[&str]| room.ok(&mc, &[&["--quiet"], arguments].concat());
    let put = |content: &str| room.ok_with_input(&mc, &["pipe", "zas/mc-versions/a key"], content.as_bytes());
    let mut tour = Tour::new("mc with versions");

    tour.step("versioning is switched on", || {
        run(&["mb", "zas/mc-versions"])?;
        run(&["version", "enable", "zas/mc-versions"])?;
        ensure!(run(&["version", "info", "zas/mc-versions"])?.contains("enabled"));
        Ok(())
    });
    tour.step("both versions are listed and read by their ids", || {
        put("first")?;
        put("second")?;
        let ids = version_ids(&mc, &room)?;
        ensure!(ids.len() == 2, "{ids:?}");
        for (id, content) in ids.iter().zip(["second", "first"]) {
            ensure!(run(&["cat", "--version-id", id, "zas/mc-versions/a key"])? == content);
        }
        Ok(())
    });
    tour.step("a removed object is gone, and comes back with undo", || {
        run(&["rm", "zas/mc-versions/a key"])?;
        ensure!(!run(&["ls", "zas/mc-versions"])?.contains("a key"));
        ensure!(version_ids(&mc, &room)?.len() == 3);
        run(&["undo", "--last", "1", "zas/mc-versions/a key"])?;
        ensure!(run(&["cat", "zas/mc-versions/a key"])? == "second");
        Ok(())
    });
    tour.step("a version is removed by its id", || {
        let ids = version_ids(&mc, &room)?;
        let newest = ids.first().context("no version")?;
        run(&["rm", "--version-id", newest, "zas/mc-versions/a key"])?;
        ensure!(run(&["cat", "zas/mc-versions/a key"])? == "first");
        Ok(())
    });
    tour.step("all versions are removed, and then the bucket", || {
        run(&["rm", "--recursive", "--force", "--versions", "zas/mc-versions"])?;
        run(&["rb", "zas/mc-versions"])?;
        Ok(())
    });
    tour.finish()
}

/// The ids of the versions and markers of the one key, the newest first.
fn version_ids(mc: &Path, room: &Room<'_>) -> Result<Vec<String>> {
    let mut list = room.command(mc, ["--json", "ls", "--versions", "zas/mc-versions"]);
    let told = run_ok(&mut list, std::time::Duration::from_secs(60))?.stdout;
    told.lines()
        .map(|line| {
            let listed: serde_json::Value = serde_json::from_str(line)?;
            Ok(listed.get("versionId").and_then(|id| id.as_str()).context("no version id")?.to_owned())
        })
        .collect()
}

on_each_backend!(mc_works);
on_each_backend!(mc_keeps_versions);
