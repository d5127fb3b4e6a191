//! The documents that requests have. A seed is one of them; its first element says which.
//!
//! What is read and written is the same document from then on. The first writing may differ from what was read: white space goes, unknown
//! elements go, a time loses what is below a millisecond.

use s3s::dto;
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Read, Verdict};
use crate::s3::tags::of_document;

pub(super) fn check(input: &[u8]) -> Verdict {
    let checks: [fn(&[u8]) -> Verdict; 18] = [
        |input| {
            stable(input, |document: &dto::CompletedMultipartUpload| {
                document.parts.iter().flatten().all(|part| part.e_tag.as_ref().is_none_or(is_plain))
            })
        },
        |input| {
            stable(input, |document: &dto::Delete| {
                document.objects.iter().all(|object| object.e_tag.as_ref().is_none_or(is_plain))
            })
        },
        |input| {
            stable(input, |document: &dto::AccessControlPolicy| {
                let mut grantees = document.grants.iter().flatten().filter_map(|grant| grant.grantee.as_ref());
                grantees.all(|grantee| grantee.type_.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()))
            })
        },
        |input| {
            stable(input, |document: &dto::BucketLoggingStatus| {
                document.logging_enabled.as_ref().is_none_or(|logging| logging.target_grants.is_none())
            })
        },
        check_tagging,
        always::<dto::CORSConfiguration>,
        always::<dto::VersioningConfiguration>,
        always::<dto::ServerSideEncryptionConfiguration>,
        always::<dto::OwnershipControls>,
        always::<dto::PublicAccessBlockConfiguration>,
        always::<dto::BucketLifecycleConfiguration>,
        always::<dto::NotificationConfiguration>,
        always::<dto::ObjectLockConfiguration>,
        always::<dto::ObjectLockLegalHold>,
        always::<dto::ObjectLockRetention>,
        always::<dto::CreateBucketConfiguration>,
        always::<dto::AccelerateConfiguration>,
        always::<dto::RequestPaymentConfiguration>,
    ];
    let mut verdict = Read::Refused;
    for check in checks {
        if check(input)? == Read::Taken {
            verdict = Read::Taken;
        }
    }
    Ok(verdict)
}

/// Reads a whole document, as `s3s` reads a request's body.
pub(super) fn read<T: for<'xml> Deserialize<'xml>>(input: &[u8]) -> Option<T> {
    let mut reader = Deserializer::new(input);
    let document = T::deserialize(&mut reader).ok()?;
    reader.expect_eof().ok()?;
    Some(document)
}

/// Writes a document.
pub(super) fn write(document: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    document.serialize(&mut Serializer::new(&mut out)).map_err(|error| error.to_string())?;
    Ok(out)
}

fn always<T: Serialize + for<'xml> Deserialize<'xml>>(input: &[u8]) -> Verdict {
    stable(input, |_: &T| true)
}

/// `applies`: whether `s3s` can write what it has read; some texts it writes as they are, without escaping them.
fn stable<T: Serialize + for<'xml> Deserialize<'xml>>(input: &[u8], applies: fn(&T) -> bool) -> Verdict {
    let Some(document) = read::<T>(input) else { return Ok(Read::Refused) };
    if applies(&document) {
        let written = write(&document)?;
        let shown = || String::from_utf8_lossy(&written).into_owned();
        let again = read::<T>(&written).ok_or_else(|| format!("what was written is not read: {}", shown()))?;
        ensure!(write(&again)? == written, "what was written is read as something else: {}", shown());
    }
    Ok(Read::Taken)
}

fn check_tagging(input: &[u8]) -> Verdict {
    let verdict = always::<dto::Tagging>(input)?;
    if let Some(Ok(tags)) = read::<dto::Tagging>(input).map(of_document) {
        super::tags::check_tags(&tags)?;
    }
    Ok(verdict)
}

/// An ETag that is written as it is read.
fn is_plain(etag: &dto::ETag) -> bool {
    let value = etag.value();
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
