//! The Keycloak behind `dev --keycloak`: a real one, with the realm `zas` of `proxy/keycloak/zas-realm.json`.
//!
//! It needs a Java (17 or later); where no distribution is named it is fetched as the Maven artifact that it is published as, with
//! the `mvn` of this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;
use tokio::process::Command;

use super::child::Child;
use super::folder::Folder;
use crate::config::Issuer;

/// The version that is fetched.
const VERSION: &str = "26.7.0";

/// The realm that is imported at its first start.
const REALM: &str = include_str!("../../keycloak/zas-realm.json");

/// How long fetching, and starting for the first time, may take.
const FETCH_LIMIT: Duration = Duration::from_secs(600);
const START_LIMIT: Duration = Duration::from_secs(240);

/// Which Keycloak, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// An unpacked distribution, or its `tar.gz`; unset: it is fetched.
    pub distribution: Option<PathBuf>,
    /// The port that it listens at, on the loopback address. The same in every run, for it stands in tokens.
    pub port: u16,
}

/// A Keycloak that runs.
pub(super) struct Running {
    /// How the sidecar believes it.
    pub(super) issuer: Issuer,
    child: Child,
}

impl Running {
    /// Stops it.
    pub(super) async fn stop(self) {
        self.child.stop().await;
    }
}

/// The sidecar, as Keycloak reaches it.
pub(super) struct Sidecar<'a> {
    /// Where.
    pub(super) url: &'a str,
    /// With TLS, the certificate that it must trust.
    pub(super) authority: Option<&'a Path>,
}

/// Starts Keycloak and waits until it answers for its realm.
pub(super) async fn start(
    options: &Options,
    sidecar: &Sidecar<'_>,
    folder: &Folder,
    say: &impl Fn(String),
) -> anyhow::Result<Running> {
    check_java().await?;
    let home = home(options, folder, say).await?;
    prepare(&home)?;
    let log_file = folder.path("keycloak.log");
    let log = File::create(&log_file).with_context(|| format!("writing {}", log_file.display()))?;
    let port = format!("--http-port={}", options.port);
    let trusts = sidecar.authority.map(|path| format!("--truststore-paths={}", path.display()));
    let arguments = ["start-dev", "--http-host=127.0.0.1", &port, "--import-realm", "--cache=local"];
    let arguments = arguments.into_iter().chain(trusts.as_deref());
    let program = home.join("bin/kc.sh");
    // The realm has a place for it; what was imported at the first start stays.
    let environment = [("ZAS_URL", sidecar.url)];
    let mut child = Child::spawn(program.as_os_str(), arguments, &environment, log).context("starting Keycloak")?;
    say(format!("Keycloak: {VERSION} in {}; it takes a minute to start", home.display()));
    let url = format!("http://127.0.0.1:{}/realms/zas", options.port);
    wait_until_it_answers(&mut child, &url, &log_file).await?;
    Ok(Running { issuer: issuer(&url)?, child })
}

/// How the sidecar believes it, and whom it asks as: its people have no prefix, for there is no other issuer.
fn issuer(url: &str) -> anyhow::Result<Issuer> {
    let issuer = json!({
        "name": "keycloak", "url": url, "audiences": ["zas"], "prefix": "", "allow_http": true,
        "allowed_networks": ["127.0.0.0/8"], "logout_audiences": ["zas-cli"],
        "client": {"id": "zas", "secret": "zas"}, "directory": {"interval": "2s"},
    });
    Ok(serde_json::from_value(issuer)?)
}

async fn check_java() -> anyhow::Result<()> {
    let ran = Command::new("java").arg("-version").stdin(Stdio::null()).output().await;
    match ran {
        Ok(output) if output.status.success() => Ok(()),
        _ => bail!("Keycloak needs Java 17 or later, and there is no `java` that runs"),
    }
}

/// Where the distribution is unpacked, after it was fetched where need be.
async fn home(options: &Options, folder: &Folder, say: &impl Fn(String)) -> anyhow::Result<PathBuf> {
    if let Some(path) = options.distribution.as_ref().filter(|path| path.is_dir()) {
        return Ok(path.clone());
    }
    let home = folder.path("keycloak").join(format!("keycloak-{VERSION}"));
    if home.join("bin/kc.sh").exists() {
        return Ok(home);
    }
    let parent = folder.path("keycloak");
    fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
    let archive = match &options.distribution {
        Some(path) => path.clone(),
        None => fetch(&parent, say).await?,
    };
    // Into another folder first: one that is half unpacked is not taken for a whole.
    let half = parent.join("unpacking");
    let _ = fs::remove_dir_all(&half);
    fs::create_dir_all(&half)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&half).arg("--strip-components=1");
    finish(tar, "unpacking Keycloak").await?;
    fs::rename(&half, &home).with_context(|| home.display().to_string())?;
    Ok(home)
}

