//! restic with its repository on a running server: backups, and what comes back of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
    process::{run, run_ok},
    tools::{Tool, require},
};

/// Several of the packs that restic makes.
const BIG: usize = 40 * 1024 * 1024 + 37;

const DEADLINE: Duration = Duration::from_secs(180);

fn restic_works(server: &Endpoint) -> Result<()> {
    let Some(restic) = require(Tool::Restic, "restic_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    let repository = format!("s3:{}/restic-bucket/backups", server.url);
    let command = |arguments: &[&str]| {
        let mut command = room.command(&restic, arguments);
        command.env("RESTIC_REPOSITORY", &repository).env("RESTIC_PASSWORD", "secret");
        command
    };
    let restic = |arguments: &[&str]| Ok::<_, anyhow::Error>(run_ok(&mut command(arguments), DEADLINE)?.stdout);
    let mut tour = Tour::new("restic");

    tour.step("a repository is made, with its bucket, and not twice", || {
        restic(&["init"])?;
        let again = run(&mut command(&["init"]), DEADLINE)?;
        ensure!(!again.status.success() && again.stderr.contains("already"), "{}", again.stderr);
        Ok(())
    });
    tour.step("a folder is backed up, and a second time only what changed", || {
        room.write("home/big.bin", &pattern(BIG, 61))?;
        room.write("home/sp ace/ü€+%.txt", b"first")?;
        restic(&["backup", "home"])?;
        room.write("home/sp ace/ü€+%.txt", b"second")?;
        room.write("home/new", b"new")?;
        let told = restic(&["backup", "--tag", "later", "home"])?;
        ensure!(told.contains("1 new,     1 changed"), "{told}");
        Ok(())
    });
    tour.step("every byte in the repository is checked", || {
        ensure!(restic(&["check", "--read-data"])?.contains("no errors were found"));
        Ok(())
    });
    tour.step("snapshots are listed, and compared", || {
        let snapshots: serde_json::Value = serde_json::from_str(&restic(&["snapshots", "--json"])?)?;
        ensure!(snapshots.as_array().map(Vec::len) == Some(2), "{snapshots}");
        ensure!(restic(&["ls", "latest"])?.contains("ü€+%.txt"));
        Ok(())
    });
    tour.step("a snapshot is restored as it was", || {
        restic(&["restore", "latest", "--target", "back", "--verify"])?;
        ensure_same(&room.read("back/home/big.bin")?, &pattern(BIG, 61))?;
        ensure_same(&room.read("back/home/sp ace/ü€+%.txt")?, b"second")
    });
    tour.step("a forgotten snapshot is pruned, and the others stay whole", || {
        std::fs::remove_file(room.path("home/big.bin"))?;
        restic(&["backup", "home"])?;
        restic(&["forget", "--keep-last", "1", "--prune"])?;
        ensure!(restic(&["check", "--read-data"])?.contains("no errors were found"));
        let told = restic(&["stats", "--mode", "raw-data", "--json"])?;
        let stats: serde_json::Value = serde_json::from_str(&told)?;
        let size = stats.get("total_size").and_then(serde_json::Value::as_u64);
        ensure!(size.is_some_and(|size| size < 1_000_000), "the big file is still there: {told}");
        Ok(())
    });
    tour.step("no lock is left behind", || {
        ensure!(restic(&["list", "locks"])?.trim().is_empty());
        Ok(())
    });
    tour.finish()
}

on_each_backend!(restic_works);
