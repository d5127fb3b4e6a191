//! What a request says that an access control list shall be: a list of S3's own by its name, grants in headers, or a document.

use http::HeaderMap;
use s3s::dto;
use zas_policy::{AccessControlList, AclGrant, Grantee, Permission};

use super::{CANNED, GRANT};
use crate::error::{Code, Error, Result};

/// Grants of one list at the most (AWS, *Access control list (ACL) overview*).
const MAX_GRANTS: usize = 100;

/// The longest id of a grantee, in bytes: it is the name of a user or of a role, and stands in rows.
const MAX_ID: usize = 1024;

/// What a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::s3) enum On {
    Bucket,
    Object,
}

/// A list as a request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::s3) enum Asked {
    /// One of S3's own.
    Canned(Canned),
    /// These grants, and no others.
    Grants(Vec<AclGrant>),
}

/// The lists that S3 has by name (AWS, *Canned ACL*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::s3) enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AwsExecRead,
    AuthenticatedRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    LogDeliveryWrite,
}

const NAMES: [(&str, Canned); 8] = [
    ("private", Canned::Private),
    ("public-read", Canned::PublicRead),
    ("public-read-write", Canned::PublicReadWrite),
    ("aws-exec-read", Canned::AwsExecRead),
    ("authenticated-read", Canned::AuthenticatedRead),
    ("bucket-owner-read", Canned::BucketOwnerRead),
    ("bucket-owner-full-control", Canned::BucketOwnerFullControl),
    ("log-delivery-write", Canned::LogDeliveryWrite),
];

/// The headers for single grants, without what all begin with.
const PERMISSIONS: [(&str, Permission); 5] = [
    ("full-control", Permission::FullControl),
    ("read", Permission::Read),
    ("read-acp", Permission::ReadAcp),
    ("write", Permission::Write),
    ("write-acp", Permission::WriteAcp),
];

/// Whether S3 has a list of this name.
pub(in crate::s3) fn is_canned(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name)
}

/// What headers ask for; none where they say nothing of a list.
///
/// # Errors
/// `InvalidArgument` for a list, a permission or a grantee that there is not, `InvalidRequest` for a list of S3's own and grants at once,
/// `UnresolvableGrantByEmailAddress`, `MalformedAcl` for too many grants.
pub(in crate::s3) fn of_headers(headers: &HeaderMap, on: On) -> Result<Option<Asked>> {
    let mut grants = Vec::new();
    let mut has_grants = false;
    for (name, value) in headers {
        let Some(named) = name.as_str().strip_prefix(GRANT) else { continue };
        has_grants = true;
        let permission = PERMISSIONS.iter().find(|(known, _)| *known == named).map(|(_, permission)| *permission);
        let permission = permission.ok_or_else(|| invalid(format!("There is no header {name}.")))?;
        let value = value.to_str().map_err(|_| invalid(format!("The value of {name} cannot be read.")))?;
        for grantee in grantees(value)? {
            grants.push(AclGrant { grantee, permission });
        }
    }
    match (headers.get(CANNED), has_grants) {
        (None, false) => Ok(None),
        (Some(_), true) => Err(canned_and_grants()),
        (None, true) => bounded(grants).map(Some),
        (Some(name), false) => {
            let known = NAMES.iter().find(|(known, _)| name.as_bytes() == known.as_bytes());
            let canned = known.map(|(_, canned)| *canned);
            let canned = canned.filter(|canned| on == On::Bucket || *canned != Canned::LogDeliveryWrite);
            canned.map(|canned| Some(Asked::Canned(canned))).ok_or_else(|| Code::InvalidArgument.into())
        }
    }
}

/// What a document asks for; `owner`: whom it must name as the owner, for the owner stays.
///
/// # Errors
/// `MalformedAcl`, `InvalidArgument`, `UnresolvableGrantByEmailAddress`; `AccessDenied` for another owner.
pub(in crate::s3) fn of_document(policy: dto::AccessControlPolicy, owner: &str) -> Result<Asked> {
    let malformed = || Error::from(Code::MalformedAcl);
    let named = policy.owner.and_then(|owner| owner.id).ok_or_else(malformed)?;
    if named != owner {
        return Err(Error::new(Code::AccessDenied, "An ACL does not change the owner."));
    }
    let grants = policy.grants.ok_or_else(malformed)?;
    bounded(grants.into_iter().map(of_grant).collect::<Result<Vec<_>>>()?)
}

