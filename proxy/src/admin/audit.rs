//! `/audit`: ask the log.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::{Action, Resource};

use super::page::bounded;
use super::text::optional_text;
use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::audit;
use crate::config::AuditFormat;
use crate::error::{Error, Result};
use crate::index::AuditFilter;

/// The media type of one JSON value a line.
const LINES: &str = "application/x-ndjson";

/// Asks for the audit log.
pub(super) struct QueryAudit;

impl Asks for QueryAudit {
    const NAME: &'static str = "QueryAudit";
    const ACTION: Option<Action> = Some(Action::QueryAudit);
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// From this moment on (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    #[param(value_type = String, format = DateTime)]
    from: OffsetDateTime,
    /// Before this moment; now where it is not said.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<OffsetDateTime>,
    /// Of this bucket or repository.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    resource: Option<String>,
    /// Of this principal, as records name it, such as `root/AKIA...`.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    principal: Option<String>,
    /// Of this action, such as `s3:PutObject`.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    action: Option<String>,
    /// With this HTTP status.
    #[param(minimum = 0, maximum = 65_535)]
    status: Option<u16>,
    /// Of this request.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    request_id: Option<String>,
    /// How records are written; `jsonl` where it is not said.
    #[param(inline)]
    format: Option<Format>,
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = r"^(0|-?[1-9][0-9]{0,15})\.[0-9a-f]{32}$")]
    after: Option<String>,
}

/// How records are written.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The record's own JSON.
    Jsonl,
    /// CloudEvents 1.0.
    CloudEvents,
    /// OCSF 1.x.
    Ocsf,
}

impl Format {
    /// Whether records are written for another system.
    const fn is_for_elsewhere(self) -> bool {
        matches!(self, Self::CloudEvents | Self::Ocsf)
    }
}

impl From<Format> for AuditFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl,
            Format::CloudEvents => Self::CloudEvents,
            Format::Ocsf => Self::Ocsf,
        }
    }
}

/// A page of records, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The records, in the form that was asked for.
    #[schema(value_type = Vec<Object>)]
    records: Vec<Value>,
    /// `after` of the next page; unset: this is the last.
    next: Option<String>,
}

/// Ask the audit log.
///
/// With `Accept: application/x-ndjson` the records are lines, and `X-Next-After` holds `after` of the next page. Lines, CloudEvents and
/// OCSF are an export: it takes `audit:Export` besides `audit:Query`.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of records.",
        headers(("X-Next-After" = String, description = "`after` of the next page, where records are lines; unset: this is the last.")),
        content((AuditPage = "application/json"), (String = "application/x-ndjson")))))]
pub(super) async fn query_audit(
    State(app): State<Arc<App>>,
    permitted: Permitted<QueryAudit>,
    headers: HeaderMap,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query?;
    let as_json_lines = headers.get(header::ACCEPT).is_some_and(|accept| accept == LINES);
    if as_json_lines || query.format.is_some_and(Format::is_for_elsewhere) {
        let export = app.authority.authorize(permitted.permit.caller(), Action::ExportAudit, Resource::Service).await?;
        permitted.reads(&export, None);
    }
    let after = query.after.as_deref().map(audit::place).transpose()?;
    let (format, limit) = (query.format.map(AuditFormat::from).unwrap_or_default(), bounded(query.limit)?);
    let page = audit::query(&app.index, &query.filter(), after, limit).await?;
    let next = page.next.map(audit::token);
    let lines = page.events.iter().map(|event| audit::render(event, format));
    if as_json_lines {
        return Ok(as_lines(lines, next)?);
    }
    let records = lines.map(|line| serde_json::from_str(&line)).collect::<Result<_, _>>();
    Ok(Json(AuditPage { records: records.map_err(Error::internal)?, next }).into_response())
}

fn as_lines(lines: impl Iterator<Item = String>, next: Option<String>) -> Result<Response> {
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    let mut response = ([(header::CONTENT_TYPE, LINES)], text).into_response();
    if let Some(next) = next {
        let next = HeaderValue::try_from(next).map_err(Error::internal)?;
        response.headers_mut().insert("x-next-after", next);
    }
    Ok(response)
}

impl AuditQuery {
    fn filter(self) -> AuditFilter {
        AuditFilter {
            from: self.from,
            to: self.to.unwrap_or_else(OffsetDateTime::now_utc),
            resource: self.resource,
            principal: self.principal,
            action: self.action,
            status: self.status,
            request_id: self.request_id,
        }
    }
}
