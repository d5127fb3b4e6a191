//! The policy of a form, in base64. A seed is the text of the form's field.

use super::{Read, Verdict};
use crate::error::Code;
use crate::s3::check_post_policy;

pub(super) fn check(input: &[u8]) -> Verdict {
    match check_post_policy(input) {
        Ok(()) => {
            let text = std::str::from_utf8(input).unwrap_or_default();
            ensure!(!text.is_empty(), "a policy of nothing is taken");
            Ok(Read::Taken)
        }
        Err(error) => {
            ensure!(error.code() == Code::InvalidPolicyDocument, "refused with {:?}", error.code());
            Ok(Read::Refused)
        }
    }
}
