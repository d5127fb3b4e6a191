//! What a forwarded request moves, for the metrics: a blob or a manifest, in one piece or in chunks.
//!
//! A blob may come in many requests. How large it was and how long it took is then known only to who has seen them all: what
//! was seen of an upload session is remembered, for a bounded number of them; where other replicas have seen the rest, the
//! blob is counted without size and duration.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, header};

use super::name::Name;
use super::path::Route;
use crate::listener::{Ending, Summary};
use crate::telemetry::{self, Item};

/// Upload sessions that are remembered; beyond that the oldest is forgotten.
const SESSIONS_MAX: usize = 1024;

/// What a request moves.
#[derive(Debug)]
pub(super) enum Transfer {
    /// Nothing that counts.
    Nothing,
    /// A blob to the client.
    PullBlob,
    /// A manifest to the client; its media type, when the answer has said it.
    PullManifest(OnceLock<String>),
    /// A manifest of this media type to the registry.
    PushManifest(String),
    /// A blob to the registry, whole.
    PushBlob,
    /// A part of a blob to the registry, in this session.
    Chunk(String),
    /// The last part of one, or all of it.
    Finish(String),
}

impl Transfer {
    pub(super) fn of(route: &Route, parts: &Parts) -> Self {
        match (route, parts.method.as_str()) {
            (Route::Blob { .. }, "GET") => Self::PullBlob,
            (Route::Manifest { .. }, "GET") => Self::PullManifest(OnceLock::new()),
            (Route::Manifest { .. }, "PUT") => Self::PushManifest(media_type(&parts.headers)),
            (Route::Uploads { .. }, "POST") if is_whole_blob(parts) => Self::PushBlob,
            (Route::Upload { id, .. }, "PATCH") => Self::Chunk(id.clone()),
            (Route::Upload { id, .. }, "PUT") => Self::Finish(id.clone()),
            _ => Self::Nothing,
        }
    }

    /// Looks at the head of the answer.
    pub(super) fn answered(&self, headers: &HeaderMap) {
        if let Self::PullManifest(known) = self {
            let _ = known.set(media_type(headers));
        }
    }

    /// Counts what was moved; nothing of what the registry refused.
    pub(super) fn ended(&self, name: &Name, summary: &Summary) {
        let (name, status) = (name.as_str(), summary.status);
        let (bytes, duration) = (summary.bytes_in, summary.duration);
        match self {
            Self::PullBlob if matches!(status, 200 | 206) => pulled(&Item::blob(name), summary),
            Self::PullManifest(known) if matches!(status, 200 | 206) => {
                pulled(&Item::manifest(name, known.get().map_or("", String::as_str)), summary);
            }
            Self::PushManifest(media_type) if status == 201 => {
                telemetry::upload(&Item::manifest(name, media_type), bytes, duration);
            }
            Self::PushBlob if status == 201 => telemetry::upload(&Item::blob(name), bytes, duration),
            Self::Chunk(session) if matches!(status, 202 | 204) => {
                telemetry::upload_bytes(&Item::blob(name), bytes);
                SESSIONS.grow(session, bytes, duration);
            }
            Self::Finish(session) if status == 201 => {
                let earlier = SESSIONS.take(session);
                let item = Item::blob(name);
                telemetry::upload_bytes(&item, bytes);
                telemetry::upload_done(&item, whole(earlier, bytes, duration));
            }
            _ => {}
        }
    }
}

/// Size and duration of a blob; unknown where nothing came in its last request, and nobody here has seen the others.
fn whole(earlier: Option<Seen>, last: u64, duration: Duration) -> Option<(u64, Duration)> {
    match earlier {
        Some(seen) => Some((seen.bytes.saturating_add(last), seen.begun.elapsed())),
        None => (last > 0).then_some((last, duration)),
    }
}

fn pulled(item: &Item, summary: &Summary) {
    telemetry::download(item, summary.bytes_out, summary.duration, summary.ending == Ending::Complete);
}

fn media_type(headers: &HeaderMap) -> String {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Whether a POST brings a blob, and does not just open a session or mount one.
fn is_whole_blob(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    let has = |wanted: &str| url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == wanted);
    has("digest") && !has("mount")
}

/// What was seen of an upload session.
#[derive(Debug, Clone, Copy)]
struct Seen {
    bytes: u64,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Sessions(Mutex<HashMap<String, Seen>>);

static SESSIONS: LazyLock<Sessions> = LazyLock::new(Sessions::default);

impl Sessions {
    fn grow(&self, session: &str, bytes: u64, duration: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(session) && all.len() >= SESSIONS_MAX {
            let oldest = all.iter().min_by_key(|(_, seen)| seen.begun).map(|(id, _)| id.clone());
            oldest.and_then(|id| all.remove(&id));
        }
        let now = Instant::now();
        let begun = now.checked_sub(duration).unwrap_or(now);
        let seen = all.entry(session.to_owned()).or_insert(Seen { bytes: 0, begun });
        seen.bytes = seen.bytes.saturating_add(bytes);
    }

    fn take(&self, session: &str) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_adds_up_and_is_forgotten_at_its_end() {
        let sessions = Sessions::default();
        sessions.grow("a", 5, Duration::from_secs(1));
        sessions.grow("a", 7, Duration::ZERO);
        let seen = sessions.take("a").unwrap();
        assert_eq!(seen.bytes, 12);
        assert!(seen.begun.elapsed() >= Duration::from_secs(1));
        assert!(sessions.take("a").is_none());
    }

    #[test]
    fn of_too_many_sessions_the_oldest_is_forgotten() {
        let sessions = Sessions::default();
        sessions.grow("oldest", 1, Duration::from_secs(60));
        for n in 0..SESSIONS_MAX {
            sessions.grow(&n.to_string(), 1, Duration::ZERO);
        }
        assert_eq!(sessions.0.lock().unwrap().len(), SESSIONS_MAX);
        assert!(sessions.take("oldest").is_none() && sessions.take("0").is_some());
    }

    #[test]
    fn a_size_that_was_not_seen_is_not_made_up() {
        assert!(whole(None, 0, Duration::ZERO).is_none());
        assert_eq!(whole(None, 3, Duration::ZERO).unwrap().0, 3);
        assert_eq!(whole(Some(Seen { bytes: 4, begun: Instant::now() }), 3, Duration::ZERO).unwrap().0, 7);
    }

    #[test]
    fn a_mount_or_an_opened_session_is_no_upload() {
        let transfer = |target: &str| {
            let parts = http::Request::post(target).body(()).unwrap().into_parts().0;
            Transfer::of(&Route::parse(parts.uri.path()).unwrap(), &parts)
        };
        assert!(matches!(transfer("/v2/a/blobs/uploads/?digest=sha256:00"), Transfer::PushBlob));
        assert!(matches!(transfer("/v2/a/blobs/uploads/"), Transfer::Nothing));
        assert!(matches!(transfer("/v2/a/blobs/uploads/?mount=sha256:00&from=b"), Transfer::Nothing));
    }
}
