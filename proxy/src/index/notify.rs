//! What other replicas change, told by Postgres: one connection that listens, for all caches of this process.
//!
//! A notice is a hint, never the truth: whoever hears one asks the index. Notices are lost while the connection is down, so that
//! every new connection begins with [`Notice::Resync`]. [`Feed::age`] tells how old the last sign of life is, for those who must
//! fail closed when they may have missed something.
//! What does not live here: what is cached, and who sends the notices (triggers of `migrations/`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Index;

/// A key was made, changed or deleted; the payload is its id.
pub const ACCESS_KEYS: &str = "zas_access_keys";
/// A policy or an attachment was changed; what the payload is, policies say.
pub const POLICIES: &str = "zas_policies";
/// Something was revoked; the payload is `kind:value`, cut to what Postgres takes.
pub const REVOCATIONS: &str = "zas_revocations";
/// Who signs and whose signatures are believed was changed; no payload.
pub const TRUST: &str = "zas_trust";

/// Something else is known of an artifact; the payload is `kind:scope@hex`, without the digest where all of the scope is gone.
pub const EVIDENCE: &str = "zas_evidence";

/// Everything that is listened to.
const CHANNELS: [&str; 5] = [ACCESS_KEYS, POLICIES, REVOCATIONS, TRUST, EVIDENCE];

/// Notices that a subscriber may be behind; one that is further behind is told [`Notice::Resync`] in their place.
const BACKLOG: usize = 1024;

/// How often the connection is asked for a sign of life.
const PULSE: Duration = Duration::from_secs(1);

/// How long connecting, and the sign of life, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause before a lost connection is made anew: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something was changed.
    Changed {
        /// One of the channels of this module.
        channel: &'static str,
        /// What it was, in the channel's own terms.
        payload: Arc<str>,
    },
    /// Notices may have been lost: everything may have changed.
    Resync,
}

/// The notices of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Unset once the listener has ended for good: then subscribers hear that nothing comes any more.
    sender: RwLock<Option<broadcast::Sender<Notice>>>,
    born: Instant,
    /// Milliseconds after `born`, plus one, at which the connection was last known to stand; 0: never.
    last_good: AtomicU64,
}

/// A place at the feed.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Notice>);

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

impl Feed {
    /// A feed that nothing has come through yet.
    #[must_use]
    pub fn new() -> Self {
        let sender = RwLock::new(Some(broadcast::channel(BACKLOG).0));
        Self { shared: Arc::new(Shared { sender, born: Instant::now(), last_good: AtomicU64::new(0) }) }
    }

    /// Everything that is told from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let sender = self.shared.sender.read().unwrap_or_else(PoisonError::into_inner);
        // A feed that has ended gives a subscription that has ended.
        Subscription(sender.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe))
    }

    /// How long ago the connection was last known to stand; for ever where it never did. What was committed earlier than that
    /// has been told.
    #[must_use]
    pub fn age(&self) -> Duration {
        match self.shared.last_good.load(Ordering::Acquire) {
            0 => Duration::MAX,
            at => self.shared.born.elapsed().saturating_sub(Duration::from_millis(at - 1)),
        }
    }

    /// Listens until `stop`, over a connection of its own, and connects anew whenever it is lost. Run it once a feed.
    pub async fn run(&self, index: &Index, stop: CancellationToken) {
        let listening = async {
            let mut pause = PAUSE.0;
            loop {
                match connect(index).await {
                    Ok(listener) => {
                        pause = PAUSE.0;
                        self.tell(Notice::Resync);
                        let error = self.pass_on(listener).await;
                        tracing::warn!(%error, "changes of other replicas are not heard: the connection was lost");
                    }
                    Err(error) => tracing::warn!(%error, "changes of other replicas are not heard: no connection"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        };
        tokio::select! {
            () = listening => {}
            () = stop.cancelled() => {}
        }
        self.shared.sender.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Passes notices on until the connection is lost; gives the reason.
    async fn pass_on(&self, mut listener: PgListener) -> sqlx::Error {
        loop {
            // The time before the question: what was committed before it arrives ahead of the answer.
            let asked = Instant::now();
            match timeout(PATIENCE, sqlx::query("SELECT 1").execute(&mut listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return silent(),
            }
            while let Some(notification) = listener.next_buffered() {
                self.pass(notification.channel(), notification.payload());
            }
            self.is_good_at(asked);
            let pulse = asked + PULSE;
            loop {
                match tokio::time::timeout_at(pulse, listener.try_recv()).await {
                    Ok(Ok(Some(notification))) => self.pass(notification.channel(), notification.payload()),
                    Ok(Ok(None)) => return cut(),
                    Ok(Err(error)) => return error,
                    Err(_) => break,
                }
            }
        }
    }

    fn pass(&self, channel: &str, payload: &str) {
        if let Some(channel) = CHANNELS.into_iter().find(|known| *known == channel) {
            self.tell(Notice::Changed { channel, payload: payload.into() });
        }
    }

    /// Tells every subscriber; with none there is nobody to tell.
    fn tell(&self, notice: Notice) {
        if let Some(sender) = &*self.shared.sender.read().unwrap_or_else(PoisonError::into_inner) {
            let _ = sender.send(notice);
        }
    }

    fn is_good_at(&self, at: Instant) {
        let millis = at.saturating_duration_since(self.shared.born).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.shared.last_good.store(millis.saturating_add(1), Ordering::Release);
    }
}

impl Subscription {
    /// The next notice; none once the feed has ended. May be dropped at any time without loss.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Notice::Resync),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Until something is told that concerns a channel, or notices may have been lost. A feed that has ended tells nothing any more:
    /// then it waits for ever, and asking must do.
    pub async fn told_of(&mut self, wanted: &str) {
        loop {
            match self.next().await {
                Some(Notice::Changed { channel, .. }) if channel != wanted => {}
                Some(_) => return,
                None => std::future::pending().await,
            }
        }
    }
}

/// A connection of its own, that has begun to listen.
async fn connect(index: &Index) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(index.pool.connect_options().application_name("zas-proxy-feed"));
    let connecting = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        // Made anew here and not within it, so that nobody misses that notices may be lost.
        listener.eager_reconnect(false);
        listener.listen_all(CHANNELS).await?;
        Ok(listener)
    };
    timeout(PATIENCE * 2, connecting).await.unwrap_or_else(|_| Err(silent()))
}

fn silent() -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "Postgres gave no sign of life in time").into()
}

