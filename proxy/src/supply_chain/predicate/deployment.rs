//! That an artifact was deployed: `urn:zot-artifact-store:predicate:deployment:v1`, a predicate of this project
//! (docs/supply-chain.md, "Deployments").

use serde::Deserialize;

use super::common::{Instant, Resource, check_all, in_order, text, uri};
use super::{Predicate, WrongPredicate};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    environment: String,
    target: Target,
    deployer: Deployer,
    result: Outcome,
    started_on: Option<Instant>,
    finished_on: Instant,
    #[serde(default)]
    configuration: Vec<Resource>,
    replaces: Option<Resource>,
    url: Option<String>,
}

/// Where to.
#[derive(Debug, Deserialize)]
struct Target {
    uri: String,
}

/// By what or whom.
#[derive(Debug, Deserialize)]
struct Deployer {
    id: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Outcome {
    Succeeded,
    Failed,
    RolledBack,
}

impl Predicate for Deployment {
    fn check(&self) -> Result<(), WrongPredicate> {
        text("environment", &self.environment)?;
        uri("target.uri", &self.target.uri)?;
        uri("deployer.id", &self.deployer.id)?;
        let _: Outcome = self.result;
        in_order("finishedOn", self.started_on, Some(self.finished_on))?;
        check_all(&self.configuration, "configuration")?;
        if let Some(replaced) = &self.replaces {
            replaced.check("replaces")?;
        }
        match &self.url {
            Some(url) => uri("url", url),
            None => Ok(()),
        }
    }
}
