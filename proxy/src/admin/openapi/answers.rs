//! What any operation may answer: errors, all in one form, and what stands in headers.

use std::collections::BTreeMap;

use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, Header, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

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
    /// What is wrong in a document that was sent, place by place: the first of it.
    #[schema(required = false)]
    problems: Vec<ErrorProblem>,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// The status, again.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    http_status: u16,
    /// The request, as the log and the audit records name it.
    #[schema(example = "0193b2f6f1f07a3e9c1f5f0d7c1b2a3e")]
    request_id: String,
}

/// What is wrong in one place of a document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what `error/render.rs` writes")]
struct ErrorProblem {
    /// Where: a JSON pointer, for XML and lines of tags the line too.
    #[schema(example = "/components/0/purl")]
    field: String,
    /// Which rule it breaks (docs/sbom.md).
    #[schema(example = "package_url")]
    rule: String,
    /// What is wrong, for people.
    message: String,
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

/// Adds the answers that operations refer to.
pub(super) fn components(components: ComponentsBuilder) -> ComponentsBuilder {
    let components = components
        .schema(ERROR, ErrorBody::schema())
        .schema("ErrorKind", ErrorKind::schema())
        .schema("ErrorProblem", ErrorProblem::schema());
    COMMON.iter().fold(components, |components, (name, status, text)| {
        components.response(*name, with_error(*status, Response::new(*text)))
    })
}

/// Adds to an operation what it may answer as any other.
pub(super) fn complete(operation: &mut Operation) {
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
        let RefOr::T(response) = response else { continue };
        match status.as_str() {
            "200" if response.description.is_empty() => "What there is.".clone_into(&mut response.description),
            "201" if response.description.is_empty() => "It was made.".clone_into(&mut response.description),
            status if status >= "400" => *response = with_error(status.parse().unwrap_or(500), response.clone()),
            _ => {}
        }
    }
}

/// Adds to a POST what it may answer for its `Idempotency-Key`.
pub(super) fn complete_post(post: &mut Operation) {
    refer(post, "IdempotencyMismatch", 422);
    for (status, response) in &mut post.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() < "300"
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
