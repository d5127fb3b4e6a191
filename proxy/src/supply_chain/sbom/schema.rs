//! The published JSON schemas, compiled once each, and cut so that a large list is validated one element at a time.
//!
//! A list of the top level whose schema says nothing of the list but what its elements are, and that they differ, is taken out:
//! its elements are validated by the schema of elements, and the document by the whole schema with the list empty. That is the
//! same verdict, for no other keyword looks at the elements together. `proxy/schemas/sbom/README.md` says where the schemas
//! come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::{Map, Value, json};

use super::finding::Report;
use super::format::{CycloneDx, Spdx2};
use super::limits::Limits;
use super::pointer::Pointer;
use super::refusal::Refusal;
use super::schema_error;

/// What a schema may say of a list that is taken apart.
const HARMLESS: [&str; 10] = [
    "type",
    "items",
    "uniqueItems",
    "additionalItems",
    "title",
    "description",
    "examples",
    "deprecated",
    "$comment",
    "$id",
];

/// How deep an element of SPDX 3 may go. An element may stand inside of another one, and each level doubles the work: the
/// choice of classes is validated once for itself and once for the members that it knows. What is written in practice has four.
const SPDX3_DEPTH: usize = 6;

/// How far a pattern with look-around may try; the published ones need a few steps a character.
const BACKTRACK_LIMIT: usize = 100_000;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Schema {
    whole: Validator,
    lists: BTreeMap<String, List>,
    depth: usize,
}

/// The schema of a list that is taken apart.
#[derive(Debug)]
pub(super) struct List {
    elements: Elements,
    /// Whether no two elements may be equal.
    pub(super) unique: bool,
}

#[derive(Debug)]
enum Elements {
    /// Each element is validated by the same schema.
    Same(Validator),
    /// The member `type` says by which (SPDX 3): one class instead of a choice among all of them, which also makes the
    /// errors those of the class that was meant.
    Classes { classes: HashMap<String, Validator>, any: Validator },
}

impl Schema {
    /// The schema of a version of CycloneDX.
    pub(super) fn cyclonedx(version: CycloneDx) -> Result<&'static Self, Refusal> {
        use CycloneDx::{V1_2, V1_3, V1_4, V1_5, V1_6, V1_7};
        static SCHEMAS: [LazyLock<Result<Schema, String>>; 6] = [
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.2.SNAPSHOT.schema.json"))
            }),
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.3.SNAPSHOT.schema.json"))
            }),
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.4.SNAPSHOT.schema.json"))
            }),
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.5.SNAPSHOT.schema.json"))
            }),
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.6.SNAPSHOT.schema.json"))
            }),
            LazyLock::new(|| {
                compile_cyclonedx(include_str!("../../../schemas/sbom/cyclonedx/bom-1.7.SNAPSHOT.schema.json"))
            }),
        ];
        let [v1_2, v1_3, v1_4, v1_5, v1_6, v1_7] = &SCHEMAS;
        ready(match version {
            V1_2 => v1_2,
            V1_3 => v1_3,
            V1_4 => v1_4,
            V1_5 => v1_5,
            V1_6 => v1_6,
            V1_7 => v1_7,
        })
    }

    /// The schema of a version of SPDX 2.
    pub(super) fn spdx2(version: Spdx2) -> Result<&'static Self, Refusal> {
        static V2_2: LazyLock<Result<Schema, String>> =
            LazyLock::new(|| compile_spdx2(include_str!("../../../schemas/sbom/spdx/spdx-schema-v2.2.json")));
        static V2_3: LazyLock<Result<Schema, String>> =
            LazyLock::new(|| compile_spdx2(include_str!("../../../schemas/sbom/spdx/spdx-schema-v2.3.json")));
        ready(match version {
            Spdx2::V2_2 => &V2_2,
            Spdx2::V2_3 => &V2_3,
        })
    }

    /// The schema of SPDX 3.0.1.
    pub(super) fn spdx3() -> Result<&'static Self, Refusal> {
        static V3_0_1: LazyLock<Result<Schema, String>> =
            LazyLock::new(|| compile_spdx3(include_str!("../../../schemas/sbom/spdx/schema-v3.0.1.json")));
        ready(&V3_0_1)
    }

    /// How deep a part of a document may go.
    pub(super) fn depth(&self, limits: &Limits) -> usize {
        self.depth.min(limits.depth)
    }

    /// The schema of a list that is to be taken apart.
    pub(super) fn list(&self, name: &str) -> Option<&List> {
        self.lists.get(name)
    }

    /// Validates the document whose lists were emptied.
    pub(super) fn check(&self, document: &Value, report: &mut Report) {
        check(&self.whole, document, &Pointer::Root, report);
    }
}

