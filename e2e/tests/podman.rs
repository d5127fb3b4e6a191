//! podman against a running server: its remote client logs in by itself.

use std::path::Path;

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, say_that_an_engine_is_here},
    harness::{Endpoint, Tour},
    on_each_backend,
    process::{Finished, run},
    tools::{Tool, require},
};

fn podman_works(server: &Endpoint) -> Result<()> {
    let Some(podman) = require(Tool::Podman, "podman_works")? else { return Ok(()) };
    if server.access_key.is_empty() {
        return Ok(());
    }
    let room = Room::new(server)?;
    let engine = say_that_an_engine_is_here(&room.path("podman.sock"))?;
    let run = |arguments: &[&str], password: &str| -> Result<Finished> {
        room.write("password", password.as_bytes())?;
        let script = r#"exec "$0" "$@" < password"#;
        let mut command = room.command(Path::new("sh"), ["-c", script]);
        command.arg(&podman).args(arguments).env("CONTAINER_HOST", &engine);
        run(&mut command, std::time::Duration::from_secs(60))
    };
    let login = ["login", "--authfile", "auth.json", "--tls-verify=false", "--password-stdin", "-u"];
    let log_in = |password: &str| run(&[&login[..], &[&server.access_key, server.authority()]].concat(), password);
    let who = || run(&["login", "--authfile", "auth.json", "--get-login", server.authority()], "");
    let mut tour = Tour::new("podman");

    tour.step("a wrong password does not log in", || {
        let told = log_in("not the secret")?;
        ensure!(!told.status.success() && told.stderr.contains("invalid username/password"), "{}", told.stderr);
        ensure!(!who()?.status.success());
        Ok(())
    });
    tour.step("the right one does, and is found out at once whether there is TLS or not", || {
        let begun = std::time::Instant::now();
        let told = log_in(&server.secret_key)?;
        ensure!(told.stdout.contains("Login Succeeded"), "{}{}", told.stdout, told.stderr);
        // A client that tries TLS first, and is left alone with it, gives up after ten seconds.
        ensure!(begun.elapsed().as_secs() < 9, "it took {:?}", begun.elapsed());
        ensure!(who()?.stdout.trim() == server.access_key);
        Ok(())
    });
    tour.step("after a logout nobody is known any more", || {
        ensure!(run(&["logout", "--authfile", "auth.json", server.authority()], "")?.status.success());
        ensure!(!who()?.status.success());
        Ok(())
    });
    tour.finish()
}

on_each_backend!(podman_works);
