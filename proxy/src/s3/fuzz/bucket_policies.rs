//! Policies of buckets. A seed is the document.

use zas_policy::{Kind, MAX_DOCUMENT, Policy};

use super::{Read, Verdict};

pub(super) fn check(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Read::Refused) };
    let policy = match parse(text) {
        Ok(policy) => policy,
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            ensure!((1..=lines).contains(&error.line), "line {} of {lines}: {error}", error.line);
            ensure!(error.column > 0 && !error.message.is_empty(), "{error:?} says nothing");
            return Ok(Read::Refused);
        }
    };
    ensure!(text.len() <= MAX_DOCUMENT, "{} bytes are taken", text.len());
    if text.len() + 2 <= MAX_DOCUMENT {
        let again =
            parse(&format!("\n{text}\n")).map_err(|error| format!("with empty lines it is refused: {error}"))?;
        ensure!(again.is_public() == policy.is_public(), "empty lines change whom it lets in");
        let (found, expected) = (again.reaches_beyond("bucket"), policy.reaches_beyond("bucket"));
        ensure!(found == expected, "empty lines change how far it reaches: {found:?}, not {expected:?}");
    }
    Ok(Read::Taken)
}

fn parse(text: &str) -> Result<Policy, zas_policy::ParseError> {
    Policy::parse(Kind::Bucket, "bucket", text)
}