impl List {
    /// Validates one element.
    pub(super) fn check(&self, element: &Value, at: &Pointer<'_>, report: &mut Report) {
        let validator = match &self.elements {
            Elements::Same(validator) => validator,
            Elements::Classes { classes, any } => {
                element.get("type").and_then(Value::as_str).and_then(|class| classes.get(class)).unwrap_or(any)
            }
        };
        check(validator, element, at, report);
    }
}

fn check(validator: &Validator, value: &Value, at: &Pointer<'_>, report: &mut Report) {
    // Most are valid, and that is known much sooner than what is wrong.
    if validator.is_valid(value) {
        return;
    }
    for error in validator.iter_errors(value) {
        schema_error::add(&error, at, report);
        if report.is_full() {
            return;
        }
    }
}

fn ready(schema: &'static Result<Schema, String>) -> Result<&'static Schema, Refusal> {
    schema.as_ref().map_err(|error| Refusal::Fault(format!("a schema of SBOMs does not compile: {error}")))
}

fn compile_cyclonedx(text: &str) -> Result<Schema, String> {
    const SHARED: [(&str, &str); 3] = [
        (
            "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json",
            include_str!("../../../schemas/sbom/cyclonedx/spdx.SNAPSHOT.schema.json"),
        ),
        (
            "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",
            include_str!("../../../schemas/sbom/cyclonedx/jsf-0.82.SNAPSHOT.schema.json"),
        ),
        (
            "http://cyclonedx.org/schema/cryptography-defs.SNAPSHOT.schema.json",
            include_str!("../../../schemas/sbom/cyclonedx/cryptography-defs.SNAPSHOT.schema.json"),
        ),
    ];
    let shared = SHARED.into_iter().map(|(id, text)| Ok((id.to_owned(), parse(text)?)));
    Parts::new(parse(text)?, shared.collect::<Result<_, String>>()?)?.schema()
}

fn compile_spdx2(text: &str) -> Result<Schema, String> {
    Parts::new(parse(text)?, Vec::new())?.schema()
}

fn compile_spdx3(text: &str) -> Result<Schema, String> {
    const ID: &str = "https://spdx.org/schema/3.0.1/spdx-json-schema.json";
    let mut root = parse(text)?;
    root.as_object_mut().ok_or("no object")?.insert("$id".into(), ID.into());
    let parts = Parts::new(root, Vec::new())?;
    let element = parts.root.pointer("/then/properties/@graph/items").ok_or("no @graph")?;
    let any = parts.validator("#/then/properties/@graph/items")?;
    // An element is an object that is one of the classes and has no member that its class does not know.
    let closed = json!({"type": "object", "$ref": "#/$defs/AnyClass", "unevaluatedProperties": false});
    if *element != closed {
        return Err("the elements of @graph are not what they were taken for".into());
    }
    let mut classes = HashMap::new();
    for reference in parts.root.pointer("/$defs/AnyClass/anyOf").and_then(Value::as_array).ok_or("no classes")? {
        let reference = reference.get("$ref").and_then(Value::as_str).ok_or("a class without a name")?;
        let class = reference.strip_prefix("#/$defs/").ok_or("a class elsewhere")?;
        // What is no class but a choice of words or names has no condition on `type`.
        if parts.root.pointer(&format!("/$defs/{class}/if/properties/type/const")) == Some(&json!(class)) {
            let schema = json!({"type": "object", "$ref": format!("{ID}{reference}"), "unevaluatedProperties": false});
            classes.insert(class.to_owned(), parts.build(schema)?);
        }
    }
    let graph = List { elements: Elements::Classes { classes, any }, unique: false };
    let lists = BTreeMap::from([("@graph".to_owned(), graph)]);
    Ok(Schema { whole: parts.build(parts.root.clone())?, lists, depth: SPDX3_DEPTH })
}

/// A schema and what it refers to.
struct Parts {
    id: String,
    dialect: Value,
    root: Value,
    registry: Registry<'static>,
}

impl Parts {
    fn new(root: Value, shared: Vec<(String, Value)>) -> Result<Self, String> {
        let id = root.get("$id").and_then(Value::as_str).ok_or("no $id")?.to_owned();
        let dialect = root.get("$schema").cloned().ok_or("no $schema")?;
        let resources = shared.into_iter().chain([(id.clone(), root.clone())]);
        let registry = Registry::new().extend(resources).and_then(|builder| builder.prepare()).map_err(in_words)?;
        Ok(Self { id, dialect, root, registry })
    }

    fn schema(self) -> Result<Schema, String> {
        let mut lists = BTreeMap::new();
        let properties = self.root.get("properties").and_then(Value::as_object).ok_or("no properties")?;
        for (name, property) in properties.iter().filter_map(|(name, property)| Some((name, property.as_object()?))) {
            if may_be_taken_apart(property) {
                let elements = Elements::Same(self.validator(&format!("#/properties/{name}/items"))?);
                let unique = property.get("uniqueItems") == Some(&Value::Bool(true));
                lists.insert(name.clone(), List { elements, unique });
            }
        }
        Ok(Schema { whole: self.build(self.root.clone())?, lists, depth: usize::MAX })
    }

    fn validator(&self, fragment: &str) -> Result<Validator, String> {
        self.build(json!({"$schema": self.dialect, "$ref": format!("{}{fragment}", self.id)}))
    }

    fn build(&self, mut schema: Value) -> Result<Validator, String> {
        schema.as_object_mut().ok_or("no object")?.entry("$schema").or_insert_with(|| self.dialect.clone());
        jsonschema::options()
            .offline()
            .with_registry(&self.registry)
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT))
            .build(&schema)
            .map_err(in_words)
    }
}

