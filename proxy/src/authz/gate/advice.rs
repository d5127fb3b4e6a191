//! What somebody is told whom a rule about artifacts keeps from one: what there is of what it asks for, and how there can be more.

use time::OffsetDateTime;
use zas_policy::KeyName;

use crate::index::PassedPolicies;
use crate::supply_chain::facts::Facts;

/// What there is of what a rule asks for, and how there can be more.
pub(super) fn advice(key: KeyName, facts: &Facts, now: OffsetDateTime) -> String {
    let listed = |values: &[String]| if values.is_empty() { "nobody".to_owned() } else { values.join(", ") };
    match key {
        KeyName::Signed if facts.signed => "it is signed".to_owned(),
        KeyName::Signed => {
            "it has no signature of a trusted key or identity: sign it (cosign sign, or POST /-/api/v1/artifacts/sign), or have its signer trusted"
                .to_owned()
        }
        KeyName::SignedBy => format!("it is signed by {}, and the rule asks for others", listed(&facts.signed_by)),
        KeyName::SignatureIssuer => {
            format!("its signers are vouched for by {}, and the rule asks for others", listed(&facts.signature_issuers))
        }
        KeyName::HasSbom if facts.has_sbom => "it has a valid SBOM".to_owned(),
        KeyName::HasSbom => {
            "it has no valid SBOM: attach one (oras attach, cosign attest, or POST /-/api/v1/artifacts/sbom)".to_owned()
        }
        KeyName::AttestationTypes if facts.attestation_types.is_empty() => {
            "nothing is attested by a trusted signer: attest what the rule asks for (cosign attest)".to_owned()
        }
        KeyName::AttestationTypes => format!("attested are {}", facts.attestation_types.join(", ")),
        KeyName::ProvenanceLevel => format!(
            "its provenance shows level {}: have it built, and its provenance signed, by a builder of supply_chain.builders",
            facts.provenance_level
        ),
        KeyName::VulnCritical | KeyName::VulnAgeDays => match (facts.vuln_critical, facts.vuln_age_days(now)) {
            (Some(critical), Some(days)) => format!(
                "its newest scan found {critical} critical vulnerabilities and is {days} days old: attest a new one"
            ),
            _ => "it has no scan that a trusted signer has attested: attest one (cosign attest --type vuln)".to_owned(),
        },
        KeyName::PassedPolicies => of_verdicts(facts.passed.as_ref()),
        KeyName::Immutable => "it is asked for by a name that can be moved: ask for its digest".to_owned(),
        other => format!("{} is not as the rule asks", other.as_str()),
    }
}

/// By which verdicts it passes, by which it did, and how one is made.
fn of_verdicts(passed: Option<&PassedPolicies>) -> String {
    let none = PassedPolicies::default();
    let passed = passed.unwrap_or(&none);
    let current = match passed.current.as_slice() {
        [] => "no verdict counts by which it passes a verification policy".to_owned(),
        current => format!("it passes the verification policies {}, and the rule asks for others", current.join(", ")),
    };
    let lapsed = match passed.lapsed.as_slice() {
        [] => String::new(),
        lapsed => format!(" (its verdicts of {} count no longer, until they are made anew)", lapsed.join(", ")),
    };
    format!("{current}{lapsed}: have it verified (POST /-/api/v1/artifacts/verify with the name of the policy)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_an_artifact_has_a_word_of_advice() {
        let facts = Facts::default();
        for key in KeyName::ALL.iter().filter(|key| key.is_evidence()) {
            assert!(
                !advice(*key, &facts, OffsetDateTime::UNIX_EPOCH).contains("is not as the rule asks"),
                "{}",
                key.as_str()
            );
        }
    }

    #[test]
    fn it_is_said_which_policies_are_passed_which_were_and_how_there_is_a_verdict() {
        let passed = |current: &[&str], lapsed: &[&str]| PassedPolicies {
            current: current.iter().copied().map(str::to_owned).collect(),
            lapsed: lapsed.iter().copied().map(str::to_owned).collect(),
        };
        let said = |passed| {
            let facts = Facts { passed, ..Facts::default() };
            advice(KeyName::PassedPolicies, &facts, OffsetDateTime::UNIX_EPOCH)
        };
        let both = said(Some(passed(&["a", "b"], &["c"])));
        for part in ["passes the verification policies a, b,", "its verdicts of c count no longer", "artifacts/verify"]
        {
            assert!(both.contains(part), "{both}");
        }
        for none in [said(None), said(Some(passed(&[], &[])))] {
            assert!(none.starts_with("no verdict counts") && none.contains("artifacts/verify"), "{none}");
        }
    }
}
