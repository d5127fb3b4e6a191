//! Reading: file, environment, checks.

use std::path::{Path, PathBuf};

use toml::Value;

use super::{Config, Secret};
use crate::error::without_values;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no TOML, or a key or a value is unknown.
    #[error("{origin}: {message}")]
    Parse {
        /// Where the text came from.
        origin: String,
        /// What is wrong with it.
        message: String,
    },
    /// The values do not make sense together.
    #[error("{key}: {message}")]
    Invalid {
        /// The key in question.
        key: String,
        /// What is wrong, and what is wanted.
        message: String,
    },
}

impl ConfigError {
    fn invalid(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), message: message.into() }
    }
}

/// Reads the file, lets `environment` override it, checks the result and reads secrets that stand in files.
///
/// # Errors
/// [`ConfigError`] names the file, the key and what is wanted.
pub fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let (text, origin) = match path {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (String::new(), "defaults".to_owned()),
    };
    from_toml(&text, &origin, environment)
}

/// As [`load`], from a text; `origin` stands in error messages.
///
/// # Errors
/// [`ConfigError`] names the key and what is wanted.
pub fn from_toml(
    text: &str,
    origin: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let parse_error =
        |error: toml::de::Error| ConfigError::Parse { origin: origin.to_owned(), message: at_its_place(&error, text) };
    let mut table: toml::Table = toml::from_str(text).map_err(parse_error)?;
    // The file is checked on its own first, so that its errors carry line numbers.
    let _: Config = toml::from_str(text).map_err(parse_error)?;
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix("ZAS_") {
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            // ZAS_CONFIG and its like name options of the command line; settings always have a section.
            if keys.len() > 1 {
                set(&mut table, &keys, &value);
            }
        }
    }
    let mut config: Config = Value::Table(table).try_into().map_err(|error: toml::de::Error| ConfigError::Parse {
        origin: format!("{origin} and environment"),
        message: without_values(&error.to_string()),
    })?;
    read_secret_files(&mut config)?;
    check(&config)?;
    Ok(config)
}

/// What is wrong and where, without the line itself: it may hold a secret.
fn at_its_place(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", without_values(error.message()))
}

fn set(table: &mut toml::Table, keys: &[String], text: &str) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        table.insert(first.clone(), scalar(text));
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(toml::Table::new()));
    if let Value::Table(inner) = inner {
        set(inner, rest, text);
    }
}

