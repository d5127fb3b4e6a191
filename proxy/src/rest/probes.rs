//! `/-/livez` and `/-/readyz`: for orchestrators, without credentials; they tell states, not reasons.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::app::App;

/// The process answers, so it lives.
pub(super) fn livez() -> Response<Bytes> {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

/// Postgres and the registry are really asked, side by side, each within two seconds. Reasons go to the log.
pub(super) async fn readyz(app: &App) -> Response<Bytes> {
    let (index, store) = tokio::join!(app.index.ping(), app.store.ping());
    for error in [&index, &store].into_iter().filter_map(|result| result.as_ref().err()) {
        tracing::debug!("not ready: {}", error.for_log());
    }
    let migrated = app.readiness.is_index_prepared();
    let ready = index.is_ok() && store.is_ok() && migrated;
    let word = |ok: bool| if ok { "ok" } else { "unavailable" };
    let body = json!({
        "status": word(ready),
        "index": word(index.is_ok() && migrated),
        "registry": word(store.is_ok()),
        "s3_writes": if app.write_refusals.is_empty() { "ok" } else { "refused" },
    });
    json_response(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
