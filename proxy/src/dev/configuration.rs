//! What runs, as a configuration for other commands: `zas-proxy audit verify --config .zas/zas.toml`.

use std::path::Path;

use serde::Serialize;

use super::folder::Folder;
use crate::config::Config;

/// Its name in the data folder.
const FILE: &str = "zas.toml";

/// Of a configuration what a command needs that looks at database and registry.
#[derive(Serialize)]
struct Written<'a> {
    database: Database<'a>,
    store: Store<'a>,
    audit: Audit<'a>,
}

#[derive(Serialize)]
struct Database<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Store<'a> {
    url: &'a str,
    prefix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zot_config: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token<'a>>,
}

#[derive(Serialize)]
struct Token<'a> {
    key_file: &'a Path,
}

#[derive(Serialize)]
struct Audit<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_key_file: Option<&'a Path>,
}

/// Writes it anew: ports are others at each start. Only its owner may read it, for it holds the database's password.
pub(super) fn write(folder: &Folder, config: &Config) -> anyhow::Result<()> {
    folder.write_private(FILE, &text(config)?).map(drop)
}

fn text(config: &Config) -> anyhow::Result<String> {
    let store = &config.store;
    let written = Written {
        database: Database { url: config.database.url.expose() },
        store: Store {
            url: &store.url,
            prefix: &store.prefix,
            zot_config: store.zot_config.as_deref(),
            token: store.token.key_file.as_deref().map(|key_file| Token { key_file }),
        },
        audit: Audit { checkpoint_key_file: config.audit.checkpoint_key_file.as_deref() },
    };
    let what = "# What `zas-proxy dev` runs, for other commands; written at each start.\n\n";
    Ok(what.to_owned() + &toml::to_string(&written)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::config::{Secret, from_toml};

    #[test]
    fn what_is_written_is_read_as_what_runs() {
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://zas:p%20w@127.0.0.1:5432/zas");
        config.store.url = "http://127.0.0.1:5001".to_owned();
        for key in [None, Some(PathBuf::from("/data/store-key.pem"))] {
            config.store.token.key_file.clone_from(&key);
            config.audit.checkpoint_key_file.clone_from(&key);
            let read = from_toml(&text(&config).unwrap(), "zas.toml", []).unwrap();
            assert_eq!(read.database.url.expose(), config.database.url.expose());
            assert_eq!(read.store.url, config.store.url);
            assert_eq!((&read.store.token.key_file, &read.audit.checkpoint_key_file), (&key, &key));
        }
    }
}
