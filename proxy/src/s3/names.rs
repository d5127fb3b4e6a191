//! Which bucket names and keys are allowed. Nothing is ever rewritten: policy, index and client see the same string.
//!
//! Buckets: AWS, *Bucket naming rules*. Keys: 1 to 1,024 bytes of UTF-8 (AWS, *Naming Amazon S3 objects*), and besides:
//! * no segment that is `.` or `..`: clients and proxies resolve such paths before they send them, so that two of them
//!   would see different objects;
//! * no character that XML cannot carry unchanged (control characters but tab and line feed, U+FFFE, U+FFFF): a listing
//!   that holds such a key could not be read by any client.

use s3s::path::check_bucket_name;
use s3s::validation::NameValidation;

use crate::error::{Code, Error, Result};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Prefixes and suffixes that AWS keeps for itself.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// The rule for bucket names, as `s3s` asks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        is_bucket_name(name)
    }
}

/// Whether S3 allows the name.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    check_bucket_name(name)
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Whether the key may name an object.
///
/// # Errors
/// `KeyTooLong`, or `InvalidArgument` with the reason.
pub(super) fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "The key is empty."));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::from(Code::KeyTooLong).with("Size", key.len()).with("MaxSizeAllowed", MAX_KEY_BYTES));
    }
    if key.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(Error::new(Code::InvalidArgument, "The key has a path segment that is '.' or '..'."));
    }
    check_text("key", key)
}

/// Whether a text that an answer repeats (a prefix, a delimiter, a marker) can be written as XML.
///
/// # Errors
/// `InvalidArgument`, naming `what`.
pub(super) fn check_text(what: &'static str, text: &str) -> Result<()> {
    if text.chars().all(survives_xml) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, format!("The {what} has a control character that XML cannot carry.")))
}

/// XML 1.0 has no way to write most control characters, and its readers turn a carriage return into a line feed.
const fn survives_xml(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_s3_forbids_are_refused() {
        for name in [
            "",
            "ab",
            &"a".repeat(64),
            "Upper",
            "under_score",
            "-dash",
            "dash-",
            ".dot",
            "dot.",
            "a..b",
            "192.168.5.4",
            "xn--punycode",
            "sthree-bucket",
            "sthree-configurator",
            "amzn-s3-demo-bucket",
            "bucket-s3alias",
            "bucket--ol-s3",
            "bucket.mrap",
            "bucket--x-s3",
            "bucket--table-s3",
            "v2",
            "-",
            "bücket",
            "a b",
        ] {
            assert!(!is_bucket_name(name), "{name}");
        }
    }

    #[test]
    fn names_that_s3_allows_are_accepted() {
        for name in ["abc", "a-b", "a.b.c", "1234", "my-blobs", "blobs", &"a".repeat(63), "1.2.3.4.5"] {
            assert!(is_bucket_name(name), "{name}");
        }
    }

    #[test]
    fn a_key_is_counted_in_bytes() {
        assert!(check_key(&"ä".repeat(512)).is_ok());
        assert_eq!(check_key(&"ä".repeat(513)).unwrap_err().code(), Code::KeyTooLong);
    }

    #[test]
    fn dot_segments_are_refused_and_other_dots_are_not() {
        for key in ["..", ".", "a/../b", "a/./b", "../a", "a/.."] {
            assert_eq!(check_key(key).unwrap_err().code(), Code::InvalidArgument, "{key}");
        }
        for key in ["...", "a..b", ".hidden", "a/.b", "//", "a//b", "/lead", "back\\slash", "a b+c", "%2e%2e"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn characters_that_xml_cannot_carry_are_refused() {
        for key in ["a\0b", "a\u{1}", "a\r", "\u{fffe}", "\u{ffff}", "\u{b}"] {
            assert_eq!(check_key(key).unwrap_err().code(), Code::InvalidArgument, "{key:?}");
        }
        for key in ["tab\t", "line\n", "\u{7f}", "日本"] {
            assert!(check_key(key).is_ok(), "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_rules_panic(text in ".{0,1100}") {
            let _ = is_bucket_name(&text);
            let _ = check_key(&text);
        }
    }
}
