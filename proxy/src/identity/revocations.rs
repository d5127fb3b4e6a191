//! [`Revocations`]: what is no longer good though it has not lapsed, as this replica knows it.
//!
//! Read whole, and swapped in whole: when something is told, and every two seconds where the index counts more of them than are
//! known. So what is revoked opens nothing after five seconds, on any replica. Where it cannot be asked for long, tokens and sessions
//! are not served at all.
//! What does not live here: access keys, which are looked up one by one (`stored_keys.rs`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::LONGEST_SESSION;
use super::issuers::SKEW;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::index::notify::{Feed, REVOCATIONS, Subscription};
use crate::index::{Index, Revocation, RevocationKind};
use crate::telemetry::names;

/// How often the index is asked whether there are more.
const POLL: Duration = Duration::from_secs(2);

/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// How often lapsed rows are cleared away, and how many at once.
const CLEAR: Duration = Duration::from_secs(60);
const BATCH: u32 = 1000;

/// Revocations that are known at the most, for each takes memory; they lapse within two days. Where there are more, nobody can tell what is
/// still good: tokens and sessions are not served then. The log warns when four fifths are reached.
const MOST: u32 = 1_000_000;

/// Seconds after a revocation in which what this service begins for its subject is revoked as well. A replica may take an access key for
/// five seconds after it was switched off, and its clock may be ahead by as much as the clocks of issuers may: the session that it begins
/// says then that it was begun after the revocation.
const MARGIN: i64 = 5 + SKEW;

/// What a credential says of itself that can be revoked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Revocable<'a> {
    /// The identity id.
    pub subject: &'a str,
    /// Seconds since 1970 at which the first credential of its chain was issued.
    pub issued_at: i64,
    /// Whether that was this service, by its own clock: a session that was begun with an access key.
    pub begun_by_us: bool,
    /// The token's id, after the issuer's name and a slash.
    pub token: Option<&'a str>,
    /// The login's id, after the issuer's name and a slash.
    pub login: Option<&'a str>,
    /// The session's id.
    pub session: Option<&'a str>,
}

/// The revocations of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    known: ArcSwap<Known>,
    born: Instant,
    /// Milliseconds after `born`, plus one, at which nothing was missed for sure; 0: never.
    confirmed: AtomicU64,
    /// One at a time: of two that read, the one that began earlier must not undo what the later one has read.
    refreshing: Mutex<()>,
    stale_after: Duration,
    most: u32,
}

#[derive(Debug)]
struct Known {
    revision: i64,
    /// Seconds since 1970 up to which it is revoked, by what it is.
    before: HashMap<(RevocationKind, String), i64>,
    /// Whether that is all of them.
    is_whole: bool,
}

impl Revocations {
    /// Nothing is known yet, and known to be missed for ever; what is older than `stale_after` is not trusted.
    #[must_use]
    pub fn new(stale_after: Duration) -> Self {
        Self::of_at_most(MOST, stale_after)
    }

    fn of_at_most(most: u32, stale_after: Duration) -> Self {
        let known = ArcSwap::from_pointee(Known { revision: -1, before: HashMap::new(), is_whole: true });
        let (born, confirmed, refreshing) = (Instant::now(), AtomicU64::new(0), Mutex::new(()));
        Self { shared: Arc::new(Shared { known, born, confirmed, refreshing, stale_after, most }) }
    }

    /// Whether a credential is no longer good.
    ///
    /// # Errors
    /// `IndexUnavailable`: it cannot be told.
    pub(crate) fn is_revoked(&self, credential: Revocable<'_>) -> Result<bool> {
        if self.age() > self.shared.stale_after {
            return Err(Error::from(Code::IndexUnavailable).detail("what was revoked is not known"));
        }
        let known = self.shared.known.load();
        if !known.is_whole {
            return Err(Error::from(Code::IndexUnavailable).detail("more was revoked than can be known here"));
        }
        let before = |kind, value: &str| known.before.get(&(kind, value.to_owned())).copied();
        // Whoever has revoked nothing pays nothing.
        if known.before.is_empty() {
            return Ok(false);
        }
        let of_subject = before(RevocationKind::Subject, credential.subject);
        let of_login = credential.login.and_then(|login| before(RevocationKind::Login, login));
        let margin = if credential.begun_by_us { MARGIN } else { 0 };
        let is_late =
            of_subject.max(of_login).is_some_and(|before| credential.issued_at <= before.saturating_add(margin));
        let token = credential.token.and_then(|token| before(RevocationKind::Token, token));
        let session = credential.session.and_then(|session| before(RevocationKind::Session, session));
        Ok(is_late || token.is_some() || session.is_some())
    }

