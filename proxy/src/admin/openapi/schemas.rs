//! Schemas of what is checked elsewhere: policy documents, actions, condition keys.

use serde_json::{Value, json};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Components, ComponentsBuilder, Ref, RefOr, Schema};
use zas_policy::{Action, KeyName, Source};

/// Adds the schemas that others refer to.
pub(super) fn components(components: ComponentsBuilder) -> ComponentsBuilder {
    let schemas = [("PolicyDocument", document()), ("PolicyStatement", statement()), ("PolicyTexts", texts())];
    schemas.into_iter().fold(components, |components, (name, schema)| components.schema(name, read(schema)))
}

/// Adds what utoipa cannot say of a schema: of `min_properties` it makes `maxProperties`.
pub(super) fn complete(components: &mut Components) {
    for (name, most) in [("NewQuota", None), ("AccessKeyUpdate", Some(1))] {
        if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) {
            (schema.min_properties, schema.max_properties) = (Some(1), most);
        }
    }
}

/// A policy document. Which actions, keys and operators there are, and what a document of its kind must and must not have, the error
/// says.
pub(in crate::admin) fn policy_document() -> RefOr<Schema> {
    Ref::from_schema_name("PolicyDocument").into()
}

/// A policy document, or none.
pub(in crate::admin) fn maybe_policy_document() -> Schema {
    read(json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/PolicyDocument"}]}))
}

/// Every action.
pub(in crate::admin) fn action() -> Schema {
    let actions = Action::ALL.iter().map(|action| action.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(actions)).examples(["s3:GetObject"]).into()
}

/// Condition keys of a request and of an artifact, by name.
pub(in crate::admin) fn context() -> Schema {
    let keys = KeyName::ALL.iter().filter(|key| key.source() != Source::Principal).map(|key| key.as_str());
    let names: Vec<String> =
        keys.map(|key| if key.ends_with('/') { format!("{key}..*") } else { key.to_owned() }).collect();
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({})$", names.join("|"))));
    let values = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
    ObjectBuilder::new().schema_type(Type::Object).property_names(Some(name)).additional_properties(Some(values)).into()
}

fn document() -> Value {
    let statement = json!({"$ref": "#/components/schemas/PolicyStatement"});
    json!({
        "type": "object",
        "description": "A policy in the language of AWS (docs/policy.md).",
        "required": ["Statement"],
        "properties": {
            "Version": {"type": "string", "enum": ["2012-10-17", "2008-10-17"]},
            "Id": {"type": "string"},
            "Statement": {"oneOf": [statement, {"type": "array", "items": statement, "minItems": 1}]},
        },
        "additionalProperties": false,
    })
}

fn statement() -> Value {
    let texts = || json!({"$ref": "#/components/schemas/PolicyTexts"});
    json!({
        "type": "object",
        "description": "A statement of a policy.",
        "required": ["Effect"],
        "properties": {
            "Sid": {"type": "string"},
            "Mode": {
                "type": "string",
                "description": "Audit: a Deny denies nothing, and what it would have denied is on record.",
                "enum": ["Enforce", "Audit"],
            },
            "Effect": {"type": "string", "enum": ["Allow", "Deny"]},
            "Action": texts(),
            "NotAction": texts(),
            "Resource": texts(),
            "NotResource": texts(),
            "Principal": principals(),
            "NotPrincipal": principals(),
            "Condition": {
                "type": "object",
                "description": "By operator and key: the values that it is compared with.",
                "additionalProperties": {"type": "object", "additionalProperties": true},
            },
        },
        "additionalProperties": false,
    })
}

fn principals() -> Value {
    let texts = json!({"$ref": "#/components/schemas/PolicyTexts"});
    json!({"oneOf": [
        {"type": "string", "enum": ["*"]},
        {"type": "object", "properties": {"AWS": texts, "Federated": texts}, "additionalProperties": false},
    ]})
}

/// AWS leaves the brackets of a single value away.
fn texts() -> Value {
    json!({
        "description": "A text, or a list of them.",
        "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    })
}

/// A schema that was written as JSON.
fn read(schema: Value) -> Schema {
    serde_json::from_value(schema).unwrap_or_default()
}