/// A value as TOML writes it (`5`, `true`, `["a"]`), or else a plain text.
fn scalar(text: &str) -> Value {
    let parsed = toml::from_str::<toml::Table>(&format!("v = {text}")).ok().and_then(|mut table| table.remove("v"));
    match parsed {
        Some(value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn read_secret_files(config: &mut Config) -> Result<(), ConfigError> {
    for (i, key) in config.access_keys.iter_mut().enumerate() {
        read_secret_file(&mut key.secret, key.secret_file.as_deref(), &format!("access_keys[{i}]"))?;
    }
    for (i, key) in config.identity.key_ring.iter_mut().enumerate() {
        read_secret_file(&mut key.secret, key.secret_file.as_deref(), &format!("identity.key_ring[{i}]"))?;
    }
    for (i, issuer) in config.identity.issuers.iter_mut().enumerate() {
        if let Some(client) = &mut issuer.client {
            let key = format!("identity.issuers[{i}].client");
            read_secret_file(&mut client.secret, client.secret_file.as_deref(), &key)?;
        }
    }
    for (i, webhook) in config.audit.webhooks.iter_mut().enumerate() {
        // Nobody has to sign.
        if webhook.secret.is_some() || webhook.secret_file.is_some() {
            let key = format!("audit.webhooks[{i}]");
            read_secret_file(&mut webhook.secret, webhook.secret_file.as_deref(), &key)?;
        }
    }
    for (i, target) in config.events.targets.iter_mut().enumerate() {
        if target.secret.is_some() || target.secret_file.is_some() {
            let key = format!("events.targets[{i}]");
            read_secret_file(&mut target.secret, target.secret_file.as_deref(), &key)?;
        }
    }
    Ok(())
}

/// A secret stands in the configuration or in a file, not in both.
fn read_secret_file(secret: &mut Option<Secret>, file: Option<&Path>, key: &str) -> Result<(), ConfigError> {
    match (&secret, file) {
        (Some(_), None) => {}
        (None, Some(path)) => {
            let text =
                read(path).map_err(|error| ConfigError::invalid(format!("{key}.secret_file"), error.to_string()))?;
            *secret = Some(Secret::new(text.trim()));
        }
        _ => return Err(ConfigError::invalid(key.to_owned(), "give exactly one of `secret` and `secret_file`")),
    }
    Ok(())
}

fn check(config: &Config) -> Result<(), ConfigError> {
    let store = &config.store;
    if !store.shards.is_power_of_two() || store.shards > 256 {
        return Err(ConfigError::invalid("store.shards", "must be a power of two from 1 to 256"));
    }
    if store.retry.max_attempts == 0 {
        return Err(ConfigError::invalid("store.retry.max_attempts", "must be at least 1"));
    }
    if !(store.retry.factor >= 1.0 && store.retry.factor.is_finite()) {
        return Err(ConfigError::invalid("store.retry.factor", "must be at least 1.0"));
    }
    if !(0.0..=1.0).contains(&store.retry.budget) {
        return Err(ConfigError::invalid("store.retry.budget", "must be from 0.0 to 1.0"));
    }
    if store.breaker.failure_threshold == 0 || store.breaker.half_open_probes == 0 {
        return Err(ConfigError::invalid("store.breaker", "failure_threshold and half_open_probes must be at least 1"));
    }
    let prefix_is_a_component =
        !store.prefix.is_empty() && store.prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !prefix_is_a_component {
        return Err(ConfigError::invalid("store.prefix", "must be one repository name component of a-z and 0-9"));
    }
    let url = url::Url::parse(&store.url).map_err(|e| ConfigError::invalid("store.url", e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ConfigError::invalid("store.url", "must be an http or https URL with a host"));
    }
    if config.s3.max_presign > std::time::Duration::from_secs(7 * 24 * 3600) {
        return Err(ConfigError::invalid("s3.max_presign", "must not be above 7 days"));
    }
    check_default_quota(&config.s3.default_quota)?;
    if config.database.max_connections == 0 {
        return Err(ConfigError::invalid("database.max_connections", "must be at least 1"));
    }
    if config.idempotency.keep.is_zero() || config.idempotency.keys_per_principal == 0 {
        return Err(ConfigError::invalid("idempotency", "keep and keys_per_principal must be more than nothing"));
    }
    check_limits(&config.limits)?;
    check_external_url(config.listen.external_url.as_deref())?;
    check_identity(&config.identity)?;
    check_audit(&config.audit)?;
    super::events::check(&config.events)
        .map_err(|(field, text)| ConfigError::invalid(format!("events.{field}"), text))?;
    super::issuer::check(&config.identity.issuers)
        .map_err(|(field, text)| ConfigError::invalid(format!("identity.issuers{field}"), text))?;
    super::supply_chain::check(&config.supply_chain)
        .map_err(|(field, text)| ConfigError::invalid(format!("supply_chain.{field}"), text))?;
    check_access_keys(config)
}

/// The index counts in integers that have a sign.
fn check_default_quota(quota: &super::DefaultQuota) -> Result<(), ConfigError> {
    let limits = [
        ("s3.default_quota.bytes", quota.bytes.map(|bytes| bytes.as_u64())),
        ("s3.default_quota.objects", quota.objects),
    ];
    match limits.iter().find(|(_, limit)| limit.is_some_and(|limit| i64::try_from(limit).is_err())) {
        Some((key, _)) => Err(ConfigError::invalid(*key, format!("must not be above {}", i64::MAX))),
        None => Ok(()),
    }
}

fn check_external_url(url: Option<&str>) -> Result<(), ConfigError> {
    let is_base =
        |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    match url.map(url::Url::parse) {
        None => Ok(()),
        Some(Ok(url)) if is_base(&url) => Ok(()),
        Some(_) => {
            Err(ConfigError::invalid("listen.external_url", "must be http or https, a host, and nothing behind it"))
        }
    }
}

/// Both names go into headers and tokens.
fn check_identity(identity: &super::Identity) -> Result<(), ConfigError> {
    let is_plain = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if let Some(i) = identity.key_ring.iter().position(|key| !is_plain(&key.id)) {
        return Err(ConfigError::invalid(
            format!("identity.key_ring[{i}].id"),
            "must be 1 to 64 of A-Z, a-z, 0-9, - and _",
        ));
    }
    let service = &identity.registry_service;
    if service.is_empty() || !service.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:/_".contains(&b)) {
        return Err(ConfigError::invalid("identity.registry_service", "must be letters, digits and any of . - : / _"));
    }
    Ok(())
}

fn check_audit(audit: &super::Audit) -> Result<(), ConfigError> {
    if audit.queue == 0 {
        return Err(ConfigError::invalid("audit.queue", "must be at least 1"));
    }
    if audit.retention < std::time::Duration::from_secs(2 * 24 * 3600) {
        return Err(ConfigError::invalid("audit.retention", "must be at least 2 days"));
    }
    if let Some(i) = audit.webhooks.iter().position(|webhook| webhook.secret.as_ref().is_some_and(Secret::is_empty)) {
        return Err(ConfigError::invalid(format!("audit.webhooks[{i}].secret"), "must not be empty"));
    }
    if audit.reconcile_after < std::time::Duration::from_secs(1) {
        return Err(ConfigError::invalid("audit.reconcile_after", "must be at least 1 second"));
    }
    let mut names = std::collections::HashSet::new();
    match audit.webhooks.iter().position(|webhook| !names.insert(webhook.name.as_str())) {
        Some(i) => Err(ConfigError::invalid(format!("audit.webhooks[{i}].name"), "is there twice")),
        None => Ok(()),
    }
}

fn check_limits(limits: &super::Limits) -> Result<(), ConfigError> {
    let counts = [
        ("limits.connections", limits.connections),
        ("limits.connections_per_address", limits.connections_per_address),
        ("limits.requests", limits.requests),
        ("limits.h2_streams", limits.h2_streams),
    ];
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((key, _)) => Err(ConfigError::invalid(*key, "must be at least 1")),
        None => Ok(()),
    }
}

fn check_access_keys(config: &Config) -> Result<(), ConfigError> {
    let mut ids = std::collections::HashSet::new();
    for (i, key) in config.access_keys.iter().enumerate() {
        let id_is_plain = key.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !(3..=128).contains(&key.id.len()) || !id_is_plain {
            return Err(ConfigError::invalid(
                format!("access_keys[{i}].id"),
                "must be 3 to 128 of A-Z, a-z, 0-9, - and _",
            ));
        }
        if key.secret.as_ref().is_none_or(|secret| secret.expose().len() < 16) {
            return Err(ConfigError::invalid(format!("access_keys[{i}].secret"), "must have at least 16 characters"));
        }
        if !ids.insert(key.id.as_str()) {
            return Err(ConfigError::invalid(format!("access_keys[{i}].id"), "is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        from_toml(text, "test.toml", [])
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.address, "127.0.0.1:9800");
        assert!(config.access_keys.is_empty());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = parse("[store]\nurll = \"http://x\"").unwrap_err().to_string();
        assert!(error.contains("urll") && error.contains("test.toml"), "{error}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let environment = [
            ("ZAS_STORE__RETRY__MAX_ATTEMPTS".to_owned(), "7".to_owned()),
            ("ZAS_STORE__URL".to_owned(), "http://zot:5000".to_owned()),
            ("ZAS_LIMITS__IDLE_TIMEOUT".to_owned(), "5s".to_owned()),
            ("ZAS_CONFIG".to_owned(), "ignored.toml".to_owned()),
        ];
        let config = from_toml("[store.retry]\nmax_attempts = 2", "t", environment).unwrap();
        assert_eq!(config.store.retry.max_attempts, 7);
        assert_eq!(config.store.url, "http://zot:5000");
        assert_eq!(config.limits.idle_timeout, Duration::from_secs(5));
    }

    #[test]
    fn an_unknown_key_in_the_environment_is_refused() {
        let error = from_toml("", "t", [("ZAS_STORE__URLL".to_owned(), "x".to_owned())]).unwrap_err();
        assert!(error.to_string().contains("urll"), "{error}");
    }

    #[test]
    fn a_short_secret_is_refused_without_printing_it() {
        let error = parse("[[access_keys]]\nid = \"AKIA\"\nsecret = \"hunter2\"").unwrap_err().to_string();
        assert!(error.contains("access_keys[0].secret") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_text_that_cannot_be_read_is_named_by_its_place_and_not_repeated() {
        for (text, place) in [
            ("[[access_keys]]\nid = \"AKIA\"\nsecret = \"hunter2-hunter2", "line 3"),
            ("[database]\nurl = [\"hunter2\"]", "line 2, column 7"),
            ("[database]\nmax_connections = \"hunter2\"", "line 2"),
            ("database = \"hunter2\"", "line 1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(place) && !error.contains("hunter2"), "{error}");
        }
        let environment = [("ZAS_DATABASE__MAX_CONNECTIONS".to_owned(), "hunter2".to_owned())];
        let error = from_toml("", "t", environment).unwrap_err().to_string();
        assert!(error.contains("environment") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let config =
            parse(&format!("[[access_keys]]\nid = \"AKIA\"\nsecret_file = {:?}", file.display().to_string())).unwrap();
        assert_eq!(config.access_keys[0].secret.as_ref().unwrap().expose(), "0123456789abcdef");
    }

    #[test]
    fn a_webhook_has_its_secret_in_the_configuration_in_a_file_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let (file, empty) = (dir.path().join("secret"), dir.path().join("empty"));
        std::fs::write(&file, "what signs\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let webhook =
            |rest: &str| parse(&format!("[[audit.webhooks]]\nname = \"siem\"\nurl = \"https://siem.example\"\n{rest}"));
        let secret = |rest: &str| webhook(rest).unwrap().audit.webhooks[0].secret.clone();
        let in_file = |path: &Path| format!("secret_file = {:?}", path.display().to_string());
        assert_eq!(secret(&in_file(&file)).unwrap().expose(), "what signs");
        assert_eq!(secret("secret = \"what signs\"").unwrap().expose(), "what signs");
        assert_eq!(secret(""), None);
        for (rest, key) in [
            (format!("secret = \"x\"\n{}", in_file(&file)), "audit.webhooks[0]: give exactly one of"),
            (in_file(&dir.path().join("none")), "audit.webhooks[0].secret_file: "),
            (in_file(&empty), "audit.webhooks[0].secret: must not be empty"),
        ] {
            let error = webhook(&rest).unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn a_secret_file_that_cannot_be_read_is_named_with_its_key() {
        let error = parse("[[access_keys]]\nid = \"AKIA\"\nsecret_file = \"/no/such/file\"").unwrap_err().to_string();
        assert!(error.starts_with("access_keys[0].secret_file: /no/such/file: "), "{error}");
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_key() {
        for (text, key) in [
            ("[store]\nshards = 3", "store.shards"),
            ("[store]\nprefix = \"s3/x\"", "store.prefix"),
            ("[store.retry]\nfactor = 0.5", "store.retry.factor"),
            ("[s3]\nmax_presign = \"8days\"", "s3.max_presign"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("[idempotency]\nkeep = \"0s\"", "idempotency"),
            ("[idempotency]\nkeys_per_principal = 0", "idempotency"),
            ("[supply_chain]\nrule_attempts = 0", "supply_chain.rule_attempts"),
            ("[supply_chain]\nstale_after = \"10s\"", "supply_chain.stale_after"),
            ("[supply_chain]\nmemory = \"1MiB\"", "supply_chain.memory"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}
