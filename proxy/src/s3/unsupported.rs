//! What S3 has and we do not: refused with 501 and its name, never ignored where ignoring it would change what is done.
//!
//! Two lists: headers that mean something we do not do, and the query parameters that each operation knows. A write with
//! any other parameter is refused, for a new sub-resource of S3 would otherwise be taken for a plain write
//! (`PUT /bucket/key?renameObject` would replace the object).
//! Access control lists and encryption are refused as their own files say.
//! Ignored on purpose, for they change nothing here: `x-amz-request-payer`, `x-amz-optional-object-attributes`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::operation::Operation;
use super::{acl, encryption};
use crate::error::{Code, Error, Result};

/// A header, and the values of it that ask for nothing special. A name that ends with `*` stands for all that begin so.
const HEADERS: [(&str, &[&str]); 10] = [
    ("x-amz-server-side-encryption*", &[]),
    ("x-amz-copy-source-server-side-encryption*", &[]),
    ("x-amz-bucket-object-lock-enabled", &["true", "True", "false", "False"]),
    ("x-amz-website-redirect-location", &[]),
    ("x-amz-write-offset-bytes", &[]),
    ("x-amz-storage-class", &["STANDARD"]),
    ("x-amz-mfa", &[]),
    ("x-amz-if-match-*", &[]),
    ("x-amz-rename-source*", &[]),
    ("x-amz-bucket-namespace", &["global"]),
];

/// The same, of RenameObject: what a write says of its object. One that is renamed keeps what is said of it.
const OF_WHAT_IS_RENAMED: [(&str, &[&str]); 11] = [
    ("x-amz-meta-*", &[]),
    ("x-amz-tagging", &[]),
    ("x-amz-object-lock-*", &[]),
    ("x-amz-acl", &[]),
    ("x-amz-grant-*", &[]),
    ("content-type", &[]),
    // About the transfer alone.
    ("content-encoding", &["aws-chunked"]),
    ("content-disposition", &[]),
    ("content-language", &[]),
    ("cache-control", &[]),
    ("expires", &[]),
];

/// Sub-resources that `s3s` does not know: a read of one would be answered with the object, or with a listing of the bucket.
const NOT_READ: [&str; 3] = ["abac", "annotation", "metadataConfiguration"];

/// Parameters that every operation takes: those of a presigned URL, and the operation's name as SDKs add it.
fn is_common(name: &str) -> bool {
    name == "x-id" || name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
}

/// Refuses a request that asks for something we do not do. `encrypted_at_rest`: what the configuration says of the storage.
///
/// # Errors
/// `NotImplemented`, naming the header or the parameter; what `acl` and `encryption` refuse.
pub(super) fn check(
    operation: Operation,
    headers: &HeaderMap,
    query: Option<&str>,
    encrypted_at_rest: bool,
) -> Result<()> {
    for (name, value) in headers {
        check_header(operation, name, value, encrypted_at_rest)?;
    }
    if operation == Operation::DeleteObject && headers.contains_key("if-none-match") {
        return Err(refused("header", "if-none-match on a delete"));
    }
    for (name, _) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if operation.writes() && !is_common(&name) && !operation.parameters().contains(&&*name) {
            return Err(refused("parameter", &name));
        }
        if NOT_READ.contains(&&*name) {
            return Err(refused("parameter", &name));
        }
    }
    Ok(())
}

fn check_header(operation: Operation, name: &HeaderName, value: &HeaderValue, encrypted_at_rest: bool) -> Result<()> {
    if operation == Operation::RenameObject {
        check_listed(&OF_WHAT_IS_RENAMED, name, value)?;
    }
    if name == "x-amz-acl" || name.as_str().starts_with(acl::GRANT) {
        return check_acl(operation, name, value);
    }
    if *name == encryption::HEADER && encryption::is_asked_by(operation) {
        return encryption::check(value.to_str().unwrap_or_default(), encrypted_at_rest);
    }
    if *name == encryption::HEADER && matches!(operation, Operation::GetObject | Operation::HeadObject) {
        // AWS answers 400 (*GetObject*, *HeadObject*).
        return Err(Error::new(Code::InvalidArgument, format!("The header {name} is for writes alone.")));
    }
    if operation == Operation::RenameObject && name.as_str().starts_with("x-amz-rename-source") {
        return Ok(());
    }
    check_listed(&HEADERS, name, value)
}

/// Refuses a header that is listed, unless its value asks for nothing.
fn check_listed(listed: &[(&str, &[&str])], name: &HeaderName, value: &HeaderValue) -> Result<()> {
    match listed.iter().find(|(pattern, _)| matches(pattern, name.as_str())) {
        Some((_, harmless)) if !harmless.iter().any(|known| value.as_bytes() == known.as_bytes()) => {
            Err(refused("header", name.as_str()))
        }
        _ => Ok(()),
    }
}

