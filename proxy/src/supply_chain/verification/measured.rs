//! Every verification is counted and timed, by its policy and what came of it; and each signature in it, by whose it is.

use std::time::Instant;

use metrics::{counter, histogram};

use super::{Shown, Verification};
use crate::error::Result;
use crate::supply_chain::checked::{By, count};
use crate::telemetry::names;

/// Verifies against a policy of this name; there are at most 500, so that they may be labels. The label is empty without one.
pub(super) async fn measured(policy: &str, work: impl Future<Output = Result<Verification>>) -> Result<Verification> {
    let begun = Instant::now();
    let result = work.await;
    let (operation, outcome) = match &result {
        Ok(Verification { verdict: None, .. }) => ("signatures", "ok"),
        Ok(Verification { verdict: Some(verdict), .. }) => {
            let operation = if verdict.is_cached { "cached" } else { "verify" };
            (operation, if verdict.passed { "passed" } else { "failed" })
        }
        Err(error) => ("verify", error.row().label),
    };
    // A name that a client has made up is none.
    let policy = if result.is_ok() { policy.to_owned() } else { String::new() };
    counter!(names::VERIFICATIONS, "operation" => operation, "policy" => policy, "result" => outcome).increment(1);
    for piece in result.iter().flat_map(|verification| &verification.evidence) {
        match &piece.shown {
            Shown::Signed { signer, .. } => count(By::Verification, Ok(signer.as_str())),
            Shown::Refused { code, .. } => count(By::Verification, Err(*code)),
            Shown::Unsigned => {}
        }
    }
    histogram!(names::VERIFICATION_SECONDS, "operation" => operation).record(begun.elapsed().as_secs_f64());
    result
}
