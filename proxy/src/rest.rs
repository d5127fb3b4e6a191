//! `/-/`: probes and metrics. Management and supply-chain APIs will have folders of their own.

mod metrics;
mod probes;

use bytes::Bytes;
use http::{Method, Response, request::Parts};

use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::gateway::RequestContext;

/// Who asks at which listener: on the metrics address nobody needs a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The one listener for everybody.
    Public,
    /// The second address, which operators keep to themselves.
    Operators,
}

/// Every path, and what it is called in metrics and logs.
pub const PATHS: [(&str, &str); 3] = [("/-/livez", "livez"), ("/-/readyz", "readyz"), ("/-/metrics", "metrics")];

/// What a REST path is called in metrics and logs.
#[must_use]
pub fn operation(path: &str) -> &'static str {
    PATHS.into_iter().find(|(known, _)| *known == path).map_or("unknown", |(_, name)| name)
}

/// Answers a request that has no body to read.
/// # Errors
/// `NotFound`, `MethodNotAllowed`, or what the operation says.
pub async fn answer(app: &App, parts: &Parts, context: &RequestContext, exposure: Exposure) -> Result<Response<Bytes>> {
    let operation = operation(parts.uri.path());
    if operation == "unknown" {
        return Err(Code::NotFound.into());
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Error::from(Code::MethodNotAllowed));
    }
    match operation {
        "livez" => Ok(probes::livez()),
        "readyz" => Ok(probes::readyz(app).await),
        _ => metrics::metrics(app, parts, context, exposure).await,
    }
}
