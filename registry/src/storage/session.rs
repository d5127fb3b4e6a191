//! Upload sessions: uploads that a client comes back to, also after a restart; bounded, and with an expiry.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{disk, upload::Upload};
use crate::{
    digest::Algorithm,
    error::{ApiError, Code},
    name::RepositoryName,
};

/// How long a request waits for another one that writes to the same session.
const SESSION_WAIT: Duration = Duration::from_secs(5);

/// An upload that a client comes back to.
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) repository: RepositoryName,
    received: Arc<AtomicU64>,
    touched: Mutex<SystemTime>,
    upload: Arc<tokio::sync::Mutex<Upload>>,
}

/// What is kept of a session beside its bytes, for a restart.
#[derive(Serialize, Deserialize)]
struct Note {
    repository: String,
    algorithm: String,
}

impl Session {
    /// Bytes that have arrived.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    /// The upload, for one request at a time.
    pub(crate) async fn lock(&self) -> Result<OwnedMutexGuard<Upload>, ApiError> {
        let guard = tokio::time::timeout(SESSION_WAIT, self.upload.clone().lock_owned()).await.map_err(|_| {
            ApiError::new(Code::BlobUploadInvalid, "another request is writing to this upload session")
                .status(StatusCode::CONFLICT)
        })?;
        self.touch();
        if guard.is_finished() { Err(unknown_session()) } else { Ok(guard) }
    }

    fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    fn idle_for(&self) -> Duration {
        let touched = *self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.elapsed().unwrap_or_default()
    }
}

pub(crate) fn unknown_session() -> ApiError {
    ApiError::new(Code::BlobUploadUnknown, "no such upload session")
}

/// All upload sessions of a registry.
pub(crate) struct Sessions {
    folder: PathBuf,
    limit: usize,
    expiry: Duration,
    open: Mutex<HashMap<Uuid, Arc<Session>>>,
}

