//! Requests that are forwarded past this client, with the breaker's leave: they learn from its state and add to it.

use http::StatusCode;

use super::Store;
use super::breaker::Permit;
use super::failure::Failure;
use crate::error::Result;

/// The breaker's leave to forward one request. Dropped without a verdict it speaks neither for nor against the registry.
#[derive(Debug)]
#[must_use = "the breaker learns nothing from a passage without a verdict"]
pub struct Passage(Permit);

impl Store {
    /// Asks to forward a request. One whose body a client has yet to send is never a probe, for it may take as long as
    /// that client does.
    /// # Errors
    /// `UpstreamUnavailable` with the time after which to come back: the breaker is open, or half-open and probing.
    pub fn pass(&self, has_body: bool) -> Result<Passage> {
        let breaker = &self.inner.breaker;
        let admitted = if has_body { breaker.admit_continuation() } else { breaker.admit() };
        admitted.map(Passage).map_err(|for_another| self.inner.error(Failure::Open { for_another }, "forward", 0))
    }
}

impl Passage {
    /// The registry has answered; a server error speaks against it, and any other answer for it.
    pub fn answered(self, status: StatusCode) {
        if status.is_server_error() { self.0.fail() } else { self.0.succeed() }
    }

    /// The registry could not be reached, was silent for too long, or cut the connection before it had answered.
    pub fn missed(self) {
        self.0.fail();
    }
}
