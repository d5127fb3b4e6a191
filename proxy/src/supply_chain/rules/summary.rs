//! A verdict as a statement that others can rely on: a verification summary (SLSA 1.2, "Verification Summary Attestation").

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Verdict;
use crate::digest::Digest;
use crate::supply_chain::Malformed;
use crate::supply_chain::statement::{SLSA_VSA_V1, Statement, Subject};

/// The version of the specification.
const SLSA: &str = "1.2";

/// What a summary says besides the verdict.
#[derive(Debug, Clone)]
pub struct Summary<'a> {
    /// The artifact, as statements name it.
    pub subjects: Vec<Subject>,
    /// What a consumer fetches it by.
    pub resource: &'a str,
    /// Who says so: the URI of this verifier.
    pub verifier: &'a str,
    /// When it was found.
    pub at: OffsetDateTime,
    /// Where the policy is, and its digest.
    pub policy: (&'a str, Digest),
    /// All evidence that the verdict was made of, or none of it: where it is, and its digest.
    pub inputs: Vec<(String, Digest)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    verifier: Verifier<'a>,
    time_verified: String,
    resource_uri: &'a str,
    policy: Resource<'a>,
    input_attestations: Vec<Resource<'a>>,
    verification_result: &'static str,
    verified_levels: &'a [String],
    slsa_version: &'static str,
}

#[derive(Serialize)]
struct Verifier<'a> {
    id: &'a str,
    version: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct Resource<'a> {
    uri: &'a str,
    digest: BTreeMap<&'static str, String>,
}

impl<'a> Resource<'a> {
    fn new(uri: &'a str, digest: &Digest) -> Self {
        Self { uri, digest: BTreeMap::from([("sha256", digest.hex())]) }
    }
}

/// A verdict as a statement, to be signed.
/// # Errors
/// There is no subject, or there are too many.
pub fn summary(verdict: &Verdict, summary: Summary<'_>) -> Result<Statement, Malformed> {
    let whole = summary.at.replace_nanosecond(0).unwrap_or(summary.at);
    let at = whole.to_offset(time::UtcOffset::UTC).format(&Rfc3339);
    let predicate = Predicate {
        verifier: Verifier {
            id: summary.verifier,
            version: BTreeMap::from([(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))]),
        },
        time_verified: at.map_err(|error| Malformed::form("the time of a verdict", error))?,
        resource_uri: summary.resource,
        policy: Resource::new(summary.policy.0, &summary.policy.1),
        input_attestations: summary.inputs.iter().map(|(uri, digest)| Resource::new(uri, digest)).collect(),
        verification_result: if verdict.passed { "PASSED" } else { "FAILED" },
        verified_levels: &verdict.levels,
        slsa_version: SLSA,
    };
    Statement::new(summary.subjects, SLSA_VSA_V1, &predicate)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;

    fn verdict(passed: bool, level: &str) -> Verdict {
        Verdict { passed, rules: Vec::new(), levels: vec![level.to_owned()], valid_until: None }
    }

    fn predicate(verdict: &Verdict) -> Value {
        let manifest = Digest::of(b"manifest");
        let statement = summary(
            verdict,
            Summary {
                subjects: vec![Subject::new("team/app", &manifest)],
                resource: "oci://team/app",
                verifier: "https://verifier.example",
                at: datetime!(2026-06-01 14:00:00.5 +2),
                policy: ("https://verifier.example/policies/release", Digest::of(b"policy")),
                inputs: vec![("oci://team/app@x".to_owned(), Digest::of(b"bundle"))],
            },
        )
        .unwrap();
        assert_eq!(statement.predicate_type, SLSA_VSA_V1);
        assert_eq!(statement.subjects[0].sha256(), Some(manifest));
        serde_json::from_str(statement.predicate.get()).unwrap()
    }

    #[test]
    fn a_summary_has_the_fields_of_the_specification() {
        let expected = json!({
            "verifier": {"id": "https://verifier.example", "version": {"zas-proxy": env!("CARGO_PKG_VERSION")}},
            "timeVerified": "2026-06-01T12:00:00Z",
            "resourceUri": "oci://team/app",
            "policy": {"uri": "https://verifier.example/policies/release", "digest": {"sha256": Digest::of(b"policy").hex()}},
            "inputAttestations": [{"uri": "oci://team/app@x", "digest": {"sha256": Digest::of(b"bundle").hex()}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
            "slsaVersion": "1.2",
        });
        assert_eq!(predicate(&verdict(true, "SLSA_BUILD_LEVEL_3")), expected);
        let failed = predicate(&verdict(false, "FAILED"));
        assert_eq!((&failed["verificationResult"], &failed["verifiedLevels"]), (&json!("FAILED"), &json!(["FAILED"])));
    }
}
