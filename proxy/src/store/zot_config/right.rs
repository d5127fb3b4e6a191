//! A configuration that a stock Zot takes and the sidecar has nothing against.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::config::StoreToken;

/// What differs from place to place.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of OCI repositories.
    pub root_directory: PathBuf,
    /// The folder of S3 bytes; neither within the other nor around it.
    pub s3_root_directory: PathBuf,
    /// The address that Zot listens at; only the sidecar may reach it.
    pub address: String,
    /// The port.
    pub port: u16,
    /// First component of every repository that holds S3 bytes: `store.prefix`.
    pub prefix: String,
    /// The public key of `store.token.key_file`, as Zot finds it. Unset: Zot serves everybody who reaches it.
    pub token_key: Option<PathBuf>,
}

/// Zot's configuration file, as JSON. Only keys that every Zot since 2.1.17 knows: an unknown one keeps it from starting.
#[must_use]
pub fn right_config(options: &Options) -> Value {
    let mut config = json!({
        "distSpecVersion": "1.1.1",
        "storage": {
            "rootDirectory": options.root_directory,
            "dedupe": false,
            "commit": true,
            "gc": true,
            "gcDelay": "24h",
            "gcInterval": "24h",
            // Signatures and SBOMs are untagged manifests: without this rule they would be collected.
            "retention": {
                "delay": "168h",
                "policies": [{"repositories": ["**"], "deleteReferrers": false, "deleteUntagged": false}],
            },
            "subPaths": {
                format!("/{}", options.prefix): {
                    "rootDirectory": options.s3_root_directory,
                    "dedupe": false,
                    "gc": false,
                    "commit": true,
                },
            },
        },
        "http": {
            "address": options.address,
            "port": options.port.to_string(),
            "readTimeout": "0s",
            "writeTimeout": "0s",
            "compat": ["docker2s2"],
        },
        "log": {"level": "warn"},
    });
    if let (Some(key), Some(http)) = (&options.token_key, config.get_mut("http").and_then(Value::as_object_mut)) {
        // The realm is where clients would ask for tokens; ours makes its own.
        let bearer = json!({"realm": "zas-proxy", "service": StoreToken::default().service, "cert": key});
        http.insert("auth".to_owned(), json!({ "bearer": bearer }));
    }
    config
}
