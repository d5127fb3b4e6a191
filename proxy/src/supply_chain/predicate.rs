//! What statements say: predicates whose form is known are held to it before anything is signed or attached.
//!
//! [`check`] is a function of a type and a value. As the in-toto specification wants, names that are not known are passed over; what a type
//! requires must be there and have its form. A predicate of any other type is taken as it is.
//! What does not live here: whether it is true, and what follows from it (policy). docs/supply-chain.md describes [`DEPLOYMENT_V1`].

mod common;
mod deployment;
mod in_toto;
mod openvex;
mod provenance;
mod vulnerabilities;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Code, Error};

/// A build (SLSA 1.2, "Provenance").
pub const SLSA_PROVENANCE_V1: &str = "https://slsa.dev/provenance/v1";

/// A build, as it was said before (SLSA 0.2).
pub const SLSA_PROVENANCE_V0_2: &str = "https://slsa.dev/provenance/v0.2";

/// Tests (in-toto attestation, "Test Result").
pub const TEST_RESULT_V0_1: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// A scan (in-toto attestation, "Vulnerabilities").
pub const VULNERABILITIES_V0_2: &str = "https://in-toto.io/attestation/vulns/v0.2";

/// A scan, as cosign has it (cosign, `specs/COSIGN_VULN_ATTESTATION_SPEC.md`).
pub const COSIGN_VULNERABILITIES_V1: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// What vulnerabilities mean to an artifact (OpenVEX); behind it a version may stand.
pub const OPENVEX: &str = "https://openvex.dev/ns";

/// A release (in-toto attestation, "Release"); versions 0.1 and 0.2.
pub const RELEASE_V0_1: &str = "https://in-toto.io/attestation/release/v0.1";
/// As [`RELEASE_V0_1`].
pub const RELEASE_V0_2: &str = "https://in-toto.io/attestation/release/v0.2";

/// A deployment. There is no vetted predicate for that: this one is ours.
pub const DEPLOYMENT_V1: &str = "urn:zot-artifact-store:predicate:deployment:v1";

/// Why a predicate has not the form that its type wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", if .place.is_empty() { "predicate" } else { .place.as_str() })]
pub struct WrongPredicate {
    /// Where: `runDetails.builder.id`.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

/// A predicate whose form is known, read.
trait Predicate: DeserializeOwned {
    /// What no type of Rust says.
    fn check(&self) -> Result<(), WrongPredicate>;
}

/// Whether a predicate has the form that its type wants.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(predicate_type: &str, predicate: &Value) -> Result<(), WrongPredicate> {
    match predicate_type {
        SLSA_PROVENANCE_V1 => as_a::<provenance::V1>(predicate),
        SLSA_PROVENANCE_V0_2 => as_a::<provenance::V0_2>(predicate),
        TEST_RESULT_V0_1 => as_a::<in_toto::TestResult>(predicate),
        RELEASE_V0_1 | RELEASE_V0_2 => as_a::<in_toto::Release>(predicate),
        VULNERABILITIES_V0_2 => as_a::<vulnerabilities::InToto>(predicate),
        COSIGN_VULNERABILITIES_V1 => as_a::<vulnerabilities::Cosign>(predicate),
        DEPLOYMENT_V1 => as_a::<deployment::Deployment>(predicate),
        other if other == OPENVEX || other.strip_prefix(OPENVEX).is_some_and(|rest| rest.starts_with('/')) => {
            as_a::<openvex::Document>(predicate)
        }
        _ => Ok(()),
    }
}

fn as_a<P: Predicate>(predicate: &Value) -> Result<(), WrongPredicate> {
    let read: P = serde_path_to_error::deserialize(predicate).map_err(|error| {
        let place = error.path().to_string();
        let why = crate::supply_chain::malformed::cut(error.into_inner().to_string());
        WrongPredicate { place: if place == "." { String::new() } else { place }, why }
    })?;
    read.check()
}

/// That something is wrong at a place.
fn wrong(place: impl Into<String>, why: impl Into<String>) -> WrongPredicate {
    WrongPredicate { place: place.into(), why: why.into() }
}

impl From<WrongPredicate> for Error {
    fn from(wrong: WrongPredicate) -> Self {
        let field = if wrong.place.is_empty() { "predicate".to_owned() } else { format!("predicate.{}", wrong.place) };
        Self::new(Code::InvalidArgument, format!("The predicate has not the form of its type: {wrong}."))
            .with("field", field)
    }
}

#[cfg(test)]
mod tests;
