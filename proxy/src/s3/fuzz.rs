//! What is fuzzed: a check for each reader of what clients send, which says more than that nothing panics.
//!
//! `proxy/fuzz` has a program for each [`TARGETS`]; the tests here run the same checks over the seeds in `proxy/fuzz/corpus`, and over
//! mutations of them. A check takes any bytes. What the reader refuses must be refused in the right way, and what it takes must hold:
//! what is written back is read alike, and where there is a second reader, the two agree.
//! What does not live here: the readers. Not part of a build that serves.

/// Ends a check where something does not hold, and says what.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

mod aws_chunked;
mod bucket_policies;
mod conditions;
mod copy_sources;
mod hosts;
mod object_keys;
mod post_forms;
mod post_policies;
mod ranges;
mod signatures;
mod tags;
#[cfg(test)]
mod tests;
mod tokens;
mod xml_documents;

use http::{HeaderMap, HeaderName, HeaderValue};

/// What the reader made of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It took them, and what they were taken for holds.
    Taken,
    /// It refused them, or they were not even what it is given.
    Refused,
}

/// What a check found: what was read, or what does not hold.
pub type Verdict = Result<Read, String>;

/// One reader of what clients send.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its program and of its seeds' folder.
    pub name: &'static str,
    /// The check.
    pub check: fn(&[u8]) -> Verdict,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "aws_chunked", check: aws_chunked::check },
    Target { name: "bucket_policies", check: bucket_policies::check },
    Target { name: "conditions", check: conditions::check },
    Target { name: "continuation_tokens", check: tokens::check },
    Target { name: "copy_sources", check: copy_sources::check },
    Target { name: "hosts", check: hosts::check },
    Target { name: "object_keys", check: object_keys::check },
    Target { name: "post_forms", check: post_forms::check },
    Target { name: "post_policies", check: post_policies::check },
    Target { name: "presigned_queries", check: signatures::check_query },
    Target { name: "ranges", check: ranges::check },
    Target { name: "signature_headers", check: signatures::check_header },
    Target { name: "tags", check: tags::check },
    Target { name: "xml_documents", check: xml_documents::check },
];

/// Runs the check of a target.
///
/// # Errors
/// What does not hold; that there is no such target.
pub fn check(target: &str, input: &[u8]) -> Verdict {
    let target = TARGETS.iter().find(|known| known.name == target).ok_or_else(|| format!("no target {target}"))?;
    (target.check)(input)
}

/// Lines `name: value` as headers; none where one of them is no header.
fn headers(text: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(at)?;
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        headers.try_append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?).ok()?;
    }
    Some(headers)
}
