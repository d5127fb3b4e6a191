//! The description of the API (OpenAPI 3.1), made from the code that answers.
//!
//! What each operation says of itself stands beside it. What holds for all of them is added here: errors in their one form, and the
//! `Idempotency-Key` of each POST.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
};
use utoipa::{PartialSchema, ToSchema};

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// The schema of errors.
const ERROR: &str = "Error";

/// Answers that need no word of an operation: the name that they are referred to by, the status, and what they mean.
const COMMON: [(&str, u16, &str); 9] = [
    ("Invalid", 400, "Something that was sent is wrong: `details.field` names it."),
    ("Unauthenticated", 401, "Who asks is not known: no credentials, or such as open nothing."),
    ("Forbidden", 403, "Whoever asks may not do this: `message` and `details` say why."),
    ("TooLarge", 413, "The body is larger than `limits.document_bytes`."),
    ("UnsupportedMediaType", 415, "The body is not said to be JSON."),
    ("IdempotencyMismatch", 422, "This Idempotency-Key was used for another request."),
    ("TooManyRequests", 429, "Too much is asked for at once, or too many Idempotency-Keys are in use."),
    ("Fault", 500, "A fault of the service."),
    ("Unavailable", 503, "A part of the service is not available, or it is about to end."),
];

/// An error: everything that this API refuses, it refuses in this form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what `error/render.rs` writes")]
struct ErrorBody {
    /// What kind of error it is.
    #[schema(rename = "type")]
    kind: ErrorKind,
    /// Which error it is, for programs. Codes may be added; none is given another meaning.
    #[schema(example = "invalid_argument", pattern = "^[a-z0-9_]+$")]
    code: String,
    /// What is wrong, for people.
    #[schema(example = "limit must be from 1 to 1000.")]
    message: String,
    /// What is known besides. `field`: what is wrong, such as `limit`, `policy.Statement[0].Action` or `If-Match`; `line` and `column`:
    /// where in the document; `reason`, `statements` and `missing`: why access was denied.
    #[schema(example = json!({"field": "limit"}))]
    details: BTreeMap<String, String>,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// The status, again.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    http_status: u16,
    /// The request, as the log and the audit records name it.
    #[schema(example = "0193b2f6f1f07a3e9c1f5f0d7c1b2a3e")]
    request_id: String,
}

/// The kinds of errors.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes what `error/table.rs` knows")]
enum ErrorKind {
    /// Who asks could not be established.
    Authentication,
    /// Who asks may not do this.
    Authorization,
    /// The request itself is wrong, or does not fit what there is.
    Validation,
    /// Postgres or the registry could not do its part.
    Storage,
    /// Bytes and digests do not agree.
    Integrity,
    /// A supply-chain rule was not met.
    SupplyChain,
    /// A fault of the service.
    Internal,
}

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
        .description(Some("How to use it: docs/api.md. Every error has the form of the schema `Error`."))
        .license(Some(license));
    let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let schemes = ["access_key", "token"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    let components = ComponentsBuilder::new()
        .security_scheme("access_key", basic)
        .security_scheme("token", bearer)
        .schema(ERROR, ErrorBody::schema())
        .schema("ErrorKind", ErrorKind::schema());
    let components = COMMON.iter().fold(components, |components, (name, status, text)| {
        components.response(*name, with_error(*status, Response::new(*text)))
    });
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).security(Some(schemes)).build()
}

/// Adds what holds for every operation.
pub(super) fn complete(openapi: &mut OpenApi) {
    for item in openapi.paths.paths.values_mut() {
        let each = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        each.into_iter().flatten().for_each(complete_operation);
        if let Some(post) = &mut item.post {
            complete_post(post);
        }
    }
}

fn complete_operation(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    for (name, status, _) in COMMON {
        let is_said = match status {
            413 | 415 => has_body,
            422 => false,
            _ => true,
        };
        if is_said {
            refer(operation, name, status);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let status = status.parse().unwrap_or(200);
        if let RefOr::T(response) = response
            && status >= 400
        {
            *response = with_error(status, response.clone());
        }
    }
}

fn complete_post(post: &mut Operation) {
    post.parameters.get_or_insert_default().push(key_parameter());
    refer(post, "IdempotencyMismatch", 422);
    for (status, response) in &mut post.responses.responses {
        if let RefOr::T(response) = response
            && !status.starts_with('4')
            && !status.starts_with('5')
        {
            let text = "`true`: this answer was given before, to the first request with the same Idempotency-Key.";
            response.headers.insert("Idempotency-Replayed".to_owned(), header_of(Type::String, text));
        }
    }
    let in_use = "The request with this Idempotency-Key is being carried out, or its answer can no longer be read.";
    let conflict = post.responses.responses.entry("409".to_owned()).or_insert_with(|| Response::new("").into());
    if let RefOr::T(conflict) = conflict {
        conflict.description = [conflict.description.as_str(), in_use].join(" ").trim_start().to_owned();
        let text = "When to come again, in seconds, where a request is being carried out.";
        conflict.headers.insert("Retry-After".to_owned(), header_of(Type::Integer, text));
        *conflict = with_error(409, conflict.clone());
    }
}

/// Refers to a common answer, where an operation has no word of its own for it.
fn refer(operation: &mut Operation, name: &str, status: u16) {
    let common = || RefOr::Ref(Ref::from_response_name(name));
    operation.responses.responses.entry(status.to_string()).or_insert_with(common);
}

/// An answer with an error as its body.
fn with_error(status: u16, mut response: Response) -> Response {
    let error = ContentBuilder::new().schema(Some(Ref::from_schema_name(ERROR))).build();
    response.content.entry("application/json".to_owned()).or_insert(error);
    let further = match status {
        401 => Some(("WWW-Authenticate", header_of(Type::String, "What credentials may be shown."))),
        429 | 503 => Some(("Retry-After", header_of(Type::Integer, "When to come again, in seconds."))),
        _ => None,
    };
    if let Some((name, header)) = further {
        response.headers.insert(name.to_owned(), header);
    }
    response
}

fn header_of(kind: Type, text: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(text.to_owned());
    header
}

/// `Idempotency-Key`, as `idempotency.rs` reads it.
fn key_parameter() -> Parameter {
    let text = "Carries the request out once: sent again, the first answer is given again (docs/api.md). A string of 1 to 255 visible \
                characters, in quotes or without; a fresh UUID is a good one.";
    // Bare, or in quotes with what may stand between them.
    let pattern = r#"^([!#-+\x2d-:<-\[\]-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#;
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build()))
        .example(Some("8e03978e-40d5-43dd-bc93-6894a57f9324".into()))
        .build()
}

/// `GET /-/api/openapi.json`: for everybody, for it says nothing about this service but its version.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_error_has_the_one_form_and_every_post_takes_a_key() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut posts = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                for status in ["400", "401", "403", "429", "500", "503"] {
                    assert!(responses.contains_key(status), "{method} {path} has no {status}");
                }
                for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                    let response = match response["$ref"].as_str() {
                        Some(name) => document.pointer(name.strip_prefix('#').unwrap()).unwrap(),
                        None => response,
                    };
                    let schema = &response["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Error", "{method} {path} {status}");
                }
                let has_key = operation["parameters"].to_string().contains("\"Idempotency-Key\"");
                assert_eq!(has_key, method == "post", "{method} {path}");
                posts += usize::from(method == "post");
            }
        }
        assert!(posts >= 7, "{posts}");
    }
}
