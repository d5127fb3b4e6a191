//! `/-/metrics`: Prometheus text.

use bytes::Bytes;
use http::{HeaderValue, Response, header, request::Parts};
use zas_policy::{Action, Resource};

use super::Exposure;
use crate::app::App;
use crate::authz::authorize;
use crate::error::Result;
use crate::identity::basic_principal;
use crate::telemetry;

/// Renders all metrics. Bucket names stand in labels, so at the public listener an access key is needed (Basic).
pub(super) fn metrics(app: &App, parts: &Parts, exposure: Exposure) -> Result<Response<Bytes>> {
    if exposure == Exposure::Public {
        let principal = basic_principal(&app.access_keys, &parts.headers)?;
        authorize(&principal, Action::ReadMetrics, Resource::Service)?;
    }
    let mut response = Response::new(Bytes::from(telemetry::metrics().render(&app.index)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    Ok(response)
}
