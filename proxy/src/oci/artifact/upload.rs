//! Blobs of referrers on their way up: forwarded to the repository of the bucket's referrers, and only by those who may attach
//! something in the bucket. To which object it will belong is known when the manifest comes; until then it is garbage, and is
//! counted as such (`unnamed.rs`).

use std::sync::{Arc, Mutex};

use http::request::Parts;
use http::uri::PathAndQuery;
use tracing::Span;
use url::Url;

use super::super::answer::OciAnswer;
use super::super::name::Name;
use super::super::on_record::{OnRecord, Target};
use super::super::path::Route;
use super::super::query;
use super::super::request::{self, BodyLimit};
use super::super::transfer::Transfer;
use super::Ahead;
use super::visit::{Visit, as_repository};
use crate::app::App;
use crate::error::{Error, Result};
use crate::gateway::RequestContext;
use crate::listener::{Forward, Routed, Upstream};
use crate::supply_chain::referrer::Kind;

/// Plans the forwarding of an upload.
pub(super) async fn route(
    app: &App,
    parts: &Parts,
    context: &RequestContext,
    route: &Route,
    span: Span,
) -> Result<Routed> {
    let visit = Visit::of(app, route, parts, context).await?;
    let permit = visit.permit_somewhere(&Kind::ATTACH).await?;
    let home = app.index.referrer_repository(visit.folder.bucket()).await.map_err(as_repository)?;
    let home = Name::parse(&home).ok_or_else(|| Error::internal(format!("{home} is no repository name")))?;
    let mut forward = forward(app, parts, route, &home)?;
    let mut ahead = Ahead::new(visit.folder.bucket().to_owned(), app.unnamed.clone());
    if request::has_body(&parts.method, &parts.headers) {
        ahead.expect_room(app, &parts.headers).await?;
    }
    let credentials = app.store.credentials(&parts.method, forward.path_and_query.as_str())?;
    let changes = request::changes(&parts.headers, credentials, &span);
    forward.remove_request_headers = changes.remove;
    forward.set_request_headers = changes.set;
    // The last thing that is asked: who may not, learns nothing of the registry's health.
    let passage = app.store.pass(request::has_body(&parts.method, &parts.headers))?;
    let target = Target { home: &home, path_and_query: &forward.path_and_query };
    let on_record = OnRecord::begin(&app.journal, &permit, route, Vec::new(), &parts.method, target).await?;
    forward.answer = Some(Arc::new(OciAnswer {
        name: visit.name.clone(),
        digest: route.digest().cloned(),
        home,
        upstream: Url::parse(&app.config.store.url).map_err(Error::internal)?,
        span,
        transfer: Transfer::of(route, parts),
        passage: Mutex::new(Some(passage)),
        on_record: Some(on_record),
        ahead: Some(ahead),
        pushing: None,
    }));
    Ok(Routed::Forward(Box::new(forward)))
}

fn forward(app: &App, parts: &Parts, route: &Route, home: &Name) -> Result<Forward> {
    let mut limit = BodyLimit::of(route, &parts.method, &app.config.limits);
    // No referrer could name more.
    limit.bytes = limit.bytes.min(app.config.artifacts.referrer_bytes.as_u64());
    limit.check(&parts.headers)?;
    // Nothing is mounted: what is asked for is pushed, and a blob of an object is provided with the manifest.
    let query = query::for_upstream(route, &parts.method, parts.uri.query().unwrap_or_default(), &[], |_| false)?;
    let target = route.within(home.clone()).to_string();
    let target = if query.is_empty() { target } else { format!("{target}?{query}") };
    let target = PathAndQuery::try_from(target).map_err(|error| Error::internal("the target").source(error))?;
    let upstream = Upstream::parse(&app.config.store.url).map_err(Error::internal)?;
    let label = route.operation(&parts.method).map_or("Unknown", |operation| operation.label);
    let mut forward = Forward::new(Arc::new(upstream), target, limit.bytes, label);
    forward.too_large = limit.too_large;
    forward.response_timeout = request::response_timeout(route, &parts.method, &app.config);
    Ok(forward)
}