impl Sessions {
    /// Takes up the sessions that were open when the registry stopped, and removes those that have expired.
    pub(crate) fn restore(folder: &Path, limit: usize, expiry: Duration) -> io::Result<Self> {
        let sessions = Self { folder: folder.to_owned(), limit, expiry, open: Mutex::default() };
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json").unwrap_or(name).parse().ok())
                && !sessions.open().contains_key(&id)
            {
                match sessions.read(id) {
                    Some(session) => drop(sessions.open().insert(id, Arc::new(session))),
                    None => sessions.remove_files(id)?,
                }
            }
        }
        sessions.expire()?;
        Ok(sessions)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data_path(&self, id: Uuid) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn note_path(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// `None` for bytes that no note belongs to, or whose note a crash has cut short.
    fn read(&self, id: Uuid) -> Option<Session> {
        let note: Note = serde_json::from_slice(&fs::read(self.note_path(id)).ok()?).ok()?;
        let touched = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let session = self.session(id, note.repository.parse().ok()?, note.algorithm.parse().ok()?);
        let data = self.data_path(id);
        *session.touched.lock().unwrap_or_else(PoisonError::into_inner) =
            touched(&data).or_else(|| touched(&self.note_path(id)))?;
        session.received.store(disk::size(&data).ok()?.unwrap_or(0), Ordering::SeqCst);
        Some(session)
    }

    fn session(&self, id: Uuid, repository: RepositoryName, algorithm: Algorithm) -> Session {
        let upload = Upload::new(self.data_path(id), algorithm, true);
        Session {
            id,
            repository,
            received: upload.received(),
            touched: Mutex::new(SystemTime::now()),
            upload: Arc::new(tokio::sync::Mutex::new(upload)),
        }
    }

    /// Opens a session.
    pub(crate) fn start(&self, repository: RepositoryName, algorithm: Algorithm) -> Result<Arc<Session>, ApiError> {
        let id = Uuid::new_v4();
        let note = Note { repository: repository.to_string(), algorithm: algorithm.as_str().to_owned() };
        let session = Arc::new(self.session(id, repository, algorithm));
        {
            let mut open = self.open();
            if open.len() >= self.limit {
                return Err(ApiError::too_many("too many upload sessions are open"));
            }
            open.insert(id, session.clone());
        }
        let written =
            serde_json::to_vec(&note).map_err(io::Error::from).and_then(|json| fs::write(self.note_path(id), json));
        if let Err(error) = written {
            self.open().remove(&id);
            return Err(error.into());
        }
        Ok(session)
    }

    /// A session, if it is this repository's.
    pub(crate) fn get(&self, repository: &RepositoryName, id: Uuid) -> Result<Arc<Session>, ApiError> {
        let session = self.open().get(&id).filter(|session| session.repository == *repository).cloned();
        session.ok_or_else(unknown_session)
    }

    /// Ends a session and removes what it left; its upload is locked by the caller.
    pub(crate) fn end(&self, id: Uuid, upload: &mut Upload) -> io::Result<()> {
        upload.close();
        self.open().remove(&id);
        self.remove_files(id)
    }

    /// Removes the sessions that nothing was sent to for too long.
    pub(crate) fn expire(&self) -> io::Result<usize> {
        let idle: Vec<Arc<Session>> =
            self.open().values().filter(|session| session.idle_for() >= self.expiry).cloned().collect();
        let mut removed = 0;
        for session in idle {
            // One that is locked is being written to.
            if let Ok(mut upload) = session.upload.clone().try_lock_owned()
                && session.idle_for() >= self.expiry
            {
                self.end(session.id, &mut upload)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn remove_files(&self, id: Uuid) -> io::Result<()> {
        for path in [self.data_path(id), self.note_path(id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::upload::tests::{Fixture, digest, files, fixture, piece};

    fn sessions(fixture: &Fixture) -> Sessions {
        Sessions::restore(fixture.storage.uploads(), 10, Duration::from_secs(3600)).unwrap()
    }

    #[tokio::test]
    async fn a_session_goes_on_after_a_restart() {
        let fixture = fixture();
        let before = sessions(&fixture);
        let session = before.start("a".parse().unwrap(), Algorithm::Sha256).unwrap();
        session.lock().await.unwrap().append(&piece("ab")).unwrap();
        drop(before);
        let after = sessions(&fixture);
        let again = after.get(&"a".parse().unwrap(), session.id).unwrap();
        assert_eq!(again.received(), 2);
        let mut upload = again.lock().await.unwrap();
        upload.commit(&piece("c"), &digest("abc"), &fixture.repository).unwrap();
        after.end(again.id, &mut upload).unwrap();
        assert_eq!(files(&fixture), 0);
    }

    #[tokio::test]
    async fn a_session_belongs_to_its_repository() {
        let fixture = fixture();
        let sessions = sessions(&fixture);
        let session = sessions.start("a".parse().unwrap(), Algorithm::Sha256).unwrap();
        assert!(sessions.get(&"a".parse().unwrap(), session.id).is_ok());
        assert!(sessions.get(&"b".parse().unwrap(), session.id).is_err());
    }

    #[tokio::test]
    async fn an_abandoned_session_expires_with_its_bytes() {
        let fixture = fixture();
        let sessions = Sessions::restore(fixture.storage.uploads(), 10, Duration::ZERO).unwrap();
        let session = sessions.start("a".parse().unwrap(), Algorithm::Sha256).unwrap();
        let mut upload = session.lock().await.unwrap();
        upload.append(&piece("a")).unwrap();
        assert_eq!(sessions.expire().unwrap(), 0, "it is in use");
        drop(upload);
        assert_eq!(sessions.expire().unwrap(), 1);
        assert_eq!(files(&fixture), 0);
        assert!(session.lock().await.is_err());
    }

    #[test]
    fn sessions_are_bounded() {
        let fixture = fixture();
        let sessions = Sessions::restore(fixture.storage.uploads(), 1, Duration::from_secs(1)).unwrap();
        sessions.start("a".parse().unwrap(), Algorithm::Sha256).unwrap();
        assert!(sessions.start("a".parse().unwrap(), Algorithm::Sha256).is_err());
    }

    #[test]
    fn bytes_without_their_note_are_removed_at_the_start() {
        let fixture = fixture();
        fs::write(fixture.storage.uploads().join(Uuid::new_v4().to_string()), "x").unwrap();
        fs::write(fixture.storage.uploads().join(format!("{}.json", Uuid::new_v4())), "{\"repos").unwrap();
        sessions(&fixture);
        assert_eq!(files(&fixture), 0);
    }
}
