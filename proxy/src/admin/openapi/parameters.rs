//! Parameters that mean the same wherever they stand: names in paths, conditions, and the key of a POST.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// What names of signers look like.
const SIGNER: &str = "^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$";

/// What names in paths look like: there is nothing of any other.
const PATTERNS: [(&str, &str); 12] = [
    ("access_key", "^[A-Z0-9]{20}$"),
    ("digest", "^sha256:[0-9a-f]{64}$"),
    ("event_target", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    ("fingerprint", "^[0-9a-f]{64}$"),
    ("identity", "^[0-9a-f]{64}$"),
    ("signing_key", SIGNER),
    ("trusted_identity", SIGNER),
    ("trusted_key", SIGNER),
    ("bucket", r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
    ("policy", r"^[A-Za-z0-9+=,.@_-]{1,128}$"),
    ("verification_policy", r"^[A-Za-z0-9+=,.@_-]{1,128}$"),
    ("role", r"^[A-Za-z0-9+=,.@_-]{1,64}$"),
];

/// Says what the parameters of an operation may be.
pub(super) fn complete(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let is_in_path = matches!(parameter.parameter_in, ParameterIn::Path);
        if let Some((_, pattern)) = PATTERNS.iter().find(|(name, _)| is_in_path && *name == parameter.name) {
            parameter.schema = Some(text().pattern(Some(*pattern)).into());
        }
        // No header is null, as an `Option` would be.
        match parameter.name.as_str() {
            "If-Match" => parameter.schema = Some(text().into()),
            "If-None-Match" => parameter.schema = Some(text().enum_values(Some(["*"])).into()),
            _ => {}
        }
    }
}

/// Adds `Idempotency-Key` to a POST, as `idempotency.rs` reads it.
pub(super) fn complete_post(post: &mut Operation) {
    let text = "Carries the request out once: sent again, the first answer is given again (docs/api.md). A string of 1 to 255 visible \
                characters, in quotes or without; a fresh UUID is a good one.";
    // Bare, or in quotes with what may stand between them.
    let pattern = r#"^([!#-+\x2d-:<-\[\]-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#;
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(self::text().pattern(Some(pattern))))
        .build();
    post.parameters.get_or_insert_default().push(key);
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
