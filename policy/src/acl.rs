//! Access control lists: the other thing besides policies that allows (AWS, *Access control list (ACL) overview*).
//!
//! A list only allows. It is asked where no policy allows and none denies; what narrows the credential must allow it too.
//! What does not live here: which buckets have lists that count, how lists are written, and where they are kept.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::decision::StatementRef;
use crate::{Action, Principal};

/// What begins the name of a group.
const GROUPS: &str = "http://acs.amazonaws.com/groups/";

/// What a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Of a bucket: to list it. Of an object: to read it.
    Read,
    /// Of a bucket: to write objects. Of an object: nothing.
    Write,
    /// To read the list.
    ReadAcp,
    /// To replace the list.
    WriteAcp,
    /// All of it.
    FullControl,
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// Somebody: `user/<name>`, `role/<role>/<session>`, `root/<access key id>`; or `role/<role>`, which is each of its sessions.
    Principal(String),
    /// Everybody, known or not.
    AllUsers,
    /// Everybody who is known.
    AuthenticatedUsers,
    /// AWS's own delivery of access logs, which there is not here: nobody.
    LogDelivery,
}

/// A text that is no permission or no grantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownGrant;

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AclGrant {
    /// Whom it is for.
    pub grantee: Grantee,
    /// What it gives.
    pub permission: Permission,
}

/// The list of a bucket or of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessControlList {
    /// Who owns it: they may read and replace the list whatever it says.
    pub owner: String,
    /// What it says.
    pub grants: Vec<AclGrant>,
}

/// The lists that count for a request.
#[derive(Debug, Clone, Copy)]
pub struct AccessLists<'a> {
    /// That of the bucket.
    pub bucket: &'a AccessControlList,
    /// That of the object; none where there is no object.
    pub object: Option<&'a AccessControlList>,
    /// Whether grants to groups that anybody can be in count for nothing (AWS, "IgnorePublicAcls").
    pub ignores_public: bool,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp, Self::FullControl];

    /// The name that S3 has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    fn includes(self, wanted: Self) -> bool {
        self == Self::FullControl || self == wanted
    }
}

impl FromStr for Permission {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text).ok_or(UnknownGrant)
    }
}

impl Grantee {
    /// Whether anybody can be it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }

    fn includes(&self, principal: &Principal) -> bool {
        match (self, principal) {
            (Self::AllUsers, _) => true,
            (Self::LogDelivery, _) | (_, Principal::Anonymous) => false,
            (Self::AuthenticatedUsers, _) => true,
            (Self::Principal(id), Principal::Identity(identity)) if identity.session.is_some() => {
                let is_role =
                    identity.roles.first().is_some_and(|role| id.strip_prefix("role/") == Some(role.as_str()));
                is_role || *id == principal.to_string()
            }
            (Self::Principal(id), _) => *id == principal.to_string(),
        }
    }
}

/// A group by the URI that S3 has for it, and everybody else by their id.
impl FromStr for Grantee {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(group) = text.strip_prefix(GROUPS) {
            return match group {
                "global/AllUsers" => Ok(Self::AllUsers),
                "global/AuthenticatedUsers" => Ok(Self::AuthenticatedUsers),
                "s3/LogDelivery" => Ok(Self::LogDelivery),
                _ => Err(UnknownGrant),
            };
        }
        let is_id = text.split_once('/').is_some_and(|(kind, name)| {
            matches!(kind, "user" | "role" | "root") && !name.is_empty() && !name.contains(char::is_control)
        });
        if is_id { Ok(Self::Principal(text.to_owned())) } else { Err(UnknownGrant) }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self {
            Self::Principal(id) => return f.write_str(id),
            Self::AllUsers => "global/AllUsers",
            Self::AuthenticatedUsers => "global/AuthenticatedUsers",
            Self::LogDelivery => "s3/LogDelivery",
        };
        write!(f, "{GROUPS}{group}")
    }
}

impl AccessControlList {
    /// The list that there is where nobody has set one: the owner may do everything.
    #[must_use]
    pub fn private(owner: impl Into<String>) -> Self {
        let owner = owner.into();
        let grantee = Grantee::Principal(owner.clone());
        Self { owner, grants: vec![AclGrant { grantee, permission: Permission::FullControl }] }
    }