fn may_be_taken_apart(property: &Map<String, Value>) -> bool {
    property.get("type").and_then(Value::as_str) == Some("array")
        && property.get("items").is_some_and(Value::is_object)
        && property.keys().all(|keyword| HARMLESS.contains(&keyword.as_str()))
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(in_words)
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles_and_gives_its_lists() {
        for version in CycloneDx::ALL {
            let schema = Schema::cyclonedx(version).unwrap();
            for list in ["components", "services", "dependencies"] {
                assert!(schema.list(list).is_some_and(|list| list.unique), "{version:?} {list}");
            }
        }
        for version in Spdx2::ALL {
            let schema = Schema::spdx2(version).unwrap();
            for list in ["packages", "files", "relationships"] {
                assert!(schema.list(list).is_some(), "{version:?} {list}");
            }
        }
        assert!(Schema::spdx3().unwrap().list("@graph").is_some());
    }

    #[test]
    fn a_list_with_a_rule_of_its_own_is_not_taken_apart() {
        let list = |rule: &str| json!({"type": "array", "items": {}, rule: 1}).as_object().cloned().unwrap();
        assert!(may_be_taken_apart(&list("title")));
        assert!(!may_be_taken_apart(&list("minItems")));
        assert!(!may_be_taken_apart(&list("contains")));
    }
}
