//! Every client of the registry logs in with the token of a person as password, and does what the person may.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use zas_e2e::{
    clients::{Room, say_that_an_engine_is_here},
    harness::Tour,
    image::Image,
    process::{run, run_ok_with_input},
    tools::{Tool, require},
};

const DEADLINE: Duration = Duration::from_secs(120);

/// Clients that log in and push or pull by themselves.
pub(crate) fn log_in(tour: &mut Tour, room: &Room<'_>, token: &str) {
    tour.step("crane, cosign and helm log in with her token as password", || go_clients(room, token));
    tour.step("skopeo logs in with her token as password, and copies", || skopeo(room, token));
    tour.step("podman logs in with her token as password", || podman(room, token));
    tour.step("docker logs in with her token as password", || docker(room, token));
}

fn program(tool: Tool) -> Result<Option<std::path::PathBuf>> {
    require(tool, "a client of the registry with a token of Keycloak")
}

fn go_clients(room: &Room<'_>, token: &str) -> Result<()> {
    let registry = room.server.authority();
    let image = format!("{registry}/team/tool:v1");
    Image::make(room, "layout", b"by a person")?;
    if let Some(crane) = program(Tool::Crane)? {
        let login = ["auth", "login", registry, "-u", "alice", "--password-stdin"];
        room.ok_with_input(&crane, &login, token.as_bytes())?;
        room.ok(&crane, &["push", "layout", &image])?;
        room.ok(&crane, &["auth", "logout", registry])?;
        room.refused(&crane, &["digest", &image], "UNAUTHORIZED")?;
    }
    if let Some(cosign) = program(Tool::Cosign)? {
        room.ok(&cosign, &["login", registry, "-u", "alice", "-p", token])?;
        room.refused(
            &cosign,
            &["verify", "--insecure-ignore-tlog=true", "--key", "none", &image],
            "loading public key",
        )?;
        let told = room.ok(&cosign, &["tree", &image])?;
        ensure!(told.contains(registry), "{told}");
    }
    if let Some(helm) = program(Tool::Helm)? {
        room.write("chart/Chart.yaml", b"apiVersion: v2\nname: chart\nversion: 0.1.0\n")?;
        room.ok(&helm, &["package", "chart"])?;
        room.ok_with_input(
            &helm,
            &["registry", "login", registry, "-u", "alice", "--password-stdin"],
            token.as_bytes(),
        )?;
        room.ok(&helm, &["push", "chart-0.1.0.tgz", &format!("oci://{registry}/team")])?;
        room.ok(&helm, &["registry", "logout", registry])?;
    }
    Ok(())
}

fn skopeo(room: &Room<'_>, token: &str) -> Result<()> {
    let Some(skopeo) = program(Tool::Skopeo)? else { return Ok(()) };
    let registry = room.server.authority();
    let login = ["login", registry, "--authfile", "skopeo.json", "-u", "alice", "--password-stdin"];
    room.ok_with_input(&skopeo, &login, token.as_bytes())?;
    let copy = ["--insecure-policy", "copy", "--authfile", "skopeo.json", "oci:layout:v1"];
    room.ok(&skopeo, &[&copy[..], &[&format!("docker://{registry}/team/skopeo:v1")]].concat())?;
    Ok(())
}

fn podman(room: &Room<'_>, token: &str) -> Result<()> {
    let Some(podman) = program(Tool::Podman)? else { return Ok(()) };
    let engine = say_that_an_engine_is_here(&room.path("podman.sock"))?;
    let login = ["login", room.server.authority(), "--authfile", "podman.json", "-u", "alice", "--password-stdin"];
    let mut command = room.command(&podman, login);
    let told = run_ok_with_input(command.env("CONTAINER_HOST", engine), token.as_bytes(), DEADLINE)?;
    ensure!(told.stdout.contains("Login Succeeded"), "{}", told.stdout);
    Ok(())
}

fn docker(room: &Room<'_>, token: &str) -> Result<()> {
    let Some(docker) = program(Tool::Docker)? else { return Ok(()) };
    let registry = room.server.authority();
    let command = |arguments: &[&str]| {
        let mut command = room.command(Path::new(&docker), arguments.iter().copied());
        command.env("DOCKER_HOST", format!("unix://{}", room.path("no-engine").display()));
        command
    };
    let login = ["login", registry, "-u", "alice", "--password-stdin"];
    let told = run_ok_with_input(&mut command(&login), token.as_bytes(), DEADLINE)?;
    ensure!(told.stdout.contains("Login Succeeded"), "{}", told.stdout);
    let shown = run(&mut command(&["manifest", "inspect", &format!("{registry}/team/tool:v1")]), DEADLINE)?;
    ensure!(shown.stdout.contains("application/vnd.oci.image.manifest.v1+json"), "{}{}", shown.stdout, shown.stderr);
    run(&mut command(&["logout", registry]), DEADLINE).context("logging out")?;
    Ok(())
}
