//! What S3 has and we do not: refused with 501 and its name, never ignored where ignoring it would change what is done.
//!
//! Two lists: headers that mean something we do not do, and the query parameters that each operation knows. A write with
//! any other parameter is refused, for a new sub-resource of S3 would otherwise be taken for a plain write
//! (`PUT /bucket/key?renameObject` would replace the object).
//! Ignored on purpose, for they change nothing here: `x-amz-request-payer`, `x-amz-bypass-governance-retention`,
//! `x-amz-optional-object-attributes`.

use http::HeaderMap;

use super::operation::Operation;
use crate::error::{Code, Error, Result};

/// A header, and the values of it that ask for nothing special. A name that ends with `*` stands for all that begin so.
const HEADERS: [(&str, &[&str]); 14] = [
    ("x-amz-acl", &["private", "bucket-owner-full-control"]),
    ("x-amz-grant-*", &[]),
    ("x-amz-server-side-encryption*", &[]),
    ("x-amz-copy-source-server-side-encryption*", &[]),
    ("x-amz-object-lock-*", &[]),
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-object-ownership", &["BucketOwnerEnforced"]),
    ("x-amz-website-redirect-location", &[]),
    ("x-amz-write-offset-bytes", &[]),
    ("x-amz-storage-class", &["STANDARD"]),
    ("x-amz-mfa", &[]),
    ("x-amz-if-match-*", &[]),
    ("x-amz-rename-source*", &[]),
    ("x-amz-bucket-namespace", &["global"]),
];

/// Parameters that every operation takes: those of a presigned URL, and the operation's name as SDKs add it.
fn is_common(name: &str) -> bool {
    name == "x-id" || name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
}

/// Refuses a request that asks for something we do not do.
///
/// # Errors
/// `NotImplemented`, naming the header or the parameter.
pub(super) fn check(operation: Operation, headers: &HeaderMap, query: Option<&str>) -> Result<()> {
    for (name, value) in headers {
        if let Some((_, harmless)) = HEADERS.iter().find(|(pattern, _)| matches(pattern, name.as_str()))
            && !harmless.iter().any(|known| value.as_bytes() == known.as_bytes())
        {
            return Err(refused("header", name.as_str()));
        }
    }
    if operation == Operation::DeleteObject && headers.contains_key("if-none-match") {
        return Err(refused("header", "if-none-match on a delete"));
    }
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        // Buckets have no versions here: the one that there is, S3 calls "null".
        if name == "versionId" && !matches!(&*value, "null" | "") {
            return Err(refused("parameter", "versionId"));
        }
        if operation.writes() && !is_common(&name) && !operation.parameters().contains(&&*name) {
            return Err(refused("parameter", &name));
        }
    }
    Ok(())
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

fn refused(kind: &'static str, name: &str) -> Error {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let text = format!("A {kind} you provided implies functionality that is not implemented: {name}.");
    Error::new(Code::NotImplemented, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn refuses(operation: Operation, headers: &[(&'static str, &'static str)], query: &str) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        match check(operation, &headers, Some(query)) {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.code(), Code::NotImplemented);
                true
            }
        }
    }

    #[test]
    fn headers_with_a_meaning_we_do_not_have_are_refused() {
        for (name, value) in [
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=x"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "x"),
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-write-offset-bytes", "5"),
            ("x-amz-storage-class", "GLACIER"),
        ] {
            assert!(refuses(Operation::PutObject, &[(name, value)], ""), "{name}: {value}");
        }
    }

    #[test]
    fn values_that_ask_for_nothing_pass() {
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-acl", "bucket-owner-full-control"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-meta-anything", "at all"),
            ("x-amz-bucket-object-lock-enabled", "false"),
        ] {
            assert!(!refuses(Operation::PutObject, &[(name, value)], ""), "{name}: {value}");
        }
    }

    #[test]
    fn a_write_with_a_parameter_it_does_not_know_is_refused() {
        for query in ["renameObject", "uploadId=x", "partNumber=1", "foo=bar", "annotation"] {
            assert!(refuses(Operation::PutObject, &[], query), "{query}");
        }
        assert!(!refuses(Operation::PutObject, &[], "x-id=PutObject&X-Amz-Signature=0"));
        assert!(!refuses(Operation::UploadPart, &[], "uploadId=x&partNumber=1&x-id=UploadPart"));
        assert!(refuses(Operation::DeleteObject, &[], "acl"));
        assert!(!refuses(Operation::ListObjects, &[], "unheard-of=1"));
    }

    #[test]
    fn only_the_null_version_exists() {
        assert!(refuses(Operation::GetObject, &[], "versionId=abc"));
        assert!(!refuses(Operation::GetObject, &[], "versionId=null"));
        assert!(!refuses(Operation::DeleteObject, &[], "versionId=null"));
    }

    #[test]
    fn of_the_conditions_of_a_delete_only_if_match_is_taken() {
        assert!(!refuses(Operation::DeleteObject, &[("if-match", "\"x\"")], ""));
        for name in ["if-none-match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"] {
            assert!(refuses(Operation::DeleteObject, &[(name, "*")], ""), "{name}");
        }
    }
}
