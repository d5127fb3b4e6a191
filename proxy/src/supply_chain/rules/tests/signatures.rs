//! Who must have signed.

use serde_json::json;

use super::support::*;
use crate::supply_chain::statement::SLSA_VSA_V1;
use crate::supply_chain::verify::Said;

#[test]
fn enough_of_the_named_signers_must_have_signed() {
    let two = rule("signatures", json!({"signers": ["key/a", "key/b", "key/c"], "threshold": 2}));
    assert!(passes(&two, &[signature("a"), signature("c")]));
    assert_eq!(why(&two, &[signature("a")]), ["too_few_signers"]);
    assert_eq!(why(&two, &[signature("a"), signature("a"), signature("d")]), ["too_few_signers", "other_signer"]);
    assert_eq!(why(&two, &[signature("d")]), ["no_evidence", "other_signer"]);
    assert_eq!(why(&two, &[]), ["no_evidence"]);
}

#[test]
fn every_kind_of_signature_counts_and_no_other_statement() {
    let policy = rule("signatures", json!({"signers": ["key/a"]}));
    for said in [Said::Signature, Said::Image("host/team/app".into())] {
        assert!(passes(&policy, &[signed("a", said)]));
    }
    for kind in [SLSA_VSA_V1, "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"] {
        assert_eq!(
            why(&policy, &[says("a", kind, json!({"verificationResult": "PASSED"}))]),
            ["no_evidence"],
            "{kind}"
        );
    }
}

#[test]
fn a_verdict_names_the_evidence_that_it_rests_on_and_the_signers() {
    let policy = rule("signatures", json!({"signers": ["key/a", "key/b"], "threshold": 2}));
    let evidence = [signature("b"), signature("d"), signature("a")];
    let verdict = verdict(&policy, &evidence);
    let mut signers: Vec<_> = verdict.rules[0].evidence.iter().map(|used| used.signer.clone().unwrap()).collect();
    signers.sort();
    assert_eq!(signers, ["key/a", "key/b"]);
    assert!(verdict.rules[0].evidence.iter().all(|used| evidence.iter().any(|piece| piece.digest == used.digest)));
    assert_eq!(verdict.levels, ["SLSA_BUILD_LEVEL_UNEVALUATED"]);
}

#[test]
fn a_signer_whom_nobody_knows_is_named() {
    let policy = rule("signatures", json!({"signers": ["key/a", "identity/nobody"]}));
    assert_eq!(why(&policy, &[]), ["no_evidence", "unknown_signer"]);
    assert!(passes(&policy, &[signature("a")]));
}

#[test]
fn a_signature_that_stands_until_a_time_makes_a_verdict_that_stands_as_long() {
    let policy = rule("signatures", json!({"signers": ["key/a"]}));
    let until = NOW + time::Duration::DAY;
    let piece = crate::supply_chain::rules::Piece { stands_until: Some(until), ..signature("a") };
    assert_eq!(verdict(&policy, &[piece]).valid_until, Some(until));
    assert_eq!(verdict(&policy, &[signature("a")]).valid_until, None);
}
