//! What one request carries through `s3s` beside what `s3s` knows: its body, and what went wrong in our own words.

use std::sync::{Arc, Mutex, PoisonError};

use s3s::{S3Error, S3ErrorCode};

use super::body::RawBody;
use super::signer::Asker;
use crate::authz::Permit;
use crate::error::Error;

/// One request. Cheap to clone; clones share it. Travels in the request's extensions.
#[derive(Clone)]
pub(super) struct Call(Arc<Inner>);

struct Inner {
    body: RawBody,
    asker: Asker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    operation: Option<&'static str>,
    permit: Option<Permit>,
    failure: Option<Error>,
}

impl Call {
    /// For a request with this body, of whoever asks.
    pub(super) fn new(body: RawBody, asker: Asker) -> Self {
        Self(Arc::new(Inner { body, asker, state: Mutex::default() }))
    }

    /// Who says to ask.
    pub(super) fn asker(&self) -> &Asker {
        &self.0.asker
    }

    /// The request's body.
    pub(super) fn body(&self) -> &RawBody {
        &self.0.body
    }

    /// Keeps `error` for the answer; what is returned only tells `s3s` to stop.
    pub(super) fn fail(&self, error: Error) -> S3Error {
        self.with(|state| state.failure.get_or_insert(error).code());
        S3Error::new(S3ErrorCode::InternalError)
    }

    /// What went wrong, in an operation or in the body.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.with(|state| state.failure.take()).or_else(|| self.0.body.take_error())
    }

    /// Says which operation it is.
    pub(super) fn set_operation(&self, name: &'static str) {
        self.with(|state| state.operation = Some(name));
    }

    /// Which operation it is; `unknown` until the signature was found good.
    pub(super) fn operation(&self) -> &'static str {
        self.with(|state| state.operation).unwrap_or("unknown")
    }

    /// Keeps what was permitted, to be recorded.
    pub(super) fn set_permit(&self, permit: &Permit) {
        self.with(|state| state.permit = Some(permit.clone()));
    }

    /// What was permitted.
    pub(super) fn permit(&self) -> Option<Permit> {
        self.with(|state| state.permit.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
