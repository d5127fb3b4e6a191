//! The folder of a private Postgres, the user that it runs as, and the password that opens it.
//!
//! `data_dir/lock` is held by the process that uses the folder. State is in the *home*: `data_dir` itself, or, where the
//! user that Postgres runs as cannot reach that, a folder of the system that `data_dir/location` names.
//! A home holds `data` (Postgres' own), `password` and `postgres.log`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::PostgresError;
use super::watchdog::{brief, command};
use crate::digest::Digest;

/// A log above this size is put aside at the next start; one such is kept.
const LOG_KEPT_BYTES: u64 = 8 << 20;

/// The unprivileged user that Postgres runs as when we are root.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Where the state is.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    account: Option<Account>,
    password: String,
}

impl Home {
    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Postgres' own folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The log of Postgres.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Whom Postgres runs as, where that is not us.
    pub(super) const fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// The superuser's password.
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// The file that holds the password.
    pub(super) fn password_file(&self) -> PathBuf {
        password_file(&self.folder)
    }

    /// Major version of the Postgres that wrote the data, if there is any.
    pub(super) fn major(&self) -> Result<Option<u32>, PostgresError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PostgresError::folder("read", &path)(error)),
        }
    }

    /// Opens the log for appending; a large one is put aside first.
    pub(super) fn open_log(&self) -> Result<File, PostgresError> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_KEPT_BYTES) {
            let _ = fs::rename(&path, self.folder.join("postgres.log.1"));
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600).open(&path).map_err(PostgresError::folder("write", &path))
    }
}

/// Whom to run Postgres as: nobody special unless we are root, which Postgres refuses.
pub(super) fn account(data_dir: &Path) -> Result<Option<Account>, PostgresError> {
    if effective_uid(data_dir)? != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|name| parse_account(&users, name)).map(Some).ok_or(PostgresError::NoAccount)
}

/// Reads one user of passwd(5), root excluded.
fn parse_account(users: &str, name: &str) -> Option<Account> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then_some(fields)
    })?;
    let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name: name.to_owned(), uid, gid })
}

/// Who we are, told by whom the files are that we make: the one way without unsafe code that every Unix has.
fn effective_uid(data_dir: &Path) -> Result<u32, PostgresError> {
    fs::create_dir_all(data_dir).map_err(PostgresError::folder("make", data_dir))?;
    let path = data_dir.join(format!("probe-{}", hex::encode(rand::random::<[u8; 8]>())));
    let uid = File::create_new(&path).and_then(|file| file.metadata()).map(|metadata| metadata.uid());
    let _ = fs::remove_file(&path);
    uid.map_err(PostgresError::folder("write", &path))
}

/// Claims the folder for this process; the claim ends with the process, however that ends.
pub(super) fn lock(data_dir: &Path) -> Result<File, PostgresError> {
    let path = data_dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(PostgresError::folder("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(PostgresError::InUse { folder: data_dir.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(PostgresError::folder("lock", &path)(error)),
    }
}

/// Finds or makes the home of `data_dir`.
pub(super) async fn open(data_dir: &Path, account: Option<Account>) -> Result<Home, PostgresError> {
    let data_dir = fs::canonicalize(data_dir).map_err(PostgresError::folder("read", data_dir))?;
    let folder = match &account {
        None => data_dir,
        Some(account) => reachable(&data_dir, account).await?,
    };
    own(&folder, account.as_ref(), 0o700)?;
    let password = password(&folder, account.as_ref())?;
    Ok(Home { folder, account, password })
}

/// A folder that `account` can reach: `data_dir`, the one remembered, or a new one.
async fn reachable(data_dir: &Path, account: &Account) -> Result<PathBuf, PostgresError> {
    let location = data_dir.join("location");
    if let Ok(text) = fs::read_to_string(&location) {
        let folder = PathBuf::from(text.trim_end());
        if folder.is_dir() {
            return remember(data_dir, folder);
        }
    }
    own(data_dir, Some(account), 0o700)?;
    if can_enter(data_dir, account).await {
        return Ok(data_dir.to_owned());
    }
    let name = format!("zas-postgres-{}", &Digest::of(data_dir.as_os_str().as_encoded_bytes()).hex()[..16]);
    for base in [PathBuf::from("/var/lib"), PathBuf::from("/var/tmp"), std::env::temp_dir()] {
        let folder = base.join(&name);
        forget_orphan(data_dir, &folder);
        let made = fs::create_dir(&folder).is_ok() && own(&folder, Some(account), 0o700).is_ok();
        if made && can_enter(&folder, account).await {
            tracing::info!(folder = %folder.display(), user = %account.name, "Postgres keeps its data where its user can reach it");
            return remember(data_dir, folder);
        }
    }
    Err(PostgresError::Unreachable { user: account.name.clone(), folder: data_dir.to_owned() })
}

/// Writes down both ways which folder belongs to which.
fn remember(data_dir: &Path, folder: PathBuf) -> Result<PathBuf, PostgresError> {
    for (path, text) in [(folder.join("belongs-to"), data_dir), (data_dir.join("location"), &folder)] {
        fs::write(&path, text.as_os_str().as_encoded_bytes()).map_err(PostgresError::folder("write", &path))?;
    }
    Ok(folder)
}

/// Removes the state of a data folder that was at this path, and was deleted: who deletes it wants to start over.
fn forget_orphan(data_dir: &Path, folder: &Path) {
    let owner = fs::read(folder.join("belongs-to"));
    if owner.is_ok_and(|owner| owner == data_dir.as_os_str().as_encoded_bytes()) {
        tracing::info!(folder = %folder.display(), "removing the Postgres data of a folder that was deleted");
        let _ = fs::remove_dir_all(folder);
    }
}

/// Whether `account` can enter a folder: tried, for modes alone do not tell (access lists, other kinds of rules).
pub(super) async fn can_enter(folder: &Path, account: &Account) -> bool {
    let mut try_it = command("sh", Some(account));
    try_it.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder);
    brief(try_it, Duration::from_secs(10)).await.is_some()
}