fn cut() -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, "Postgres closed the connection").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::testing::{self, TestDatabase};

    /// Long enough for any machine.
    const LONG: Duration = Duration::from_secs(60);

    async fn next(subscription: &mut Subscription) -> Notice {
        timeout(LONG, subscription.next()).await.expect("a notice").expect("the feed goes on")
    }

    async fn listening() -> (TestDatabase, Feed, Subscription, CancellationToken) {
        let database = testing::database().await.unwrap();
        let (feed, stop) = (Feed::new(), CancellationToken::new());
        let mut subscription = feed.subscribe();
        let (index, running, stopped) = (database.index().unwrap(), feed.clone(), stop.clone());
        tokio::spawn(async move { running.run(&index, stopped).await });
        assert_eq!(next(&mut subscription).await, Notice::Resync);
        (database, feed, subscription, stop)
    }

    async fn notify(database: &TestDatabase, channel: &str, payload: &str) {
        let pool = database.pool().unwrap();
        sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload).execute(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_notice_of_another_connection_arrives_and_other_channels_do_not() {
        let (database, feed, mut subscription, _stop) = listening().await;
        notify(&database, "somebody_elses", "x").await;
        notify(&database, POLICIES, "bucket/a").await;
        assert_eq!(next(&mut subscription).await, Notice::Changed { channel: POLICIES, payload: "bucket/a".into() });
        tokio::time::timeout(LONG, async {
            while feed.age() > Duration::from_secs(30) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("signs of life");
    }

    #[tokio::test]
    async fn a_lost_connection_is_made_anew_and_begins_with_a_resync() {
        let (database, _, mut subscription, _stop) = listening().await;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE application_name = 'zas-proxy-feed' AND datname = current_database()";
        sqlx::query(kill).execute(&database.pool().unwrap()).await.unwrap();
        assert_eq!(next(&mut subscription).await, Notice::Resync);
        notify(&database, ACCESS_KEYS, "k").await;
        assert_eq!(next(&mut subscription).await, Notice::Changed { channel: ACCESS_KEYS, payload: "k".into() });
    }

    #[tokio::test]
    async fn a_feed_that_never_had_a_connection_is_as_old_as_can_be() {
        let feed = Feed::new();
        assert_eq!(feed.age(), Duration::MAX);
        feed.is_good_at(Instant::now());
        assert!(feed.age() < LONG);
    }

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_to_resync() {
        let feed = Feed::new();
        let mut subscription = feed.subscribe();
        for _ in 0..BACKLOG * 2 {
            feed.pass(ACCESS_KEYS, "x");
        }
        assert_eq!(next(&mut subscription).await, Notice::Resync);
        assert_eq!(next(&mut subscription).await, Notice::Changed { channel: ACCESS_KEYS, payload: "x".into() });
    }

    #[tokio::test]
    async fn a_feed_that_was_stopped_ends_its_subscriptions() {
        let (_database, feed, mut subscription, stop) = listening().await;
        stop.cancel();
        assert_eq!(timeout(LONG, subscription.next()).await.unwrap(), None);
        assert_eq!(feed.subscribe().next().await, None);
    }
}