    /// Whether it says just that the owner may do everything.
    #[must_use]
    pub fn is_private(&self) -> bool {
        *self == Self::private(self.owner.as_str())
    }

    /// Whether it gives anything to groups that anybody can be in (AWS, "The meaning of public").
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// Whether somebody owns it. Who is not known owns nothing: they could be anybody.
    fn is_owned_by(&self, principal: &Principal) -> bool {
        !principal.is_anonymous() && self.owner == principal.to_string()
    }

    /// The first grant that gives it.
    fn granting(&self, principal: &Principal, wanted: Permission, ignores_public: bool) -> Option<(usize, &AclGrant)> {
        self.grants.iter().enumerate().find(|(_, grant)| {
            grant.permission.includes(wanted)
                && !(ignores_public && grant.grantee.is_public())
                && grant.grantee.includes(principal)
        })
    }
}

/// What a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Bucket,
    Object,
}

/// The permission that stands for an action, and of which list (AWS, "Mapping of ACL permissions and access policy permissions").
const fn wanted(action: Action) -> Option<(On, Permission)> {
    Some(match action {
        Action::ListBucket | Action::ListBucketVersions | Action::ListBucketMultipartUploads => {
            (On::Bucket, Permission::Read)
        }
        Action::PutObject | Action::DeleteObject | Action::DeleteObjectVersion => (On::Bucket, Permission::Write),
        Action::GetBucketAcl => (On::Bucket, Permission::ReadAcp),
        Action::PutBucketAcl => (On::Bucket, Permission::WriteAcp),
        Action::GetObject | Action::GetObjectVersion => (On::Object, Permission::Read),
        Action::GetObjectAcl | Action::GetObjectVersionAcl => (On::Object, Permission::ReadAcp),
        Action::PutObjectAcl | Action::PutObjectVersionAcl => (On::Object, Permission::WriteAcp),
        _ => return None,
    })
}

impl Action {
    /// Whether an access control list can allow it.
    #[must_use]
    pub const fn can_be_granted(self) -> bool {
        wanted(self).is_some()
    }
}

impl AccessLists<'_> {
    /// What allows an action, named as `acl/bucket#READ:<grantee>`; the owner's own rights as `acl/object#owner`.
    pub(crate) fn allowing(&self, principal: &Principal, action: Action) -> Option<StatementRef> {
        let (on, wanted) = wanted(action)?;
        let owns_object = || self.object.is_some_and(|object| object.is_owned_by(principal));
        let (name, list, wanted) = match (on, action, self.object) {
            // Deletes are for the owners of what is deleted.
            (_, Action::DeleteObject, _) if !self.bucket.is_owned_by(principal) && !owns_object() => return None,
            (_, Action::DeleteObjectVersion, _) if !self.bucket.is_owned_by(principal) => return None,
            (On::Bucket, ..) => ("acl/bucket", self.bucket, wanted),
            (On::Object, _, Some(object)) => ("acl/object", object, wanted),
            // Who may list is told that it is not there.
            (On::Object, Action::GetObject | Action::GetObjectVersion, None) => {
                ("acl/bucket", self.bucket, Permission::Read)
            }
            (On::Object, _, None) => return None,
        };
        if let Some((at, grant)) = list.granting(principal, wanted, self.ignores_public) {
            let sid = format!("{}:{}", grant.permission.as_str(), grant.grantee);
            return Some(reference(name, at, &sid));
        }
        let is_about_the_list = matches!(wanted, Permission::ReadAcp | Permission::WriteAcp);
        (is_about_the_list && list.is_owned_by(principal)).then(|| reference(name, list.grants.len(), "owner"))
    }
}

fn reference(list: &str, at: usize, sid: &str) -> StatementRef {
    StatementRef { policy: Arc::from(list), index: u32::try_from(at).unwrap_or(u32::MAX), sid: Some(Arc::from(sid)) }
}

#[cfg(test)]
mod tests;