/// A list where S3 has none can say nothing but that the owner may do everything.
fn check_acl(operation: Operation, name: &HeaderName, value: &HeaderValue) -> Result<()> {
    let is_harmless = name == "x-amz-acl" && acl::HARMLESS.iter().any(|known| value.as_bytes() == known.as_bytes());
    match operation {
        // They look at it themselves.
        Operation::PutBucketAcl
        | Operation::PutObjectAcl
        | Operation::CreateBucket
        | Operation::PutObject
        | Operation::CopyObject
        | Operation::CreateMultipartUpload => Ok(()),
        _ if is_harmless => Ok(()),
        _ => Err(Code::AccessControlListNotSupported.into()),
    }
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

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn refuses(operation: Operation, headers: &[(&'static str, &'static str)], query: &str) -> bool {
        match check(operation, &map(headers), Some(query), false) {
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
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-customer-key", "x"),
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-write-offset-bytes", "5"),
            ("x-amz-storage-class", "GLACIER"),
        ] {
            assert!(refuses(Operation::PutObject, &[(name, value)], ""), "{name}: {value}");
        }
    }

    #[test]
    fn a_list_that_lets_others_in_is_refused_where_s3_has_none() {
        for (operation, code) in [
            (Operation::UploadPart, Some(Code::AccessControlListNotSupported)),
            (Operation::CompleteMultipartUpload, Some(Code::AccessControlListNotSupported)),
            (Operation::PutObject, None),
            (Operation::CreateBucket, None),
            (Operation::PutBucketAcl, None),
        ] {
            for header in [("x-amz-acl", "public-read"), ("x-amz-grant-read", "id=x")] {
                let checked = check(operation, &map(&[header]), None, false);
                assert_eq!(checked.err().map(|error| error.code()), code, "{operation:?} {header:?}");
            }
        }
    }

    #[test]
    fn what_a_write_says_of_its_object_is_refused_of_a_rename() {
        let said = [
            ("x-amz-meta-anything", "at all"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-legal-hold", "OFF"),
            ("x-amz-acl", "private"),
            ("x-amz-grant-read", "id=x"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("content-disposition", "inline"),
            ("content-language", "en"),
            ("cache-control", "no-store"),
            ("expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ];
        for header in said {
            assert!(refuses(Operation::RenameObject, &[header], "renameObject"), "{header:?}");
            assert!(!refuses(Operation::PutObject, &[header], ""), "{header:?}");
        }
        for header in [
            ("x-amz-rename-source", "a"),
            ("x-amz-rename-source-if-match", "x"),
            ("x-amz-client-token", "x"),
            ("if-none-match", "*"),
            ("content-encoding", "aws-chunked"),
            ("content-length", "0"),
            ("x-amz-storage-class", "STANDARD"),
        ] {
            assert!(!refuses(Operation::RenameObject, &[header], "renameObject"), "{header:?}");
        }
    }

    #[test]
    fn encryption_may_be_asked_for_where_the_storage_encrypts() {
        let headers = map(&[("x-amz-server-side-encryption", "AES256")]);
        assert!(check(Operation::PutObject, &headers, None, true).is_ok());
        assert!(check(Operation::UploadPart, &headers, None, true).is_err(), "S3 has no such header there");
    }

    #[test]
    fn a_read_that_asks_to_encrypt_is_wrong() {
        let headers = map(&[("x-amz-server-side-encryption", "AES256")]);
        for operation in [Operation::GetObject, Operation::HeadObject] {
            let refused = check(operation, &headers, None, true).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{operation:?}");
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
        for query in ["uploadId=x", "partNumber=1", "foo=bar", "annotation"] {
            assert!(refuses(Operation::PutObject, &[], query), "{query}");
        }
        assert!(!refuses(Operation::PutObject, &[], "x-id=PutObject&X-Amz-Signature=0"));
        assert!(!refuses(Operation::UploadPart, &[], "uploadId=x&partNumber=1&x-id=UploadPart"));
        assert!(refuses(Operation::DeleteObject, &[], "acl"));
        assert!(!refuses(Operation::ListObjects, &[], "unheard-of=1"));
    }

    #[test]
    fn a_read_of_a_sub_resource_that_is_not_here_is_no_read_of_the_object() {
        assert!(refuses(Operation::GetObject, &[], "annotation&annotationName=a"));
        assert!(refuses(Operation::ListObjects, &[], "abac"));
        assert!(refuses(Operation::ListObjects, &[], "metadataConfiguration"));
    }

    #[test]
    fn a_version_is_named_where_there_are_versions() {
        assert!(refuses(Operation::PutObject, &[], "versionId=null"));
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
