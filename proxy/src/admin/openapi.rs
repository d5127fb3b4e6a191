//! The description of the API (OpenAPI 3.1), made from the code that answers.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder};

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// The whole document as JSON; `docs/openapi.json` is this.
#[must_use]
pub fn document() -> String {
    let mut text = super::described().into_openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// What the document says before it comes to the operations.
pub(super) fn head() -> OpenApi {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title("Zot Artifact Store: management")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Errors are JSON: type, code, message, details, retryable, http_status, request_id."))
        .license(Some(license));
    let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    OpenApiBuilder::new()
        .info(info.build())
        .components(Some(ComponentsBuilder::new().security_scheme("access_key", basic).build()))
        .security(Some([SecurityRequirement::new("access_key", Vec::<String>::new())]))
        .build()
}

/// `GET /-/api/openapi.json`: for everybody, for it says nothing about this service but its version.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}
