//! The description of the API (OpenAPI 3.1), made from the code that answers.
//!
//! What each operation says of itself stands beside it. What holds for all of them is added here: errors in their one form, and the
//! `Idempotency-Key` of each POST.

mod answers;
mod parameters;
pub(super) mod schemas;

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder};

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// The whole document as JSON; `docs/openapi.json` is this.
#[must_use]
pub fn document() -> String {
    let mut document = serde_json::to_value(super::described(0).into_openapi()).unwrap_or_default();
    let items = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    items.for_each(link);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
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
    let components = ComponentsBuilder::new().security_scheme("access_key", basic).security_scheme("token", bearer);
    let components = schemas::components(answers::components(components));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).security(Some(schemes)).build()
}

/// Adds what holds for every operation.
pub(super) fn complete(openapi: &mut OpenApi) {
    openapi.components.iter_mut().for_each(schemas::complete);
    for item in openapi.paths.paths.values_mut() {
        let each = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        for operation in each.into_iter().flatten() {
            answers::complete(operation);
            parameters::complete(operation);
        }
        if let Some(post) = &mut item.post {
            answers::complete_post(post);
            parameters::complete_post(post);
        }
    }
}

/// Says what can be asked of what a PUT has made. utoipa writes links under names that are not OpenAPI's.
fn link(item: &mut Value) {
    let next: Vec<Value> = ["get", "delete"].iter().filter_map(|method| item.get(*method)).map(linked).collect();
    if let Some(Value::Object(made)) = item.pointer_mut("/put/responses/200") {
        let links = next.into_iter().filter_map(|link| Some((link.get("operationId")?.as_str()?.to_owned(), link)));
        made.insert("links".to_owned(), Value::Object(links.collect()));
    }
}

/// A link to an operation on the same path.
fn linked(operation: &Value) -> Value {
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let in_path = parameters.filter(|parameter| parameter.get("in").is_some_and(|place| place == "path"));
    let names = in_path.filter_map(|parameter| parameter.get("name")?.as_str());
    let parameters: Map<_, _> = names.map(|name| (name.to_owned(), format!("$request.path.{name}").into())).collect();
    json!({"operationId": operation.get("operationId"), "parameters": parameters})
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
