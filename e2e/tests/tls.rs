//! `zas-proxy dev --tls`, trusted by nothing but what its banner says: the AWS command line, oras, and HTTP/2.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use http::Version;
use reqwest::{Certificate, ClientBuilder};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{DevServer, Failure, Options, Tour},
    process::{run, run_ok, run_ok_with_input},
    tools::{Tool, require},
};

const DEADLINE: Duration = Duration::from_secs(180);

/// Large enough for several TLS records and HTTP/2 windows, and an upload in parts.
const SIZE: usize = 9 * 1024 * 1024 + 3;

#[test]
fn clients_trust_a_server_with_tls_by_what_its_banner_says() -> Result<(), Failure> {
    let server = DevServer::start(&Options { tls: true, ..Options::default() })?;
    let banner = banner(&server)?;
    let room = Room::new(server.endpoint())?;
    let mut tour = Tour::new("TLS");
    tour.step("the banner names an https endpoint and an authority that is a file", || {
        ensure!(value(&banner, "AWS_ENDPOINT_URL=")? == server.endpoint().url);
        ensure!(std::path::Path::new(value(&banner, "AWS_CA_BUNDLE=")?).is_file());
        Ok(())
    });
    tour.step("the AWS command line trusts it, and only by that", || aws(&room, &banner));
    tour.step("oras trusts it, and only by that", || oras(&room, &banner));
    tour.step("HTTP/2 is spoken to whoever asks by ALPN, HTTP/1.1 to the others", || versions(&room, &banner));
    tour.finish()?;
    Ok(())
}

fn aws(room: &Room<'_>, banner: &str) -> Result<()> {
    let Some(aws) = require(Tool::AwsCli, "the AWS command line with TLS")? else { return Ok(()) };
    let authority = value(banner, "AWS_CA_BUNDLE=")?;
    // The line to paste, word for word: a shell takes it.
    let line = banner.lines().find(|line| line.starts_with("export ")).context("the banner exports nothing")?;
    let in_shell = |script: &str| {
        let mut shell = room.command("sh".as_ref(), ["-c", &format!("{line}\n{script}"), "sh"]);
        shell.arg(&aws);
        // The profile of the banner, not the keys of the room.
        for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"] {
            shell.env_remove(name);
        }
        run_ok(&mut shell, DEADLINE)
    };
    let bytes = pattern(SIZE, 1);
    room.write("up", &bytes)?;
    in_shell(r#""$1" s3 mb s3://tls && "$1" s3 cp up s3://tls/object && "$1" s3 cp s3://tls/object down"#)?;
    ensure_same(&room.read("down")?, &bytes)?;

    let refused = run(&mut room.command(&aws, ["s3", "ls"]), DEADLINE)?;
    ensure!(!refused.status.success() && refused.stderr.contains("SSL"), "without the authority: {}", refused.stderr);
    let localhost = room.server.url.replace("127.0.0.1", "localhost");
    let mut by_name = room.command(&aws, ["s3", "ls", "--endpoint-url", &localhost]);
    run_ok(by_name.env("AWS_CA_BUNDLE", authority), DEADLINE)?;
    Ok(())
}

fn oras(room: &Room<'_>, banner: &str) -> Result<()> {
    let Some(oras) = require(Tool::Oras, "oras with TLS")? else { return Ok(()) };
    let authority = value(banner, "--ca-file ")?;
    let server = room.server;
    let image = format!("{}/tls/app:v1", server.authority());
    let login = ["login", "--ca-file", authority, "-u", &server.access_key, "--password-stdin", server.authority()];
    let secret = server.secret_key.as_bytes();
    run_ok_with_input(&mut room.command(&oras, login), secret, DEADLINE)?;
    let bytes = pattern(SIZE, 2);
    room.write("app.bin", &bytes)?;
    room.ok(&oras, &["push", "--ca-file", authority, &image, "app.bin"])?;
    room.ok(&oras, &["pull", "--ca-file", authority, &image, "--output", "pulled"])?;
    ensure_same(&room.read("pulled/app.bin")?, &bytes)?;
    room.refused(&oras, &["pull", &image, "--output", "untrusted"], "certificate")
}

fn versions(room: &Room<'_>, banner: &str) -> Result<()> {
    // The first provider wins, and any will do here.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let authority = std::fs::read(value(banner, "AWS_CA_BUNDLE=")?)?;
    let authority = Certificate::from_pem(&authority)?;
    let trusting = || builder().tls_certs_only([authority.clone()]);
    let url = format!("{}/-/livez", room.server.url);
    let localhost = url.replace("127.0.0.1", "localhost");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for url in [&url, &localhost] {
            let answer = trusting().build()?.get(url).send().await?;
            ensure!(answer.status() == 200 && answer.version() == Version::HTTP_2, "{url}: {answer:?}");
        }
        let answer = trusting().http1_only().build()?.get(&url).send().await?;
        ensure!(answer.status() == 200 && answer.version() == Version::HTTP_11, "{answer:?}");
        let untrusting = builder().build()?.get(&url).send().await;
        ensure!(untrusting.is_err(), "trusted without the authority");
        Ok(())
    })?;
    curl(room, banner)
}

/// Where there is a curl, it too, with the flag of the banner.
fn curl(room: &Room<'_>, banner: &str) -> Result<()> {
    if run(Command::new("curl").arg("--version"), DEADLINE).is_err() {
        return Ok(());
    }
    let authority = value(banner, "curl --cacert ")?;
    let url = format!("{}/-/livez", room.server.url);
    let arguments = ["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", authority, &url];
    room.ok("curl".as_ref(), &arguments).map(drop)
}

fn builder() -> ClientBuilder {
    reqwest::Client::builder().no_proxy().timeout(DEADLINE)
}

/// What the server says when everything runs.
fn banner(server: &DevServer) -> Result<String> {
    let until = Instant::now() + DEADLINE;
    loop {
        let log = server.log_tail();
        if let Some((_, banner)) = log.split_once("Ready: ").filter(|(_, rest)| rest.contains("Ctrl-C stops")) {
            return Ok(banner.to_owned());
        }
        ensure!(Instant::now() < until, "no banner in {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The word that follows `name` in the banner, without its quotes.
fn value<'a>(banner: &'a str, name: &str) -> Result<&'a str> {
    let (_, rest) = banner.split_once(name).with_context(|| format!("no {name} in {banner}"))?;
    let word = rest.strip_prefix('\'').map_or_else(
        || rest.split_whitespace().next().unwrap_or_default(),
        |quoted| quoted.split('\'').next().unwrap_or_default(),
    );
    Ok(word)
}
