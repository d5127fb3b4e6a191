//! Finds an installed Postgres: in `PATH`, then where the systems put it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::home::Account;
use super::watchdog::{brief, command};

/// The oldest major version that is good enough.
pub(super) const OLDEST_MAJOR: u32 = 14;

/// The programs of one Postgres.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    /// The folder that holds `postgres` and `initdb`.
    pub(super) bin: PathBuf,
    /// Its major version.
    pub(super) major: u32,
    /// Its version.
    pub(super) version: String,
}

/// The first installed Postgres that `account` can run, of major version `wanted` if that is given.
pub(super) async fn installed(account: Option<&Account>, wanted: Option<u32>) -> Option<Installation> {
    for bin in folders() {
        let Some(found) = look(&bin, account).await else { continue };
        if found.major >= OLDEST_MAJOR && wanted.is_none_or(|major| major == found.major) {
            return Some(found);
        }
    }
    None
}

/// What is in a folder, if `account` can run it.
pub(super) async fn look(bin: &Path, account: Option<&Account>) -> Option<Installation> {
    // The link's target, for Postgres looks for its other files beside it.
    let postgres = std::fs::canonicalize(bin.join("postgres")).ok()?;
    let bin = postgres.parent()?.to_owned();
    if !bin.join("initdb").exists() {
        return None;
    }
    let mut ask = command(&postgres, account);
    ask.arg("--version");
    let (major, version) = parse_version(&brief(ask, Duration::from_secs(20)).await?)?;
    Some(Installation { bin, major, version })
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.split_whitespace().skip_while(|word| *word != "(PostgreSQL)").nth(1)?;
    let major = version.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
    Some((major, version.to_owned()))
}

/// Folders to look in, in order.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    // (parent, what names there start with): `PARENT/START*/bin`, the newest first.
    for (parent, start) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        folders.extend(newest_first(Path::new(parent), start));
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders
}

fn newest_first(parent: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(start))
        .map(|name| (number(&name), name))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, name)| parent.join(name).join("bin")).collect()
}

/// The number in a name, 0 where there is none.
fn number(name: &str) -> u32 {
    let digits = name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        for (text, major) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", 15),
            ("postgres (PostgreSQL) 17.11\n", 17),
            ("postgres (PostgreSQL) 18beta1\n", 18),
        ] {
            assert_eq!(parse_version(text).unwrap().0, major, "{text}");
        }
        assert!(parse_version("postgres: command not found").is_none());
    }

    #[test]
    fn the_newest_folder_comes_first_by_number_and_not_by_text() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@16", "postgresql@14", "redis"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names = newest_first(parent.path(), "postgresql");
        let names: Vec<_> = names.iter().map(|p| p.strip_prefix(parent.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["postgresql@16/bin", "postgresql@14/bin", "postgresql@9/bin"]);
    }
}
