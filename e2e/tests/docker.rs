//! Docker's command line against a server with TLS, and no engine behind it: it logs in by itself then, and it speaks with the registry
//! itself about manifests.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Failure, Options, Tour, Upstream, Zot, no_zot},
    image::Image,
    process::{Finished, run, run_ok_with_input},
    tools::{Tool, require},
};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

#[test]
fn docker_works_on_the_embedded_registry() -> Result<(), Failure> {
    Ok(docker_works(Upstream::Embedded)?)
}

#[test]
fn docker_works_on_a_stock_zot() -> Result<(), Failure> {
    match Zot::binary() {
        Some(path) => Ok(docker_works(Upstream::Zot(path))?),
        None => {
            no_zot("docker_works");
            Ok(())
        }
    }
}

fn docker_works(upstream: Upstream) -> Result<()> {
    let (Some(docker), Some(crane)) = (require(Tool::Docker, "docker_works")?, require(Tool::Crane, "docker_works")?)
    else {
        return Ok(());
    };
    let dev = DevServer::start(&Options { upstream, tls: true, ..Options::default() })?;
    let server = dev.endpoint();
    let (room, pusher) = (Room::trusting(server, dev.authority())?, Room::trusting(server, dev.authority())?);
    let image = Image::make(&pusher, "layout", b"for docker")?;
    let (one, list) =
        (format!("{}/docker/app:v1", server.authority()), format!("{}/docker/app:list", server.authority()));
    let command = |arguments: &[&str]| {
        let mut command = room.command(&docker, arguments.iter().copied());
        // One that is on this machine is none of our business.
        command.env("DOCKER_HOST", format!("unix://{}", room.path("no-engine").display()));
        command
    };
    let docker = |arguments: &[&str]| -> Result<Finished> { run(&mut command(arguments), DEADLINE) };
    let log_in = |password: &str| {
        let arguments = ["login", server.authority(), "--username", &server.access_key, "--password-stdin"];
        run_ok_with_input(&mut command(&arguments), password.as_bytes(), DEADLINE)
    };
    let mut tour = Tour::new("docker");

    tour.step("an image is there", || {
        let arguments = ["auth", "login", server.authority(), "-u", &server.access_key, "--password-stdin"];
        pusher.ok_with_input(&crane, &arguments, server.secret_key.as_bytes())?;
        pusher.ok(&crane, &["push", "layout", &one])?;
        Ok(())
    });
    tour.step("without a login nothing is shown", || {
        let told = docker(&["manifest", "inspect", &one])?;
        ensure!(!told.status.success() && told.stderr.contains("unauthorized"), "{}{}", told.stdout, told.stderr);
        Ok(())
    });
    tour.step("a wrong password does not log in", || {
        let error = log_in("not the secret").map_or_else(|error| error.to_string(), |told| told.stdout);
        ensure!(error.contains("Unknown access key or wrong secret"), "{error}");
        Ok(())
    });
    tour.step("the right one does, and what is kept is a token that ends with the access key, not the secret", || {
        let told = log_in(&server.secret_key)?;
        ensure!(told.stdout.contains("Login Succeeded"), "{}", told.stdout);
        let kept = String::from_utf8(room.read(".docker/config.json")?)?;
        ensure!(kept.contains("identitytoken"), "{kept}");
        Ok(())
    });
    tour.step("an image is shown", || {
        let told = docker(&["manifest", "inspect", &one])?;
        ensure!(told.stdout.contains(&image.layer), "{}{}", told.stdout, told.stderr);
        Ok(())
    });
    tour.step("an index is pushed beside it, and shown", || {
        for arguments in [&["manifest", "create", &list, &one][..], &["manifest", "push", &list]] {
            let told = docker(arguments)?;
            ensure!(told.status.success(), "{arguments:?}: {}{}", told.stdout, told.stderr);
        }
        let told = docker(&["manifest", "inspect", &list])?;
        ensure!(told.stdout.contains(&image.digest) && told.stdout.contains("image.index"), "{}", told.stdout);
        Ok(())
    });
    tour.step("after a logout nothing is shown any more", || {
        ensure!(docker(&["logout", server.authority()])?.status.success());
        let told = docker(&["manifest", "inspect", &one])?;
        ensure!(!told.status.success() && told.stderr.contains("unauthorized"), "{}{}", told.stdout, told.stderr);
        Ok(())
    });
    tour.finish()
}
