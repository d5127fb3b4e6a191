//! cosign against a running server: images are signed and verified with a key, without asking anybody else.

use std::path::Path;

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::Room,
    harness::{Endpoint, Tour},
    image::Image,
    on_each_backend,
    process::{Finished, run},
    tools::{Tool, require},
};

/// cosign in a room.
struct Cosign<'a> {
    program: &'a Path,
    room: &'a Room<'a>,
}

impl Cosign<'_> {
    fn run(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.room.command(self.program, arguments.iter().copied());
        run(command.env("COSIGN_PASSWORD", "of the key"), std::time::Duration::from_secs(120))
    }

    fn ok(&self, arguments: &[&str]) -> Result<String> {
        let told = self.run(arguments)?;
        ensure!(told.status.success(), "`{}`: {}{}", arguments.join(" "), told.stdout, told.stderr);
        Ok(told.stdout)
    }

    fn refused(&self, arguments: &[&str], why: &str) -> Result<()> {
        let told = self.run(arguments)?;
        ensure!(!told.status.success() && told.stderr.contains(why), "`{}`: {}", arguments.join(" "), told.stderr);
        Ok(())
    }

    /// No transparency log and no other service is asked.
    fn sign(&self, key: &str, image: &str) -> Result<String> {
        let alone = ["--use-signing-config=false", "--tlog-upload=false", "--allow-insecure-registry", "--yes"];
        self.ok(&[&["sign", "--key", key], &alone[..], &[image]].concat())
    }
}

const VERIFY: [&str; 3] = ["verify", "--insecure-ignore-tlog=true", "--allow-insecure-registry"];

fn cosign_works(server: &Endpoint) -> Result<()> {
    let (Some(program), Some(crane)) = (require(Tool::Cosign, "cosign_works")?, require(Tool::Crane, "cosign_works")?)
    else {
        return Ok(());
    };
    let (room, pusher) = (Room::new(server)?, Room::new(server)?);
    let cosign = Cosign { program: &program, room: &room };
    let image = Image::make(&pusher, "layout", b"to be signed")?;
    let tag = format!("{}/cosign/app:v1", server.authority());
    let signed = format!("{}/cosign/app@{}", server.authority(), image.digest);
    for key in ["one", "two"] {
        cosign.ok(&["generate-key-pair", "--output-key-prefix", key])?;
    }
    let log_in = |password: &str| {
        let arguments = ["login", server.authority(), "--username", &server.access_key, "--password", password];
        cosign.ok(&arguments)
    };
    let mut tour = Tour::new("cosign");

    tour.step("an image is there", || {
        if !server.access_key.is_empty() {
            let arguments = ["auth", "login", server.authority(), "-u", &server.access_key, "--password-stdin"];
            pusher.ok_with_input(&crane, &arguments, server.secret_key.as_bytes())?;
        }
        pusher.ok(&crane, &["--insecure", "push", "layout", &tag])?;
        Ok(())
    });
    if !server.access_key.is_empty() {
        tour.step("without a login nothing is signed", || {
            let sign = ["sign", "--key", "one.key", "--use-signing-config=false", "--tlog-upload=false", "--yes"];
            cosign.refused(&[&sign[..], &["--allow-insecure-registry", &signed]].concat(), "Authentication is required")
        });
        tour.step("cosign keeps what it is told, and the right secret opens the registry", || {
            // It asks nobody whether a password is right: a wrong one is found out with the first request.
            log_in("not the secret")?;
            cosign
                .refused(&[&VERIFY[..], &["--key", "one.pub", &tag]].concat(), "Unknown access key or wrong secret")?;
            log_in(&server.secret_key)?;
            Ok(())
        });
    }
    tour.step("what is not signed is not verified", || {
        cosign.refused(&[&VERIFY[..], &["--key", "one.pub", &tag]].concat(), "no signatures found")
    });
    tour.step("what was signed is verified by its key, by tag and by digest, and by no other", || {
        cosign.sign("one.key", &signed)?;
        for name in [&tag, &signed] {
            let told = cosign.ok(&[&VERIFY[..], &["--key", "one.pub", name]].concat())?;
            ensure!(told.contains(&image.digest), "{told}");
        }
        cosign
            .refused(&[&VERIFY[..], &["--key", "two.pub", &tag]].concat(), "accepted signatures do not match threshold")
    });
    tour.step("a second signature stands beside the first", || {
        cosign.sign("two.key", &signed)?;
        for key in ["one.pub", "two.pub"] {
            cosign.ok(&[&VERIFY[..], &["--key", key, &tag]].concat())?;
        }
        Ok(())
    });
    tour.step("an attestation is attached, and verified by its kind", || {
        room.write("sbom.json", br#"{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app"}"#)?;
        let attest = ["attest", "--key", "one.key", "--predicate", "sbom.json", "--type", "spdxjson"];
        let alone =
            ["--use-signing-config=false", "--tlog-upload=false", "--allow-insecure-registry", "--yes", &signed];
        cosign.ok(&[&attest[..], &alone[..]].concat())?;
        let verify = ["verify-attestation", "--key", "one.pub", "--type", "spdxjson"];
        let told =
            cosign.ok(&[&verify[..], &["--insecure-ignore-tlog=true", "--allow-insecure-registry", &tag]].concat())?;
        ensure!(told.contains("payload"), "{told}");
        Ok(())
    });
    tour.finish()
}

on_each_backend!(cosign_works);
