//! The schema of a verification policy's document. What the rules mean, docs/verification-policies.md says; what is wrong beyond this,
//! the error.

use serde_json::{Value, json};
use utoipa::openapi::Schema;

/// A document: which artifacts, and what must be shown of them.
pub(super) fn verification_policy() -> Schema {
    serde_json::from_value(document()).unwrap_or_default()
}

fn document() -> Value {
    let scope = json!({"type": "string", "pattern": r"^(s3|oci)://[^\x00-\x1f\x7f-\x9f]{1,500}$"});
    json!({
        "type": "object",
        "description": "A verification policy (docs/verification-policies.md): patterns of artifacts' names, and rules of which each must be met.",
        "required": ["scope", "rules"],
        "properties": {"scope": several(&scope), "rules": several(&rule())},
        "additionalProperties": false,
    })
}

/// One kind beside the name.
fn rule() -> Value {
    let kinds = [
        ("signatures", signed(&[], &json!({}))),
        ("provenance", provenance()),
        ("tests", signed(&[], &tests())),
        ("sbom", sbom()),
        ("vulnerabilities", vulnerabilities()),
        ("layout", object(&["steps"], json!({"steps": several(&step())}))),
        ("attestation", signed(&["predicate_types"], &attestation())),
    ];
    let one = |(kind, schema): (&str, Value)| {
        let name = json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"});
        object(&["name", kind], json!({"name": name, kind: schema}))
    };
    json!({"oneOf": kinds.map(one)})
}

fn provenance() -> Value {
    let level = json!({"type": "integer", "minimum": 1, "maximum": 3});
    let builder = object(&["id", "signers"], json!({"id": text(), "signers": signers(), "level": level}));
    let source = object(&["repository"], json!({"repository": text(), "refs": several(&text())}));
    object(
        &["builders"],
        json!({
            "builders": several(&builder), "min_level": level, "build_types": several(&text()), "sources": several(&source),
            "source_at": object(&["repository"], json!({"repository": pointer(), "ref": pointer()})),
            "parameters": places(), "max_age": duration(),
        }),
    )
}

fn tests() -> Value {
    json!({
        "allow_warnings": {"type": "boolean"}, "configurations": several(&text()), "required": several(&text()),
        "time_field": pointer(),
    })
}

fn sbom() -> Value {
    let format = json!({"type": "string", "enum": ["cyclonedx", "spdx"]});
    let licences = json!({"type": "object", "description": "Licences (docs/sbom.md).", "additionalProperties": true});
    object(
        &[],
        json!({
            "signers": signers(), "unsigned": {"type": "boolean"}, "formats": several(&format), "max_age": duration(),
            "min_components": {"type": "integer", "minimum": 0}, "describes_artifact": {"type": "boolean"}, "licences": licences,
        }),
    )
}

fn vulnerabilities() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let severities = ["critical", "high", "medium", "low", "unknown"];
    let limits: serde_json::Map<_, _> = severities.iter().map(|name| ((*name).to_owned(), count.clone())).collect();
    let time = json!({"type": "string", "format": "date-time"});
    let exception = json!({"id": text(), "purl": text(), "expires_at": time, "reason": text()});
    let exception = object(&["id", "expires_at", "reason"], exception);
    object(
        &["signers", "max", "max_scan_age"],
        json!({
            "signers": signers(), "max": object(&[], Value::Object(limits)), "max_scan_age": duration(),
            "max_db_age": duration(), "scanners": several(&text()), "vex_signers": signers(), "max_vex_age": duration(),
            "exceptions": {"type": "array", "maxItems": 1024, "items": exception},
        }),
    )
}

fn step() -> Value {
    let from = json!({"type": "array", "items": text()});
    let materials = object(&[], json!({"from": from, "allow": several(&text())}));
    object(
        &["name", "functionaries"],
        json!({
            "name": text(), "shown_by": {"type": "string", "enum": ["link", "provenance"]}, "builders": several(&text()),
            "functionaries": signers(), "threshold": threshold(), "materials": materials,
        }),
    )
}

fn attestation() -> Value {
    json!({"predicate_types": several(&text()), "fields": places(), "time_field": pointer(), "max_age": duration()})
}

/// A rule that enough signers must meet.
fn signed(required: &[&str], more: &Value) -> Value {
    let mut properties = json!({"signers": signers(), "threshold": threshold()});
    if let (Some(properties), Some(more)) = (properties.as_object_mut(), more.as_object()) {
        properties.extend(more.clone());
    }
    object(&[required, &["signers"]].concat(), properties)
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if let Some(object) = object.as_object_mut().filter(|_| !required.is_empty()) {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn several(items: &Value) -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": 64, "items": items})
}

fn signers() -> Value {
    let signer = json!({"type": "string", "pattern": "^(signing-key|key|identity)/[a-z0-9._-]{1,128}$"});
    json!({"type": "array", "minItems": 1, "maxItems": 64, "uniqueItems": true, "items": signer})
}

fn threshold() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 64})
}

fn text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 2048})
}

fn pointer() -> Value {
    json!({"type": "string", "description": "A JSON pointer (RFC 6901).", "pattern": "^(/([^~/]|~[01])*)+$"})
}

fn duration() -> Value {
    json!({"type": "string", "description": "A time such as 30d or 12h.", "pattern": "^([0-9]{1,6}(s|m|h|d))+$"})
}

fn places() -> Value {
    let wanted = json!({"oneOf": [{"type": "string", "enum": ["any"]}, {"type": "array", "minItems": 1, "maxItems": 64, "items": {}}]});
    json!({"type": "object", "description": "By JSON pointers, what must stand there.", "additionalProperties": wanted})
}
