//! Server-side encryption: what can be said of it truthfully. The service encrypts nothing itself; the configuration may say that the
//! storage below it does.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::configuration::not_implemented;
use super::operation::Operation;
use crate::error::{Code, Error, Result};

/// How an object shall be encrypted, and how it is.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");

/// What storage that encrypts is called (AWS, *SSE-S3*).
const AES256: &str = "AES256";

/// Whether an encryption that somebody asks for is what happens.
///
/// # Errors
/// `NotImplemented`, saying what would be needed; `InvalidArgument` for what S3 does not have either.
pub(super) fn check(algorithm: &str, encrypted_at_rest: bool) -> Result<()> {
    match algorithm {
        AES256 if encrypted_at_rest => Ok(()),
        AES256 => Err(not_implemented(
            "Server-side encryption cannot be promised: the configuration does not say that the storage is encrypted (s3.encryption_at_rest).",
        )),
        "aws:kms" | "aws:kms:dsse" => {
            Err(not_implemented("Encryption with the keys of a key management service is not implemented."))
        }
        _ => Err(Error::new(Code::InvalidArgument, "The encryption method specified is not supported")),
    }
}

/// Whether an operation may ask for an encryption.
pub(super) const fn is_asked_by(operation: Operation) -> bool {
    matches!(operation, Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
}

/// Says of an object that it is encrypted, in the answers in which S3 says so.
pub(super) fn tell(operation: &str, headers: &mut HeaderMap) {
    let tells = Operation::parse(operation).is_some_and(|operation| {
        is_asked_by(operation)
            || matches!(
                operation,
                Operation::GetObject
                    | Operation::HeadObject
                    | Operation::PostObject
                    | Operation::UploadPart
                    | Operation::UploadPartCopy
                    | Operation::CompleteMultipartUpload
            )
    });
    if tells {
        headers.insert(HEADER, HeaderValue::from_static(AES256));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_configuration_says_is_promised() {
        assert!(check("AES256", true).is_ok());
        for (algorithm, encrypted, code) in [
            ("AES256", false, Code::NotImplemented),
            ("aws:kms", true, Code::NotImplemented),
            ("aws:kms:dsse", true, Code::NotImplemented),
            ("rot13", true, Code::InvalidArgument),
        ] {
            assert_eq!(check(algorithm, encrypted).unwrap_err().code(), code, "{algorithm}");
        }
    }

    #[test]
    fn answers_about_objects_tell_of_it_and_others_do_not() {
        for (operation, tells) in
            [("PutObject", true), ("HeadObject", true), ("ListObjects", false), ("unknown", false)]
        {
            let mut headers = HeaderMap::new();
            tell(operation, &mut headers);
            assert_eq!(headers.contains_key(HEADER), tells, "{operation}");
        }
    }
}
