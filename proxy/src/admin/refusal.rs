//! How a handler's error leaves the router: written by [`super::Api::call`], which knows the request's id. And what is wrong with a
//! body, a query or a path, by field.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_path_to_error::Error as Located;

use crate::error::{Code, Error, status_elsewhere, without_values};
use crate::listener::BodyError;

/// An error on its way out.
#[derive(Debug, Clone)]
pub struct Refusal(Arc<Error>);

impl Refusal {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Error::from(code).into()
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let located = find::<Located<serde_json::Error>>(&rejection);
        let error = match (&rejection, located) {
            (JsonRejection::MissingJsonContentType(_), _) => Code::UnsupportedMediaType.into(),
            (JsonRejection::JsonDataError(_), Some(located)) => {
                let (line, column) = (located.inner().line(), located.inner().column());
                let text = located.inner().to_string();
                let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
                about(Code::InvalidRequest, located.path(), text).with("line", line).with("column", column)
            }
            (JsonRejection::JsonSyntaxError(_), located) => {
                let error = located.map(Located::inner).or_else(|| find(&rejection));
                let place = error.map(|error| (error.line(), error.column()));
                let (line, column) = place.unwrap_or_default();
                let why = error.map(|error: &serde_json::Error| format!(": {error}")).unwrap_or_default();
                let text = format!("The body is not JSON{why}.");
                Error::new(Code::InvalidRequest, text).with("line", line).with("column", column)
            }
            (JsonRejection::BytesRejection(rejection), _) => unread(rejection),
            (rejection, _) => Error::new(Code::InvalidRequest, without_values(&rejection.body_text())),
        };
        error.into()
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        unread(&rejection).into()
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        match find::<Located<serde_urlencoded::de::Error>>(&rejection) {
            Some(located) => about(Code::InvalidArgument, located.path(), &located.inner().to_string()).into(),
            None => Error::new(Code::InvalidArgument, without_values(&rejection.body_text())).into(),
        }
    }
}

/// A body that did not come as a whole.
fn unread(rejection: &BytesRejection) -> Error {
    let code = match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => Code::EntityTooLarge,
        _ => BodyError::find(rejection).map_or(Code::IncompleteBody, BodyError::code),
    };
    Error::from(code).detail(rejection)
}

/// What serde says of a field.
fn about(code: Code, path: &serde_path_to_error::Path, text: &str) -> Error {
    let text = without_values(text);
    let field = field(&path.to_string(), &text);
    match field.as_str() {
        "." => Error::new(code, text),
        field => Error::new(code, format!("{field}: {text}")).with("field", field),
    }
}

/// The field that serde speaks of. The path of one that is missing, or stands twice, is that of what it is missing in.
fn field(path: &str, text: &str) -> String {
    let named =
        ["missing field `", "duplicate field `"].iter().find_map(|start| text.strip_prefix(start)?.split('`').next());
    match (path, named) {
        (_, None) => path.to_owned(),
        (".", Some(name)) => name.to_owned(),
        // Whether the path ends with the field that stands twice depends on what is read.
        (path, Some(name)) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
    }
}

/// The error of a type behind another, however deep.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(status_elsewhere(self.0.code())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::extract::Query;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "size")]
        _size: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "name")]
        _name: String,
        #[serde(default, rename = "inner")]
        _inner: Vec<Inner>,
    }

    fn details(refusal: &Refusal) -> (&str, String, String) {
        let error = refusal.error();
        let field = error.details().find(|(name, _)| *name == "field").map_or("", |(_, value)| value);
        (error.code().row().label, field.to_owned(), error.message().to_owned())
    }

    #[test]
    fn what_is_wrong_in_a_body_is_named_by_field() {
        for (body, field, part) in [
            (r#"{"nam": 1}"#, "nam", "unknown field `nam`, expected `name` or `inner`"),
            ("{}", "name", "missing field `name`"),
            (r#"{"name": 1}"#, "name", "invalid type: integer, expected a string"),
            (r#"{"name": "a", "name": "b"}"#, "name", "duplicate field `name`"),
            (
                r#"{"name": "a", "inner": [{"size": 1}, {"size": 256}]}"#,
                "inner[1].size",
                "invalid value: integer, expected u8",
            ),
            (r#"{"name": "a", "inner": [{}]}"#, "inner[0].size", "missing field `size`"),
            (r#"{"name": "a", "inner": [{"size": 1, "x": 2}]}"#, "inner[0].x", "unknown field"),
        ] {
            let refusal = Refusal::from(Json::<Outer>::from_bytes(body.as_bytes()).unwrap_err());
            let (code, found, message) = details(&refusal);
            assert_eq!((code, found.as_str()), ("invalid_request", field), "{message}");
            assert!(message.starts_with(field) && message.contains(part) && !message.contains("line"), "{message}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_refused_with_the_place() {
        for body in ["", "{", "{\"name\": }", "{\"name\": \"a\"} {}"] {
            let refusal = Refusal::from(Json::<Outer>::from_bytes(body.as_bytes()).unwrap_err());
            let line = refusal.error().details().find(|(name, _)| *name == "line");
            assert_eq!(line, Some(("line", "1")), "{body}");
            assert!(refusal.error().message().starts_with("The body is not JSON: "), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_query_is_named_by_field() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Page {
            #[serde(rename = "limit")]
            _limit: u32,
        }
        for (query, field) in
            [("", "limit"), ("limit=x", "limit"), ("limit=1&limit=2", "limit"), ("colour=red", "colour")]
        {
            let uri = format!("/?{query}").parse().unwrap();
            let refusal = Refusal::from(Query::<Page>::try_from_uri(&uri).unwrap_err());
            let (code, found, message) = details(&refusal);
            assert_eq!((code, found.as_str()), ("invalid_argument", field), "{query}: {message}");
        }
    }
}
