//! crane against a running server: container images with Docker's and with OCI's media types.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::{Room, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
    process::run_ok,
    tools::{Tool, require},
};

/// Makes an image of one layer without any registry: `image.tar` as `docker save` writes it, `layout` as an OCI image layout.
fn make_images(room: &Room<'_>, crane: &Path) -> Result<()> {
    room.write("root/etc/release", b"an image of the tests\n")?;
    room.write("root/data", &pattern(3_000_000, 4))?;
    let tar = ["-C", "root", "-czf", "layer.tar.gz", "etc", "data"];
    run_ok(&mut room.command(Path::new("tar"), tar), Duration::from_secs(60))?;
    room.ok(
        crane,
        &["append", "--new_layer", "layer.tar.gz", "--new_tag", "example/image:v1", "--output", "image.tar"],
    )?;
    Ok(())
}

fn crane_works(server: &Endpoint) -> Result<()> {
    let Some(crane) = require(Tool::Crane, "crane_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    make_images(&room, &crane)?;
    // crane speaks plain HTTP to the loopback interface by itself.
    let run = |arguments: &[&str]| room.ok(&crane, &[&["--insecure"], arguments].concat());
    let refused = |arguments: &[&str], told: &str| room.refused(&crane, &[&["--insecure"], arguments].concat(), told);
    let at = |name: &str| format!("{}/{name}", server.authority());
    let (image, oci) = (at("crane/image:v1"), at("crane/oci:v1"));
    let mut tour = Tour::new("crane");

    if !server.access_key.is_empty() {
        tour.step("without a login nothing is pushed", || {
            refused(&["push", "image.tar", &image], "Authentication is required")
        });
        tour.step("the access key logs in", || {
            let arguments = ["auth", "login", server.authority(), "--username", &server.access_key, "--password-stdin"];
            room.ok_with_input(&crane, &arguments, server.secret_key.as_bytes())?;
            Ok(())
        });
    }
    tour.step("an image with Docker's media types is pushed and pulled", || {
        run(&["push", "image.tar", &image])?;
        run(&["validate", "--remote", &image])?;
        run(&["pull", &image, "pulled.tar"])?;
        run(&["validate", "--tarball", "pulled.tar"])?;
        ensure!(media_type(&run(&["manifest", &image])?)?.contains("vnd.docker.distribution.manifest.v2"));
        Ok(())
    });
    tour.step("an image with OCI's media types is pushed and pulled", || {
        run(&["append", "--oci-empty-base", "--new_layer", "layer.tar.gz", "--new_tag", &oci])?;
        ensure!(media_type(&run(&["manifest", &oci])?)? == "application/vnd.oci.image.manifest.v1+json");
        run(&["pull", "--format", "oci", &oci, "layout"])?;
        run(&["push", "layout", &at("crane/oci:from-layout")])?;
        ensure!(run(&["digest", &oci])? == run(&["digest", &at("crane/oci:from-layout")])?);
        Ok(())
    });
    tour.step("the layer holds the files that were put into it", || {
        run(&["export", &image, "exported.tar"])?;
        let told = run_ok(
            &mut room.command(Path::new("tar"), ["-xOf", "exported.tar", "etc/release"]),
            Duration::from_secs(60),
        )?;
        ensure!(told.stdout == "an image of the tests\n", "{}", told.stdout);
        Ok(())
    });
    tour.step("a manifest's digest is the hash of its bytes", || {
        let manifest = run(&["manifest", &image])?;
        room.write("manifest.json", manifest.as_bytes())?;
        let told = run_ok(Command::new("sha256sum").arg(room.path("manifest.json")), Duration::from_secs(60))?;
        let hash = told.stdout.split_whitespace().next().context("no hash")?;
        ensure!(run(&["digest", &image])?.trim() == format!("sha256:{hash}"));
        Ok(())
    });
    tour.step("tags and repositories are listed", || {
        run(&["tag", &image, "stable"])?;
        let tags = run(&["ls", &at("crane/image")])?;
        ensure!(tags.lines().collect::<Vec<_>>() == ["stable", "v1"], "{tags}");
        let repositories = run(&["catalog", server.authority()])?;
        ensure!(repositories.lines().any(|line| line == "crane/image"), "{repositories}");
        ensure!(!repositories.lines().any(|line| line.starts_with("s3/")), "S3 repositories show: {repositories}");
        Ok(())
    });
    tour.step("an image is copied to another repository with its digest", || {
        run(&["copy", &image, &at("crane/copied:v1")])?;
        ensure!(run(&["digest", &image])? == run(&["digest", &at("crane/copied:v1")])?);
        run(&["validate", "--remote", &at("crane/copied:v1")])?;
        Ok(())
    });
    tour.step("an index of two platforms is pushed, and each is found in it", || {
        let index = at("crane/index:v1");
        let arm = at("crane/index:arm");
        run(&["mutate", "--set-platform", "linux/arm64", "--tag", &arm, &oci])?;
        run(&["index", "append", "--manifest", &oci, "--manifest", &arm, "--tag", &index])?;
        ensure!(media_type(&run(&["manifest", &index])?)?.contains("index"));
        ensure!(run(&["digest", "--platform", "linux/arm64", &index])? == run(&["digest", &arm])?);
        Ok(())
    });
    tour.step("a deleted image is gone", || {
        let digest = run(&["digest", &at("crane/copied:v1")])?;
        run(&["delete", &at(&format!("crane/copied@{}", digest.trim()))])?;
        refused(&["manifest", &at("crane/copied:v1")], "MANIFEST_UNKNOWN")
    });
    tour.step("the repositories of S3 cannot be reached", || {
        // Whatever the answer, it must be the same for a repository that is there and one that is not.
        refused(&["ls", &at("s3/some-bucket/0")], "NAME_UNKNOWN")
    });
    tour.finish()
}

fn media_type(manifest: &str) -> Result<String> {
    let manifest: Value = serde_json::from_str(manifest)?;
    manifest.get("mediaType").and_then(Value::as_str).map(str::to_owned).context("a manifest without a mediaType")
}

on_each_backend!(crane_works);
