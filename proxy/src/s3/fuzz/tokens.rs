//! Continuation tokens. A seed is a token, or a key to make one of.

use super::{Read, Verdict};
use crate::error::Code;
use crate::s3::listing::Token;

/// The listing that seeds are tokens of.
const CONTEXT: &[&str] = &["bucket", "a/"];

/// Differs in one byte: the check in a token finds that always.
const OTHER: &[&str] = &["bucket", "b/"];

/// The longest key, in bytes.
const LONGEST: usize = 1024;

pub(super) fn check(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Read::Refused) };
    if text.len() <= LONGEST {
        let token = Token::encode(text, CONTEXT);
        ensure!(Token::decode(&token, CONTEXT).is_ok_and(|after| after == text), "{text:?} is not read back");
        ensure!(Token::decode(&token, OTHER).is_err(), "a token for {text:?} is taken by another listing");
    }
    match Token::decode(text, CONTEXT) {
        Ok(after) => {
            ensure!(Token::encode(&after, CONTEXT) == text, "{text} is a second token for {after:?}");
            ensure!(Token::decode(text, OTHER).is_err(), "{text} is taken by another listing");
            Ok(Read::Taken)
        }
        Err(error) => {
            ensure!(error.code() == Code::InvalidArgument, "{text}: {:?}", error.code());
            Ok(Read::Refused)
        }
    }
}
