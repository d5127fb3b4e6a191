//! helm against a running server: charts as OCI artifacts.

use std::path::Path;

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same},
    harness::{Endpoint, Tour},
    on_each_backend,
    tools::{Tool, require},
};

/// A chart of one template, packed: `app-1.2.3.tgz` in the room.
fn pack(room: &Room<'_>, helm: &Path) -> Result<()> {
    let chart = "apiVersion: v2\nname: app\nversion: 1.2.3\ndescription: a chart of the tests\n";
    room.write("app/Chart.yaml", chart.as_bytes())?;
    room.write("app/values.yaml", b"colour: blue\n")?;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  colour: {{ .Values.colour }}\n";
    room.write("app/templates/config.yaml", template.as_bytes())?;
    room.ok(helm, &["package", "app"])?;
    Ok(())
}

fn helm_works(server: &Endpoint) -> Result<()> {
    let Some(helm) = require(Tool::Helm, "helm_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    pack(&room, &helm)?;
    let (charts, chart) =
        (format!("oci://{}/helm/charts", server.authority()), format!("oci://{}/helm/charts/app", server.authority()));
    let (insecure, plain) =
        if server.is_tls() { ("--insecure", "--insecure-skip-tls-verify") } else { ("--plain-http", "--plain-http") };
    let log_in = |password: &str| {
        let arguments =
            ["registry", "login", server.authority(), "-u", &server.access_key, "--password-stdin", insecure];
        room.ok_with_input(&helm, &arguments, password.as_bytes())
    };
    let mut tour = Tour::new("helm");

    if !server.access_key.is_empty() {
        tour.step("without a login no chart is pushed", || {
            room.refused(&helm, &["push", "app-1.2.3.tgz", &charts, plain], "Authentication is required")
        });
        tour.step("a wrong password does not log in, the right one does", || {
            ensure!(log_in("not the secret").is_err(), "a wrong password was accepted");
            log_in(&server.secret_key)?;
            Ok(())
        });
    }
    tour.step("a chart that was pushed is pulled as it was", || {
        room.ok(&helm, &["push", "app-1.2.3.tgz", &charts, plain])?;
        std::fs::create_dir_all(room.path("pulled"))?;
        room.ok(&helm, &["pull", &chart, "--version", "1.2.3", "--destination", "pulled", plain])?;
        ensure_same(&room.read("pulled/app-1.2.3.tgz")?, &room.read("app-1.2.3.tgz")?)
    });
    tour.step("the newest version is found, and rendered out of the registry", || {
        let shown = room.ok(&helm, &["show", "chart", &chart, plain])?;
        ensure!(shown.contains("version: 1.2.3"), "{shown}");
        let rendered = room.ok(&helm, &["template", "it", &chart, "--set", "colour=green", plain])?;
        ensure!(rendered.contains("colour: green"), "{rendered}");
        Ok(())
    });
    tour.step("a chart that is not there is not found", || {
        room.refused(&helm, &["pull", &chart, "--version", "9.9.9", plain], "not found")
    });
    if !server.access_key.is_empty() {
        tour.step("after a logout nothing is pulled any more", || {
            room.ok(&helm, &["registry", "logout", server.authority()])?;
            room.refused(&helm, &["pull", &chart, "--version", "1.2.3", plain], "Authentication is required")
        });
    }
    tour.finish()
}

on_each_backend!(helm_works);
