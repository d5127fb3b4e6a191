//! `/-/metrics`: Prometheus text.

use bytes::Bytes;
use http::{HeaderValue, Response, header, request::Parts};
use zas_policy::{Action, Resource};

use super::Exposure;
use crate::app::App;
use crate::audit::{Api, Facts, Kind, Trail};
use crate::authz::{Caller, Conditions};
use crate::error::Result;
use crate::gateway::RequestContext;
use crate::telemetry;

/// Renders all metrics. Bucket names stand in labels, so at the public listener an access key is needed (Basic), and who has read
/// them is on record.
pub(super) async fn metrics(
    app: &App,
    parts: &Parts,
    context: &RequestContext,
    exposure: Exposure,
) -> Result<Response<Bytes>> {
    if exposure == Exposure::Public {
        let principal = app.identity.principal(&parts.headers).await?;
        let caller = Caller::new(
            principal,
            Trail::of(Facts::of(Api::Rest, context, &parts.headers)),
            Conditions::of(&parts.headers),
        );
        let permit = app.authority.authorize(&caller, Action::ReadMetrics, Resource::Service).await?;
        if let Some(record) = permit.recorded(Kind::Operation) {
            app.journal.record(record.answered(200, None)).await?;
        }
    }
    let mut response = Response::new(Bytes::from(telemetry::metrics().render(&app.index)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    Ok(response)
}