fn of_grant(grant: dto::Grant) -> Result<AclGrant> {
    let permission = grant.permission.and_then(|permission| permission.as_str().parse().ok());
    let grantee = grant.grantee.ok_or(Code::MalformedAcl)?;
    Ok(AclGrant { grantee: of_element(grantee)?, permission: permission.ok_or(Code::MalformedAcl)? })
}

fn of_element(grantee: dto::Grantee) -> Result<Grantee> {
    match grantee.type_.as_str() {
        dto::Type::CANONICAL_USER => of_id(&grantee.id.ok_or(Code::MalformedAcl)?),
        dto::Type::GROUP => of_uri(&grantee.uri.ok_or(Code::MalformedAcl)?),
        dto::Type::AMAZON_CUSTOMER_BY_EMAIL => Err(Code::UnresolvableGrantByEmailAddress.into()),
        _ => Err(Code::MalformedAcl.into()),
    }
}

fn bounded(grants: Vec<AclGrant>) -> Result<Asked> {
    if grants.len() > MAX_GRANTS {
        return Err(Error::new(Code::MalformedAcl, format!("An ACL has at most {MAX_GRANTS} grants.")));
    }
    Ok(Asked::Grants(grants))
}

/// The grantees of a header: `id="…", uri="…"`, with or without quotes.
fn grantees(value: &str) -> Result<Vec<Grantee>> {
    let malformed = || invalid("Argument format not recognized".to_owned());
    let mut found = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (kind, after) = rest.split_once('=').ok_or_else(malformed)?;
        let (named, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(malformed)?,
            None => after.find(',').map_or((after.trim(), ""), |at| {
                let (named, after) = after.split_at(at);
                (named.trim(), after)
            }),
        };
        found.push(match kind.trim().to_ascii_lowercase().as_str() {
            "id" => of_id(named)?,
            "uri" => of_uri(named)?,
            "emailaddress" => return Err(Code::UnresolvableGrantByEmailAddress.into()),
            _ => return Err(malformed()),
        });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return Err(malformed()),
        };
    }
    if found.is_empty() { Err(malformed()) } else { Ok(found) }
}

/// Whether there is such a user is not asked: who they are their issuer says, and when they come.
fn of_id(id: &str) -> Result<Grantee> {
    match id.parse::<Grantee>() {
        Ok(grantee @ Grantee::Principal(_)) if id.len() <= MAX_ID => Ok(grantee),
        _ => Err(invalid("Invalid id".to_owned()).with("ArgumentName", "ID")),
    }
}

fn of_uri(uri: &str) -> Result<Grantee> {
    match uri.parse::<Grantee>() {
        Ok(group @ (Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery)) => Ok(group),
        _ => Err(invalid("Invalid group uri".to_owned()).with("ArgumentName", "URI")),
    }
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidArgument, text)
}

