//! How something was built (SLSA 1.2, "Build: Provenance"; and version 0.2 of it).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::common::{Instant, Resource, check_all, in_order, uri};
use super::{Predicate, WrongPredicate, wrong};

/// Version 1.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct V1 {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Map<String, Value>,
    #[serde(default)]
    resolved_dependencies: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunDetails {
    builder: Builder,
    metadata: Option<Metadata>,
    #[serde(default)]
    byproducts: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Builder {
    id: String,
    #[serde(default)]
    builder_dependencies: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    started_on: Option<Instant>,
    finished_on: Option<Instant>,
}

impl Predicate for V1 {
    fn check(&self) -> Result<(), WrongPredicate> {
        let (build, run) = (&self.build_definition, &self.run_details);
        uri("buildDefinition.buildType", &build.build_type)?;
        if build.external_parameters.is_empty() {
            return Err(wrong("buildDefinition.externalParameters", "it is empty: a build has parameters"));
        }
        check_all(&build.resolved_dependencies, "buildDefinition.resolvedDependencies")?;
        uri("runDetails.builder.id", &run.builder.id)?;
        check_all(&run.builder.builder_dependencies, "runDetails.builder.builderDependencies")?;
        check_all(&run.byproducts, "runDetails.byproducts")?;
        match &run.metadata {
            Some(time) => in_order("runDetails.metadata.finishedOn", time.started_on, time.finished_on),
            None => Ok(()),
        }
    }
}

/// Version 0.2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct V0_2 {
    builder: OldBuilder,
    build_type: String,
    metadata: Option<OldMetadata>,
    #[serde(default)]
    materials: Vec<Material>,
}

#[derive(Debug, Deserialize)]
struct OldBuilder {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldMetadata {
    build_started_on: Option<Instant>,
    build_finished_on: Option<Instant>,
}

#[derive(Debug, Deserialize)]
struct Material {
    uri: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

impl Predicate for V0_2 {
    fn check(&self) -> Result<(), WrongPredicate> {
        uri("builder.id", &self.builder.id)?;
        uri("buildType", &self.build_type)?;
        for (at, material) in self.materials.iter().enumerate() {
            uri(&format!("materials[{at}].uri"), &material.uri)?;
            if material.digest.values().any(String::is_empty) {
                return Err(wrong(format!("materials[{at}].digest"), "a digest is empty"));
            }
        }
        match &self.metadata {
            Some(time) => in_order("metadata.buildFinishedOn", time.build_started_on, time.build_finished_on),
            None => Ok(()),
        }
    }
}