    fn age(&self) -> Duration {
        match self.shared.confirmed.load(Ordering::Acquire) {
            0 => Duration::MAX,
            at => self.shared.born.elapsed().saturating_sub(Duration::from_millis(at - 1)),
        }
    }

    /// Keeps what is known the latest until `stop`, and clears away what has lapsed.
    pub async fn run(&self, index: &Index, feed: &Feed, stop: CancellationToken) {
        tokio::select! {
            () = self.follow(index, feed.subscribe()) => {}
            () = clear(index) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn follow(&self, index: &Index, mut notices: Subscription) {
        loop {
            let pause = match self.refresh(index).await {
                Ok(()) => POLL,
                Err(error) => {
                    tracing::warn!("what was revoked could not be read: {}", error.for_log());
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = notices.told_of(REVOCATIONS) => {}
            }
        }
    }

    /// What was found; where there is more than may be known, none of it, and it is asked for again until that has changed.
    fn known(&self, revision: i64, found: Vec<Revocation>) -> Known {
        let (most, length) = (self.shared.most, u32::try_from(found.len()).unwrap_or(u32::MAX));
        metrics::gauge!(names::REVOCATIONS).set(f64::from(length));
        if length > most {
            tracing::error!(most, "more was revoked than can be known here: tokens and sessions are not served");
            return Known { revision: -1, before: HashMap::new(), is_whole: false };
        }
        if length > most / 5 * 4 {
            tracing::warn!(length, most, "beyond so many revocations tokens and sessions are not served");
        }
        let before = found.into_iter().map(|one| ((one.kind, one.value), one.before.unix_timestamp())).collect();
        Known { revision, before, is_whole: true }
    }

    /// Makes sure that nothing is missed; reads only where there is something new.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn refresh(&self, index: &Index) -> Result<()> {
        let _turn = self.shared.refreshing.lock().await;
        let asked = Instant::now();
        let revision = index.revocation_revision().await?;
        if revision != self.shared.known.load().revision {
            let found = index.revocations(None, self.shared.most.saturating_add(1)).await?;
            self.shared.known.store(Arc::new(self.known(revision, found)));
        }
        let millis = asked.saturating_duration_since(self.shared.born).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.shared.confirmed.fetch_max(millis.saturating_add(1), Ordering::AcqRel);
        Ok(())
    }
}

/// For how long anything can be good that was issued until now: a token, and a chain of sessions that was begun with it at its end.
pub(crate) fn longest_credential(issuers: &[config::Issuer]) -> time::Duration {
    let oldest = issuers.iter().map(|issuer| issuer.max_token_age).max();
    let oldest = oldest.and_then(|age| time::Duration::try_from(age).ok()).unwrap_or(time::Duration::ZERO);
    oldest + LONGEST_SESSION + time::Duration::hours(1)
}

async fn clear(index: &Index) {
    loop {
        tokio::time::sleep(CLEAR).await;
        let cleared = async {
            while index.forget_revocations(BATCH).await? > 0 {}
            while index.forget_role_sessions(BATCH).await? > 0 {}
            Ok::<(), Error>(())
        };
        if let Err(error) = cleared.await {
            tracing::warn!("sessions that have lapsed could not be cleared away: {}", error.for_log());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::testing;
    use time::OffsetDateTime;

    #[tokio::test]
    async fn what_is_revoked_is_known_after_the_next_look_and_fails_closed_before_the_first() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let revocations = Revocations::new(Duration::from_secs(60));
        let now = OffsetDateTime::now_utc();
        let alice = Revocable { subject: "kc/alice", issued_at: now.unix_timestamp(), ..Revocable::default() };
        assert_eq!(revocations.is_revoked(alice).unwrap_err().code(), Code::IndexUnavailable);
        revocations.refresh(&index).await.unwrap();
        assert!(!revocations.is_revoked(alice).unwrap());
        let later = now + Duration::from_secs(3600);
        for (kind, value) in [
            (RevocationKind::Subject, "kc/alice"),
            (RevocationKind::Token, "kc/jti"),
            (RevocationKind::Session, "id"),
            (RevocationKind::Login, "kc/sid"),
        ] {
            index.revoke(kind, value, later, "lost laptop", "root/AKIA", &[]).await.unwrap();
        }
        revocations.refresh(&index).await.unwrap();
        assert!(revocations.is_revoked(alice).unwrap());
        assert!(
            !revocations.is_revoked(Revocable { issued_at: now.unix_timestamp() + 60, ..alice }).unwrap(),
            "issued later"
        );
        let bob = Revocable { subject: "kc/bob", ..alice };
        assert!(!revocations.is_revoked(bob).unwrap());
        assert!(revocations.is_revoked(Revocable { token: Some("kc/jti"), ..bob }).unwrap());
        assert!(revocations.is_revoked(Revocable { session: Some("id"), ..bob }).unwrap());
        assert!(!revocations.is_revoked(Revocable { session: Some("kc/jti"), ..bob }).unwrap());
        let login = Revocable { login: Some("kc/sid"), ..bob };
        assert!(revocations.is_revoked(login).unwrap());
        assert!(!revocations.is_revoked(Revocable { issued_at: now.unix_timestamp() + 60, ..login }).unwrap());
        // A replica that is late, or ahead, begins sessions with an access key that was switched off a moment ago.
        let key = Revocable { begun_by_us: true, ..alice };
        let after = |seconds| now.unix_timestamp() + seconds;
        assert!(revocations.is_revoked(Revocable { issued_at: after(20), ..key }).unwrap());
        assert!(
            !revocations.is_revoked(Revocable { issued_at: after(20), ..alice }).unwrap(),
            "a token says when itself"
        );
        assert!(!revocations.is_revoked(Revocable { issued_at: after(600), ..key }).unwrap(), "begun later");
    }

    #[tokio::test]
    async fn every_replica_hears_of_it() {
        let database = testing::database().await.unwrap();
        let (index, feed, stop) = (database.index().unwrap(), Feed::new(), CancellationToken::new());
        let revocations = Revocations::new(Duration::from_secs(60));
        let running = tokio::spawn({
            let (revocations, index, feed, stop) = (revocations.clone(), index.clone(), feed.clone(), stop.clone());
            async move { tokio::join!(feed.run(&index, stop.clone()), revocations.run(&index, &feed, stop)) }
        });
        let end = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        index.revoke(RevocationKind::Token, "kc/1", end, "", "root", &[]).await.unwrap();
        let one = Revocable { token: Some("kc/1"), ..Revocable::default() };
        let begun = Instant::now();
        while !revocations.is_revoked(one).unwrap_or(false) {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn where_more_was_revoked_than_can_be_known_nothing_is_taken_for_good() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let revocations = Revocations::of_at_most(2, Duration::from_secs(60));
        let other = Revocable { subject: "kc/other", token: Some("kc/other"), ..Revocable::default() };
        let revoke = async |value: &str, lasts: Duration| {
            let end = OffsetDateTime::now_utc() + lasts;
            index.revoke(RevocationKind::Token, value, end, "", "root", &[]).await.unwrap();
            revocations.refresh(&index).await.unwrap();
            revocations.is_revoked(other).map_err(|error| error.code())
        };
        assert_eq!(revoke("kc/0", Duration::from_secs(3600)).await, Ok(false));
        assert_eq!(revoke("kc/1", Duration::from_secs(3600)).await, Ok(false));
        assert_eq!(revoke("kc/2", Duration::from_secs(5)).await, Err(Code::IndexUnavailable));
        // One of them has lapsed: there is room again, though nothing new was revoked.
        tokio::time::sleep(Duration::from_secs(6)).await;
        revocations.refresh(&index).await.unwrap();
        assert!(!revocations.is_revoked(other).unwrap());
        assert!(revocations.is_revoked(Revocable { token: Some("kc/0"), ..other }).unwrap());
    }
}
