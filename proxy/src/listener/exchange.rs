//! What one request's handlers know of its connection, and what is in flight.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    /// The request that this task works on: pingora makes a request's context without being told of its connection.
    pub(super) static EXCHANGE: Arc<Exchange>;
}

/// The client at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) secure: bool,
}

/// One request and its connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: Client,
    pub(super) watchdog: Watchdog,
    /// Whether the connection has more to read when it is closed.
    lingers: Arc<AtomicBool>,
}

impl Exchange {
    pub(super) fn new(client: Client, lingers: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { client, watchdog: Watchdog::default(), lingers })
    }

    /// The request's body was not read to its end: the close must wait for the client to read the answer.
    pub(super) fn leave_unread(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }
}

/// Ends a request whose forwarded body stands still: over HTTP/2 pingora reads bodies without any timeout.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    deadline: Mutex<Option<Instant>>,
    armed: Notify,
}

impl Watchdog {
    /// Sets or moves the deadline; `None` takes it away.
    pub(super) fn set(&self, deadline: Option<Instant>) {
        let before = std::mem::replace(&mut *self.deadline.lock().unwrap_or_else(PoisonError::into_inner), deadline);
        if before.is_none() && deadline.is_some() {
            self.armed.notify_one();
        }
    }

    /// Waits until a deadline has passed.
    pub(super) async fn expired(&self) {
        loop {
            let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
            match deadline {
                None => self.armed.notified().await,
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => sleep_until(deadline).await,
            }
        }
    }
}

/// Requests in flight, over all connections.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    count: AtomicUsize,
    none: Notify,
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlightGuard(Arc<InFlight>);

impl InFlight {
    pub(super) fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.count.fetch_add(1, Ordering::AcqRel);
        InFlightGuard(Arc::clone(self))
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until nothing is in flight.
    pub(super) async fn wait_for_none(&self) {
        loop {
            let none = self.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_watchdog_that_is_fed_does_not_bite() {
        let watchdog = Watchdog::default();
        let began = Instant::now();
        watchdog.set(Some(began + Duration::from_secs(1)));
        let feed = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            watchdog.set(Some(began + Duration::from_secs(5)));
        };
        tokio::join!(feed, watchdog.expired());
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_request() {
        let in_flight = Arc::new(InFlight::default());
        let (first, second) = (in_flight.enter(), in_flight.enter());
        drop(first);
        assert_eq!(in_flight.count(), 1);
        let waiter = tokio::spawn({
            let in_flight = Arc::clone(&in_flight);
            async move { in_flight.wait_for_none().await }
        });
        tokio::task::yield_now().await;
        drop(second);
        waiter.await.unwrap();
    }
}