/// Fetches the artifact `org.keycloak:keycloak-quarkus-dist` into a folder.
async fn fetch(folder: &Path, say: &impl Fn(String)) -> anyhow::Result<PathBuf> {
    say(format!("Keycloak: fetching {VERSION} with mvn (once; --keycloak PATH uses one that is there)"));
    let mut mvn = Command::new("mvn");
    mvn.args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"])
        .arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"))
        .arg(format!("-DoutputDirectory={}", folder.display()));
    finish(mvn, "fetching Keycloak with mvn").await?;
    let archive = folder.join(format!("keycloak-quarkus-dist-{VERSION}.tar.gz"));
    ensure!(archive.exists(), "mvn has not written {}", archive.display());
    Ok(archive)
}

async fn finish(mut command: Command, what: &str) -> anyhow::Result<()> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        tokio::time::timeout(FETCH_LIMIT, command.output()).await.with_context(|| format!("{what} took too long"))?;
    let output = output.with_context(|| what.to_owned())?;
    let told = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{what} failed:\n{}", String::from_utf8_lossy(&told));
    Ok(())
}

/// The realm to import, and an administrator whose password stands in the configuration alone.
fn prepare(home: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let import = home.join("data/import");
    fs::create_dir_all(&import).with_context(|| import.display().to_string())?;
    fs::write(import.join("zas-realm.json"), REALM)?;
    let conf = home.join("conf/keycloak.conf");
    let text = fs::read_to_string(&conf).unwrap_or_default();
    if !text.contains("bootstrap-admin-password") {
        let password = Alphanumeric.sample_string(&mut rand::rng(), 24);
        fs::write(&conf, format!("{text}\nbootstrap-admin-username=admin\nbootstrap-admin-password={password}\n"))?;
    }
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

async fn wait_until_it_answers(child: &mut Child, url: &str, log_file: &Path) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
    let metadata = format!("{url}/.well-known/openid-configuration");
    let deadline = tokio::time::Instant::now() + START_LIMIT;
    while tokio::time::Instant::now() < deadline {
        if let Some(status) = child.ended()? {
            bail!("Keycloak ended at once ({status}); its log is {}", log_file.display());
        }
        if client.get(&metadata).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("Keycloak did not answer at {url} in time; its log is {}", log_file.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_realm_has_the_people_of_the_tour_and_an_audience_for_their_tokens() {
        let realm: Value = serde_json::from_str(REALM).unwrap();
        let users: Vec<&str> =
            realm["users"].as_array().unwrap().iter().filter_map(|user| user["username"].as_str()).collect();
        assert_eq!(users, ["alice", "bob", "ci", "service-account-zas"]);
        let audience = &realm["clients"][0]["protocolMappers"][0]["config"]["included.custom.audience"];
        let issuer = issuer("http://127.0.0.1:1/realms/zas").unwrap();
        assert_eq!(Some(issuer.audiences[0].as_str()), audience.as_str());
        assert_eq!(issuer.prefix(), "");
    }

    #[test]
    fn the_realm_has_the_client_that_asks_and_says_where_a_logout_is_told() {
        let realm: Value = serde_json::from_str(REALM).unwrap();
        let issuer = issuer("http://127.0.0.1:1/realms/zas").unwrap();
        let client = issuer.client.unwrap();
        let (people, ours) = (&realm["clients"][0], &realm["clients"][1]);
        assert_eq!(
            (ours["clientId"].as_str(), ours["secret"].as_str()),
            (Some(client.id.as_str()), Some(client.secret.unwrap().expose()))
        );
        assert_eq!(realm["users"][3]["serviceAccountClientId"], ours["clientId"]);
        assert_eq!(realm["users"][3]["clientRoles"]["realm-management"][0], "view-users");
        assert_eq!(Some(issuer.logout_audiences.unwrap()[0].as_str()), people["clientId"].as_str());
        let told = people["attributes"]["backchannel.logout.url"].as_str().unwrap();
        assert_eq!(told, format!("${{ZAS_URL:http://127.0.0.1:9800}}{}", crate::logout::PATH));
    }

    #[test]
    fn the_administrators_password_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("conf")).unwrap();
        prepare(home.path()).unwrap();
        let conf = home.path().join("conf/keycloak.conf");
        let first = fs::read_to_string(&conf).unwrap();
        prepare(home.path()).unwrap();
        assert_eq!(first, fs::read_to_string(&conf).unwrap());
        assert_eq!(fs::metadata(&conf).unwrap().permissions().mode() & 0o077, 0);
        assert!(home.path().join("data/import/zas-realm.json").exists());
    }
}
