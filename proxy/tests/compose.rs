//! `compose.yaml` says what it should: its parts read it here, for no container engine is needed to be wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test that panics is a test that fails")]

use std::path::Path;

use serde_json::Value;
use zas_proxy::config;
use zas_proxy::store::zot_config;

/// The text of an inlined file: what stands below `name:` and `content: |`, without its indentation.
fn inlined(compose: &str, name: &str) -> String {
    let (_, rest) = compose.split_once(&format!("\n  {name}:\n    content: |\n")).unwrap();
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("      "));
    lines.map(|line| line.strip_prefix("      ").unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn compose() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose.yaml")).unwrap()
}

#[test]
fn zot_gets_the_configuration_that_we_print_and_the_sidecar_has_nothing_against_it() {
    let text = inlined(&compose(), "zot");
    let right = zot_config::right_config(&zot_config::Options {
        root_directory: "/var/lib/zot/oci".into(),
        s3_root_directory: "/var/lib/zot/s3".into(),
        address: "0.0.0.0".into(),
        port: 5001,
        prefix: "s3".into(),
        token_key: Some("/run/zas/store-key.pub".into()),
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), right);
    assert_eq!(zot_config::check(&text, "s3"), zot_config::Findings::default());
}

#[test]
fn the_sidecar_reads_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = inlined(&compose(), "zas");
    for (name, content) in [("root-secret", "0123456789abcdef"), ("ring-key", "x")] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        text = text.replace(&format!("/run/zas/{name}"), &path.display().to_string());
    }
    let config = config::from_toml(&text, "compose.yaml", []).unwrap();
    let issuer = &config.identity.issuers[0];
    assert_eq!(issuer.audiences, ["zas"]);
    assert!(issuer.client.is_some() && issuer.directory.is_some());
    assert!(config.store.token.key_file.is_some());
}

#[test]
fn the_sidecar_serves_as_a_user_that_owns_nothing_and_another_one_migrates() {
    let (text, folder) = (compose(), tempfile::tempdir().unwrap());
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef").unwrap();
    let sidecar = inlined(&text, "zas")
        .replace("/run/zas/root-secret", &secret.display().to_string())
        .replace("/run/zas/ring-key", &secret.display().to_string());
    let config = config::from_toml(&sidecar, "compose.yaml", []).unwrap();
    let user = url::Url::parse(config.database.url.expose()).unwrap().username().to_owned();
    assert!(!config.database.migrate);
    let roles = inlined(&text, "roles");
    assert!(
        roles.contains(&format!("CREATE USER {user} PASSWORD")) && roles.contains("IN ROLE zas_service"),
        "{roles}"
    );
    let (_, migrates) = text.split_once("command: [\"migrate\"").unwrap();
    let owner = migrates.lines().find_map(|line| line.trim().strip_prefix("ZAS_DATABASE__URL: ")).unwrap();
    assert_ne!(url::Url::parse(owner).unwrap().username(), user);
    assert!(text.contains("migrate: { condition: service_completed_successfully }"));
}

#[test]
fn the_realm_that_it_mounts_is_there_and_tells_the_sidecar_of_logouts() {
    let text = compose();
    assert!(text.contains("ZAS_URL: http://proxy:9800"));
    assert!(text.contains("./proxy/keycloak/zas-realm.json:/opt/keycloak/data/import/"));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("keycloak/zas-realm.json").exists());
}