/// The refusal of a list of S3's own with grants besides.
pub(in crate::s3) fn canned_and_grants() -> Error {
    Error::new(Code::InvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed")
}

impl Asked {
    /// Whether it is what there is where nothing is asked for.
    pub(in crate::s3) fn is_private(&self) -> bool {
        *self == Self::Canned(Canned::Private)
    }

    /// Whether it says no more where the bucket's owner owns everything.
    pub(in crate::s3) fn is_harmless(&self) -> bool {
        self.is_private() || self.is_for_the_bucket_owner()
    }

    /// Whether it gives an object to the owner of the bucket, where the ownership is such.
    pub(in crate::s3) fn is_for_the_bucket_owner(&self) -> bool {
        *self == Self::Canned(Canned::BucketOwnerFullControl)
    }

    /// The list that it is, of what this owner has.
    pub(in crate::s3) fn list(self, owner: String, bucket_owner: &str) -> AccessControlList {
        let canned = match self {
            Self::Grants(grants) => return AccessControlList { owner, grants },
            Self::Canned(canned) => canned,
        };
        let to_bucket_owner = || Grantee::Principal(bucket_owner.to_owned());
        let more = match canned {
            Canned::Private | Canned::AwsExecRead => vec![],
            Canned::PublicRead => vec![(Grantee::AllUsers, Permission::Read)],
            Canned::PublicReadWrite => {
                vec![(Grantee::AllUsers, Permission::Read), (Grantee::AllUsers, Permission::Write)]
            }
            Canned::AuthenticatedRead => vec![(Grantee::AuthenticatedUsers, Permission::Read)],
            // Of a bucket they say nothing, and of an object nothing where it is the bucket owner's.
            Canned::BucketOwnerRead | Canned::BucketOwnerFullControl if owner == bucket_owner => vec![],
            Canned::BucketOwnerRead => vec![(to_bucket_owner(), Permission::Read)],
            Canned::BucketOwnerFullControl => vec![(to_bucket_owner(), Permission::FullControl)],
            Canned::LogDeliveryWrite => {
                vec![(Grantee::LogDelivery, Permission::Write), (Grantee::LogDelivery, Permission::ReadAcp)]
            }
        };
        let mut list = AccessControlList::private(owner);
        list.grants.extend(more.into_iter().map(|(grantee, permission)| AclGrant { grantee, permission }));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    fn asked(headers: &[(&'static str, &str)], on: On) -> Result<Option<Asked>> {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        of_headers(&headers.iter().map(header).collect(), on)
    }

    fn refusal(headers: &[(&'static str, &str)]) -> Option<Code> {
        asked(headers, On::Object).err().map(|error| error.code())
    }

    fn lines(asked: Asked, owner: &str, bucket_owner: &str) -> Vec<String> {
        let list = asked.list(owner.to_owned(), bucket_owner);
        assert_eq!(list.owner, owner);
        list.grants.iter().map(|grant| format!("{} {}", grant.grantee, grant.permission.as_str())).collect()
    }

    #[test]
    fn each_list_of_s3_gives_what_aws_says() {
        let groups = "http://acs.amazonaws.com/groups";
        for (name, more) in [
            ("private", vec![]),
            ("public-read", vec![format!("{groups}/global/AllUsers READ")]),
            (
                "public-read-write",
                vec![format!("{groups}/global/AllUsers READ"), format!("{groups}/global/AllUsers WRITE")],
            ),
            ("aws-exec-read", vec![]),
            ("authenticated-read", vec![format!("{groups}/global/AuthenticatedUsers READ")]),
            ("bucket-owner-read", vec!["user/boss READ".to_owned()]),
            ("bucket-owner-full-control", vec!["user/boss FULL_CONTROL".to_owned()]),
        ] {
            let canned = || asked(&[("x-amz-acl", name)], On::Object).unwrap().unwrap();
            let expected = [vec!["user/alice FULL_CONTROL".to_owned()], more].concat();
            assert_eq!(lines(canned(), "user/alice", "user/boss"), expected, "{name}");
            if name.starts_with("bucket-owner") {
                assert_eq!(lines(canned(), "user/boss", "user/boss"), ["user/boss FULL_CONTROL"], "{name}");
            }
        }
        let logs = asked(&[("x-amz-acl", "log-delivery-write")], On::Bucket).unwrap().unwrap();
        assert_eq!(lines(logs, "user/boss", "user/boss").len(), 3);
        assert_eq!(refusal(&[("x-amz-acl", "log-delivery-write")]), Some(Code::InvalidArgument), "of an object");
        assert_eq!(refusal(&[("x-amz-acl", "everybody")]), Some(Code::InvalidArgument));
    }

    #[test]
    fn grants_of_headers_are_the_whole_list() {
        let read = format!("id=\"user/bob\", uri=\"{ALL_USERS}\" , ID = role/deploy");
        let grants = asked(&[("x-amz-grant-read", &read)], On::Object).unwrap().unwrap();
        let expected = ["user/bob READ".to_owned(), format!("{ALL_USERS} READ"), "role/deploy READ".to_owned()];
        assert_eq!(lines(grants, "user/alice", "user/boss"), expected);
        let all = [
            ("x-amz-grant-full-control", "id=user/a"),
            ("x-amz-grant-write", "id=\"user/a, b\""),
            ("x-amz-grant-write-acp", "id=user/a"),
            ("x-amz-grant-read-acp", "id=user/a"),
        ];
        let lines = lines(asked(&all, On::Bucket).unwrap().unwrap(), "user/alice", "user/alice");
        assert_eq!(lines.len(), 4);
        assert!(lines.contains(&"user/a, b WRITE".to_owned()), "{lines:?}");
        assert_eq!(asked(&[], On::Bucket).unwrap(), None);
    }

    #[test]
    fn headers_that_aws_refuses_are_refused() {
        for (name, value, code) in [
            ("x-amz-grant-read", "id=nobody", Code::InvalidArgument),
            ("x-amz-grant-read", "id=anonymous", Code::InvalidArgument),
            ("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/global/Nobody", Code::InvalidArgument),
            ("x-amz-grant-read", "uri=user/bob", Code::InvalidArgument),
            ("x-amz-grant-read", ALL_USERS, Code::InvalidArgument),
            ("x-amz-grant-read", "emailAddress=\"a@b.example\"", Code::UnresolvableGrantByEmailAddress),
            ("x-amz-grant-read", "id=\"user/bob", Code::InvalidArgument),
            ("x-amz-grant-read", "id=\"user/bob\" id=\"user/carol\"", Code::InvalidArgument),
            ("x-amz-grant-read", "", Code::InvalidArgument),
            ("x-amz-grant-delete", "id=user/bob", Code::InvalidArgument),
        ] {
            assert_eq!(refusal(&[(name, value)]), Some(code), "{name}: {value}");
        }
        assert_eq!(
            refusal(&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=user/bob")]),
            Some(Code::InvalidRequest)
        );
        let many = vec!["id=user/bob"; 101].join(",");
        assert_eq!(refusal(&[("x-amz-grant-read", &many)]), Some(Code::MalformedAcl));
        assert_eq!(refusal(&[("x-amz-grant-read", &many[12..])]), None, "a hundred are taken");
    }

    fn grantee(type_: &'static str, id: Option<&str>, uri: Option<&str>) -> dto::Grantee {
        dto::Grantee {
            display_name: None,
            email_address: None,
            id: id.map(str::to_owned),
            type_: dto::Type::from_static(type_),
            uri: uri.map(str::to_owned),
        }
    }

    fn policy(owner: Option<&str>, grants: Option<Vec<(dto::Grantee, &'static str)>>) -> dto::AccessControlPolicy {
        let owner = owner.map(|owner| dto::Owner { display_name: None, id: Some(owner.to_owned()) });
        let grant = |(grantee, permission)| dto::Grant {
            grantee: Some(grantee),
            permission: Some(dto::Permission::from_static(permission)),
        };
        dto::AccessControlPolicy { grants: grants.map(|grants| grants.into_iter().map(grant).collect()), owner }
    }

    #[test]
    fn a_document_is_the_whole_list_and_keeps_the_owner() {
        let bob = || grantee("CanonicalUser", Some("user/bob"), None);
        let everybody = grantee("Group", None, Some(ALL_USERS));
        let taken = policy(Some("user/alice"), Some(vec![(bob(), "FULL_CONTROL"), (everybody, "READ")]));
        let list = of_document(taken, "user/alice").unwrap();
        assert_eq!(
            lines(list, "user/alice", "user/boss"),
            ["user/bob FULL_CONTROL".to_owned(), format!("{ALL_USERS} READ")]
        );
        let empty = of_document(policy(Some("user/alice"), Some(vec![])), "user/alice").unwrap();
        assert!(lines(empty, "user/alice", "user/boss").is_empty());
        let email = grantee("AmazonCustomerByEmail", None, None);
        for (refused, code) in [
            (policy(Some("user/bob"), Some(vec![])), Code::AccessDenied),
            (policy(None, Some(vec![])), Code::MalformedAcl),
            (policy(Some("user/alice"), None), Code::MalformedAcl),
            (policy(Some("user/alice"), Some(vec![(bob(), "ALL")])), Code::MalformedAcl),
            (
                policy(Some("user/alice"), Some(vec![(grantee("CanonicalUser", None, None), "READ")])),
                Code::MalformedAcl,
            ),
            (
                policy(Some("user/alice"), Some(vec![(grantee("Robot", Some("user/bob"), None), "READ")])),
                Code::MalformedAcl,
            ),
            (
                policy(Some("user/alice"), Some(vec![(grantee("CanonicalUser", Some("bob"), None), "READ")])),
                Code::InvalidArgument,
            ),
            (policy(Some("user/alice"), Some(vec![(email, "READ")])), Code::UnresolvableGrantByEmailAddress),
            (policy(Some("user/alice"), Some(vec![(bob(), "READ"); 101])), Code::MalformedAcl),
        ] {
            assert_eq!(of_document(refused, "user/alice").unwrap_err().code(), code);
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(value in "[ -~]{0,120}") {
            if let Ok(found) = grantees(&value) {
                prop_assert!(!found.is_empty());
            }
        }

        #[test]
        fn what_is_quoted_is_read_as_it_was_written(name in "[ !#-~]{1,40}") {
            let read = grantees(&format!("id=\"user/{name}\"")).unwrap();
            prop_assert_eq!(read, vec![Grantee::Principal(format!("user/{name}"))]);
        }
    }
}
