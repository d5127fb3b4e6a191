//! Provenance of both versions that are in use, as one: `https://slsa.dev/provenance/v1` and `.../v0.2`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::supply_chain::rules::evidence::{Attested, predicate};
use crate::supply_chain::rules::verdict::Reason;
use crate::supply_chain::statement::Statement;

/// The predicate of SLSA 1.
pub(in crate::supply_chain::rules) const V1: &str = "https://slsa.dev/provenance/v1";
/// The predicate that buildx and older builders write.
pub(in crate::supply_chain::rules) const V0_2: &str = "https://slsa.dev/provenance/v0.2";

/// How something was built.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::supply_chain::rules) struct Provenance {
    /// Who has built it.
    pub(in crate::supply_chain::rules) builder: String,
    /// By which recipe.
    pub(in crate::supply_chain::rules) build_type: String,
    /// What whoever asked for the build has said. An object.
    pub(super) parameters: Value,
    /// v0.2 only: where the recipe is.
    pub(super) recipe: Option<Resource>,
    /// What went into it.
    pub(in crate::supply_chain::rules) materials: Vec<Resource>,
    pub(super) started: Option<OffsetDateTime>,
    pub(super) finished: Option<OffsetDateTime>,
}

/// Something that went into a build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(in crate::supply_chain::rules) struct Resource {
    #[serde(default)]
    pub(in crate::supply_chain::rules) name: String,
    #[serde(default)]
    pub(in crate::supply_chain::rules) uri: String,
    #[serde(default)]
    pub(in crate::supply_chain::rules) digest: BTreeMap<String, String>,
}

/// Whether a predicate is provenance that is read here.
pub(in crate::supply_chain::rules) fn is_provenance(kind: &str) -> bool {
    kind == V1 || kind == V0_2
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PredicateV1 {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Value,
    #[serde(default)]
    resolved_dependencies: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: BuilderId,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct BuilderId {
    id: String,
}

/// Of both versions: v0.2 has a word before each name.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, alias = "buildStartedOn", with = "time::serde::rfc3339::option")]
    started_on: Option<OffsetDateTime>,
    #[serde(default, alias = "buildFinishedOn", with = "time::serde::rfc3339::option")]
    finished_on: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PredicateV02 {
    builder: BuilderId,
    build_type: String,
    #[serde(default)]
    invocation: Option<Invocation>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    materials: Option<Vec<Resource>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(default)]
    config_source: Option<Resource>,
    #[serde(default)]
    parameters: Option<Value>,
}

impl Provenance {
    /// Reads the predicate of a statement that [`is_provenance`].
    pub(in crate::supply_chain::rules) fn read(attested: &Attested<'_>) -> Result<Self, Reason> {
        Self::of(attested.statement).map_err(|error| attested.malformed(&error))
    }

    /// As [`Self::read`], whoever has made the statement.
    pub(in crate::supply_chain::rules) fn of(statement: &Statement) -> Result<Self, serde_json::Error> {
        if statement.predicate_type == V0_2 {
            predicate::<PredicateV02>(statement).map(Self::from)
        } else {
            predicate::<PredicateV1>(statement).map(Self::from)
        }
    }
}

impl From<PredicateV1> for Provenance {
    fn from(predicate: PredicateV1) -> Self {
        let PredicateV1 { build_definition: definition, run_details } = predicate;
        let metadata = run_details.metadata.unwrap_or_default();
        Self {
            builder: run_details.builder.id,
            build_type: definition.build_type,
            parameters: definition.external_parameters,
            recipe: None,
            materials: definition.resolved_dependencies.unwrap_or_default(),
            started: metadata.started_on,
            finished: metadata.finished_on,
        }
    }
}

impl From<PredicateV02> for Provenance {
    fn from(predicate: PredicateV02) -> Self {
        let metadata = predicate.metadata.unwrap_or_default();
        let invocation = predicate.invocation.unwrap_or_default();
        Self {
            builder: predicate.builder.id,
            build_type: predicate.build_type,
            parameters: invocation.parameters.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            recipe: invocation.config_source.filter(|source| !source.uri.is_empty()),
            materials: predicate.materials.unwrap_or_default(),
            started: metadata.started_on,
            finished: metadata.finished_on,
        }
    }
}
