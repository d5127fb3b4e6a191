//! skopeo against a running server: images between layouts on disk and repositories.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    image::Image,
    on_each_backend,
    tools::{Tool, require},
};

fn skopeo_works(server: &Endpoint) -> Result<()> {
    let Some(skopeo) = require(Tool::Skopeo, "skopeo_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    let image = Image::make(&room, "layout", &pattern(3_000_000, 6))?;
    let layout = format!("oci:{}:v1", image.layout.display());
    let at = |name: &str| format!("docker://{}/skopeo/{name}", server.authority());
    // There is no policy about signatures in the room, and no TLS that skopeo would trust.
    let copy =
        ["--insecure-policy", "copy", "--authfile", "auth.json", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let about = ["--authfile", "auth.json", "--tls-verify=false"];
    let log_in = |password: &str| {
        let arguments = ["login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        room.ok_with_input(&skopeo, &[&arguments[..], &about[..]].concat(), password.as_bytes())
    };
    let mut tour = Tour::new("skopeo");

    if !server.access_key.is_empty() {
        tour.step("without a login nothing is copied", || {
            room.refused(&skopeo, &[&copy[..], &[&layout, &at("app:v1")]].concat(), "Authentication is required")
        });
        tour.step("a wrong password does not log in, the right one does", || {
            ensure!(log_in("not the secret").is_err(), "a wrong password was accepted");
            log_in(&server.secret_key)?;
            Ok(())
        });
    }
    tour.step("an image comes back as it went", || {
        room.ok(&skopeo, &[&copy[..], &[&layout, &at("app:v1")]].concat())?;
        let back = format!("oci:{}:v1", room.path("back").display());
        room.ok(&skopeo, &[&copy[..], &[&at("app:v1"), &back]].concat())?;
        for digest in [&image.digest, &image.layer] {
            ensure_same(&Image::blob(&room.path("back"), digest)?, &Image::blob(&image.layout, digest)?)?;
        }
        Ok(())
    });
    tour.step("what is there is shown, by tag and by digest", || {
        for name in ["app:v1".to_owned(), format!("app@{}", image.digest)] {
            let told = room.ok(&skopeo, &[&["inspect"], &about[..], &[&at(&name)]].concat())?;
            let told: Value = serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))?;
            let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str);
            ensure!(text("/Digest") == Some(&image.digest) && text("/Layers/0") == Some(&image.layer), "{told}");
        }
        let tags = room.ok(&skopeo, &[&["list-tags"], &about[..], &[&at("app")]].concat())?;
        ensure!(tags.contains("\"v1\""), "{tags}");
        Ok(())
    });
    tour.step(
        "an image is copied from repository to repository, and is of Docker's kind where that is asked for",
        || {
            room.ok(&skopeo, &[&copy[..], &[&at("app:v1"), &at("copy:v1")]].concat())?;
            room.ok(&skopeo, &[&copy[..], &["--format", "v2s2", &at("app:v1"), &at("docker:v1")]].concat())?;
            let raw = room.ok(&skopeo, &[&["inspect", "--raw"], &about[..], &[&at("docker:v1")]].concat())?;
            ensure!(raw.contains("application/vnd.docker.distribution.manifest.v2+json"), "{raw}");
            Ok(())
        },
    );
    tour.step("a deleted image is gone", || {
        room.ok(&skopeo, &[&["delete"], &about[..], &[&at("copy:v1")]].concat())?;
        room.refused(&skopeo, &[&["inspect"], &about[..], &[&at("copy:v1")]].concat(), "manifest unknown")
    });
    if !server.access_key.is_empty() {
        tour.step("after a logout nothing is shown any more", || {
            room.ok(&skopeo, &["logout", "--authfile", "auth.json", server.authority()])?;
            room.refused(&skopeo, &[&["inspect"], &about[..], &[&at("app:v1")]].concat(), "Authentication is required")
        });
    }
    tour.finish()
}

on_each_backend!(skopeo_works);
