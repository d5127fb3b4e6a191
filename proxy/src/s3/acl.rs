//! Access control lists, where the owner of the bucket owns everything in it (AWS, *Controlling ownership of objects*): they say that the
//! owner may do everything, and can say nothing else.

use http::HeaderMap;
use s3s::dto;

use super::headers;
use crate::error::{Code, Error, Result};

/// Lists that S3 has by name (AWS, *Canned ACL*).
const CANNED: [&str; 8] = [
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];

/// Those that say no more than that the owner may do everything.
pub(super) const HARMLESS: [&str; 2] = ["private", "bucket-owner-full-control"];

/// What an owner's headers for single grants begin with.
pub(super) const GRANT: &str = "x-amz-grant-";

/// The owner, and the one grant that there is.
pub(super) fn of_owner(owner: &str) -> (dto::Owner, dto::Grants) {
    let grantee = dto::Grantee {
        display_name: Some(owner.to_owned()),
        email_address: None,
        id: Some(owner.to_owned()),
        type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
        uri: None,
    };
    let permission = Some(dto::Permission::from_static(dto::Permission::FULL_CONTROL));
    (headers::owner(owner), vec![dto::Grant { grantee: Some(grantee), permission }])
}

/// Whether a list that shall be set says what is so already.
///
/// # Errors
/// `AccessControlListNotSupported` where it says something else; `InvalidArgument`, `InvalidRequest`, `MissingSecurityHeader` where it
/// cannot be told what it says.
pub(super) fn check(
    headers: &HeaderMap,
    canned: Option<&str>,
    policy: Option<&dto::AccessControlPolicy>,
    owner: &str,
) -> Result<()> {
    let grants = headers.keys().any(|name| name.as_str().starts_with(GRANT));
    match (canned, grants, policy) {
        (None, false, None) => Err(Code::MissingSecurityHeader.into()),
        (Some(_), true, _) => {
            Err(Error::new(Code::InvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed"))
        }
        (Some(_), _, Some(_)) | (_, true, Some(_)) => {
            Err(Error::new(Code::InvalidRequest, "An ACL stands in the headers or in the body, not in both."))
        }
        (Some(name), false, None) if HARMLESS.contains(&name) => Ok(()),
        (Some(name), false, None) if !CANNED.contains(&name) => Err(Code::InvalidArgument.into()),
        (None, false, Some(policy)) if is_of_owner(policy, owner) => Ok(()),
        _ => Err(Code::AccessControlListNotSupported.into()),
    }
}

/// Whether a list gives everything to the owner, and nothing to anybody else.
fn is_of_owner(policy: &dto::AccessControlPolicy, owner: &str) -> bool {
    let is_owner = |id: Option<&String>| id.is_some_and(|id| id == owner);
    let grants = policy.grants.as_deref().unwrap_or_default();
    !grants.is_empty()
        && policy.owner.as_ref().is_none_or(|named| is_owner(named.id.as_ref()))
        && grants.iter().all(|grant| {
            let everything = grant.permission.as_ref().is_some_and(|p| p.as_str() == dto::Permission::FULL_CONTROL);
            everything && grant.grantee.as_ref().is_some_and(|grantee| is_owner(grantee.id.as_ref()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(canned: Option<&str>, grant: bool, policy: Option<&dto::AccessControlPolicy>) -> Option<Code> {
        let mut headers = HeaderMap::new();
        if grant {
            headers.insert("x-amz-grant-read", http::HeaderValue::from_static("id=x"));
        }
        check(&headers, canned, policy, "user/alice").err().map(|error| error.code())
    }

    fn policy(owner: &str, permission: &'static str) -> dto::AccessControlPolicy {
        let (owner, mut grants) = of_owner(owner);
        grants[0].permission = Some(dto::Permission::from_static(permission));
        dto::AccessControlPolicy { grants: Some(grants), owner: Some(owner) }
    }

    #[test]
    fn what_is_read_may_be_written_back() {
        assert_eq!(refusal(None, false, Some(&policy("user/alice", dto::Permission::FULL_CONTROL))), None);
    }

    #[test]
    fn only_lists_that_say_what_is_so_are_taken() {
        for (canned, grant, expected) in [
            (Some("private"), false, None),
            (Some("bucket-owner-full-control"), false, None),
            (Some("public-read"), false, Some(Code::AccessControlListNotSupported)),
            (Some("everybody"), false, Some(Code::InvalidArgument)),
            (Some("private"), true, Some(Code::InvalidRequest)),
            (None, true, Some(Code::AccessControlListNotSupported)),
            (None, false, Some(Code::MissingSecurityHeader)),
        ] {
            assert_eq!(refusal(canned, grant, None), expected, "{canned:?} {grant}");
        }
        for policy in [policy("user/bob", dto::Permission::FULL_CONTROL), policy("user/alice", dto::Permission::READ)] {
            assert_eq!(refusal(None, false, Some(&policy)), Some(Code::AccessControlListNotSupported));
        }
        let both = policy("user/alice", dto::Permission::FULL_CONTROL);
        assert_eq!(refusal(Some("private"), false, Some(&both)), Some(Code::InvalidRequest));
    }
}
