//! Who has built an artifact, as a provenance says it (SLSA 1.2, "Build: Provenance"; v0.2 and v0.1 before it).

use serde::Deserialize;

use crate::supply_chain::statement::Statement;

/// Longest name of a builder, in bytes: a longer one fits no rule.
const LONGEST: usize = 2048;

#[derive(Deserialize)]
struct V1 {
    #[serde(rename = "runDetails")]
    run_details: RunDetails,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Deserialize)]
struct V0 {
    builder: Builder,
}

#[derive(Deserialize)]
struct Builder {
    id: String,
}

/// The builder that a statement names, where it is a provenance that can be read.
pub(super) fn builder(statement: &Statement) -> Option<String> {
    let predicate = statement.predicate.get();
    let id = match statement.predicate_type.as_str() {
        "https://slsa.dev/provenance/v1" => serde_json::from_str::<V1>(predicate).ok()?.run_details.builder.id,
        "https://slsa.dev/provenance/v0.2" | "https://slsa.dev/provenance/v0.1" => {
            serde_json::from_str::<V0>(predicate).ok()?.builder.id
        }
        _ => return None,
    };
    (!id.is_empty() && id.len() <= LONGEST && !id.contains('\0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::statement::Subject;
    use serde_json::{Value, json};

    fn of(predicate_type: &str, predicate: &Value) -> Option<String> {
        let subjects = vec![Subject::new("a", &Digest::of(b"a"))];
        builder(&Statement::new(subjects, predicate_type, predicate).unwrap())
    }

    #[test]
    fn the_builder_stands_where_the_version_has_it() {
        let v1 = json!({"buildDefinition": {"buildType": "t"}, "runDetails": {"builder": {"id": "https://b.example"}}});
        let v0 = json!({"builder": {"id": "https://b.example"}, "buildType": "t"});
        for (kind, predicate, expected) in [
            ("https://slsa.dev/provenance/v1", &v1, Some("https://b.example")),
            ("https://slsa.dev/provenance/v0.2", &v0, Some("https://b.example")),
            ("https://slsa.dev/provenance/v1", &v0, None),
            ("https://slsa.dev/provenance/v0.2", &v1, None),
            ("https://example.com/other", &v1, None),
            ("https://slsa.dev/provenance/v1", &json!({"runDetails": {"builder": {"id": ""}}}), None),
            ("https://slsa.dev/provenance/v1", &json!({"runDetails": {"builder": {"id": "x".repeat(5000)}}}), None),
        ] {
            assert_eq!(of(kind, predicate).as_deref(), expected, "{kind} {predicate}");
        }
    }
}
