//! Every signature that is checked is counted: by whom it was, whose it is, and what came of it.

use metrics::{SharedString, counter};

use crate::telemetry::{names, signer};

/// Who checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supply_chain) enum By {
    /// A verification that somebody has asked for.
    Verification,
    /// Whoever looks at what was attached, before anybody asks.
    Evidence,
}

impl By {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Evidence => "evidence",
        }
    }
}

/// Counts a signature: of which trusted signer it is, or the code of the reason why it does not count.
pub(in crate::supply_chain) fn count(by: By, outcome: Result<&str, &str>) {
    let (signer, result) = match outcome {
        Ok(name) => (signer(name), SharedString::from("ok")),
        Err(code) => (SharedString::from(""), SharedString::from(code.to_owned())),
    };
    counter!(names::SIGNATURES_CHECKED, "by" => by.as_str(), "signer" => signer, "result" => result).increment(1);
}