/// Gives a folder to the user that Postgres runs as, with `mode`.
pub(super) fn own(folder: &Path, account: Option<&Account>, mode: u32) -> Result<(), PostgresError> {
    if let Some(account) = account {
        chown(folder, Some(account.uid), Some(account.gid))
            .map_err(PostgresError::folder("change the owner of", folder))?;
    }
    fs::set_permissions(folder, Permissions::from_mode(mode))
        .map_err(PostgresError::folder("change the mode of", folder))
}

fn password_file(folder: &Path) -> PathBuf {
    folder.join("password")
}

/// The password of the home: read, or made where there is no data yet that an old one would open.
fn password(folder: &Path, account: Option<&Account>) -> Result<String, PostgresError> {
    let path = password_file(folder);
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known.len() >= 32 {
        return Ok(known);
    }
    if folder.join("data").exists() {
        return Err(PostgresError::PasswordMissing { password: path, folder: folder.to_owned() });
    }
    let password = hex::encode(rand::random::<[u8; 24]>());
    let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    written
        .and_then(|mut file| file.write_all(password.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(PostgresError::folder("write", &path))?;
    own(&path, account, 0o600)?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd_and_root_is_never_taken() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:P,,,:/var:/bin/sh\nevil:x:0:0::/:/bin/sh\n";
        let account = parse_account(users, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
        assert!(parse_account(users, "evil").is_none());
        assert!(parse_account(users, "nobody").is_none());
    }

    #[test]
    fn a_folder_is_claimed_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(PostgresError::InUse { .. })));
        drop(first);
        lock(folder.path()).unwrap();
    }

    #[tokio::test]
    async fn the_password_survives_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let account = account(folder.path()).unwrap();
        let first = open(folder.path(), account.clone()).await.unwrap();
        let second = open(folder.path(), account).await.unwrap();
        assert_eq!(first.password(), second.password());
        assert_eq!(fs::metadata(first.password_file()).unwrap().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn data_without_its_password_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let account = account(folder.path()).unwrap();
        let home = open(folder.path(), account.clone()).await.unwrap();
        fs::create_dir(home.data()).unwrap();
        fs::remove_file(home.password_file()).unwrap();
        assert!(matches!(open(folder.path(), account).await, Err(PostgresError::PasswordMissing { .. })));
    }

    #[tokio::test]
    async fn a_folder_that_the_user_cannot_reach_gets_another_home_and_remembers_it() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o700)).unwrap();
        let inner = outer.path().join("inner");
        let Some(account) = account(&inner).unwrap() else {
            // Only root runs Postgres as somebody else; anybody else's folder is his own.
            return;
        };
        let first = open(&inner, Some(account.clone())).await.unwrap();
        assert!(!first.folder().starts_with(outer.path()));
        assert!(can_enter(first.folder(), &account).await);
        fs::write(first.folder().join("mark"), "").unwrap();
        let second = open(&inner, Some(account.clone())).await.unwrap();
        assert_eq!(first.folder(), second.folder());
        assert!(second.folder().join("mark").exists());

        fs::remove_dir_all(&inner).unwrap();
        fs::create_dir(&inner).unwrap();
        let third = open(&inner, Some(account)).await.unwrap();
        assert!(!third.folder().join("mark").exists(), "a deleted data folder starts over");
        fs::remove_dir_all(third.folder()).unwrap();
    }
}
