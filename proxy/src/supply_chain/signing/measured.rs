//! Every use of a key is counted and timed, by what it was for, which key it was and what came of it.

use std::time::Instant;

use metrics::{counter, histogram};

use crate::error::Result;
use crate::supply_chain::keys::ActiveKey;
use crate::telemetry::names;

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supply_chain) enum Operation {
    /// A signature.
    Sign,
    /// A signature of the older form.
    SignLegacy,
    /// An attestation.
    Attest,
    /// A verdict.
    Verdict,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::SignLegacy => "sign_legacy",
            Self::Attest => "attest",
            Self::Verdict => "verdict",
        }
    }
}

/// Uses a key. At most 500 generations sign or are believed, so that their names may be labels.
pub(in crate::supply_chain) async fn measured<T>(
    operation: Operation,
    key: &ActiveKey,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let result = work.await;
    let outcome = result.as_ref().map_or_else(|error| error.row().label, |_| "ok");
    let (operation, name) = (operation.as_str(), key.name().to_owned());
    counter!(names::SIGNING, "operation" => operation, "key" => name.clone(), "result" => outcome).increment(1);
    histogram!(names::SIGNING_SECONDS, "operation" => operation, "key" => name).record(begun.elapsed().as_secs_f64());
    result
}
