//! Access control lists of S3 requests (AWS, *Access control list (ACL) overview*, *Controlling ownership of objects*).
//!
//! Where the owner of the bucket owns everything in it, a list says that the owner may do everything, and can say nothing else
//! ([`check`]). Elsewhere it is what a request asks for ([`asked`]), and counts.
//! What does not live here: what a list allows (crate `zas-policy`), when it is looked at (`authz`), and where it is kept (`index`).

pub(super) mod asked;

use http::HeaderMap;
use s3s::dto;
use zas_policy::{AccessControlList, Action, Grantee, Resource};

use super::access::authorize;
use super::headers;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::{ObjectOwnership, PublicAccessBlock};
use crate::error::{Code, Error, Result};
use crate::index::{ListOf, Lists, ObjectList};
use asked::On;

/// Lists that say no more than that the owner may do everything.
pub(super) const HARMLESS: [&str; 2] = ["private", "bucket-owner-full-control"];

/// What an owner's headers for single grants begin with.
pub(super) const GRANT: &str = "x-amz-grant-";

/// The header that names a list of S3's own.
pub(super) const CANNED: &str = "x-amz-acl";

/// What a new object begins with.
#[derive(Debug)]
pub(super) struct New {
    /// To write it, and to give it its list where that takes a right of its own.
    pub permit: Permit,
    /// Who owns it.
    pub owner: String,
    /// Its list; unset: the owner alone may do everything.
    pub list: Option<AccessControlList>,
}

/// What a new object of a bucket begins with, by the headers `x-amz-acl` and `x-amz-grant-*`. A form has the first as its field `acl`.
///
/// Whoever writes an object and owns it may give it a list, unless a policy denies it; for others it takes `s3:PutObjectAcl`.
///
/// # Errors
/// What [`asked::of_headers`] refuses; `AccessControlListNotSupported` where lists count for nothing and it asks for one that says something;
/// `AccessDenied`, which is on record, where the public access block refuses it; `NoSuchBucket`.
pub(super) async fn of_new(app: &App, permit: &Permit, headers: &HeaderMap) -> Result<New> {
    let writer = permit.principal().to_string();
    let private = |permit: &Permit, owner| New { permit: permit.clone(), owner, list: None };
    let asked = asked::of_headers(headers, On::Object)?;
    let Some(asked) = asked.filter(|asked| !asked.is_private()) else { return Ok(private(permit, writer)) };
    let lists = app.index.lists(permit.resource().bucket_name().unwrap_or_default(), None).await?;
    if !lists.ownership.has_lists() {
        return if asked.is_harmless() { Ok(private(permit, writer)) } else { Err(not_supported()) };
    }
    let gives_away = lists.ownership == ObjectOwnership::BucketOwnerPreferred && asked.is_for_the_bucket_owner();
    let owner = if gives_away { lists.bucket.owner.clone() } else { writer.clone() };
    let list = asked.list(owner, &lists.bucket.owner);
    expect_no_block(app, permit, &list, &lists).await?;
    if list.is_private() {
        return Ok(private(permit, list.owner));
    }
    let permit = permit_to_grant(app, permit, writer, lists).await?;
    Ok(New { permit, owner: list.owner.clone(), list: Some(list) })
}

/// The right to give an object its list while it is written: whoever writes it has it as the owner has it of one that is there.
async fn permit_to_grant(app: &App, permit: &Permit, writer: String, mut lists: Lists) -> Result<Permit> {
    // No row: it is for none that is there.
    lists.object = Some(ObjectList { id: 0, list: AccessControlList::private(writer) });
    let caller = permit.caller().clone().knowing_lists(permit.resource().clone(), lists);
    let granting = authorize(app, &caller, Action::PutObjectAcl, permit.resource().clone()).await?;
    Ok(permit.clone().beside(&granting))
}

/// The right to give an object another key together with the list that it has (`lists.object`). Whoever the list lets change it where it is
/// may take it along, for nobody else is let in by that.
///
/// # Errors
/// `AccessDenied`, which is on record: without `s3:PutObjectAcl` on the new key, or where the public access block refuses such a list.
pub(super) async fn permit_to_keep(app: &App, permit: Permit, lists: Lists) -> Result<Permit> {
    let Some(object) = lists.object.as_ref().filter(|object| !object.list.is_private()) else { return Ok(permit) };
    expect_no_block(app, &permit, &object.list, &lists).await?;
    let caller = permit.caller().clone().knowing_lists(permit.resource().clone(), lists);
    let granting = authorize(app, &caller, Action::PutObjectAcl, permit.resource().clone()).await?;
    Ok(permit.beside(&granting))
}

/// What a new bucket begins with.
#[derive(Debug)]
pub(super) struct NewBucketLists {
    /// To make it, and to set what it begins with.
    pub permit: Permit,
    /// Who owns its objects.
    pub ownership: ObjectOwnership,
    /// Its list; unset: the owner alone may do everything.
    pub list: Option<AccessControlList>,
}

/// What a new bucket begins with, by the headers `x-amz-object-ownership`, `x-amz-acl` and `x-amz-grant-*`.
///
/// # Errors
/// `InvalidArgument`, what [`asked::of_headers`] refuses; `InvalidBucketAclWithObjectOwnership` where the list gives something to others and
/// cannot count; `AccessDenied` without `s3:PutBucketOwnershipControls`, or `s3:PutBucketAcl`.
pub(super) async fn of_new_bucket(app: &App, mut permit: Permit, headers: &HeaderMap) -> Result<NewBucketLists> {
    let asked = asked::of_headers(headers, On::Bucket)?;
    let ownership = match headers.get("x-amz-object-ownership") {
        None => app.config.s3.object_ownership,
        Some(named) => {
            permit = with_right(app, permit, Action::PutBucketOwnershipControls).await?;
            let known = named.to_str().ok().and_then(ObjectOwnership::parse);
            known.ok_or_else(|| Error::new(Code::InvalidArgument, "Invalid x-amz-object-ownership header."))?
        }
    };
    let owner = permit.principal().to_string();
    let list = asked.map(|asked| asked.list(owner.clone(), &owner)).filter(|list| !list.is_private());
    let Some(list) = list else { return Ok(NewBucketLists { permit, ownership, list: None }) };
    let is_owner = |grantee: &Grantee| matches!(grantee, Grantee::Principal(id) if *id == owner);
    if !ownership.has_lists() {
        // What gives nothing to others says nothing there.
        let says_nothing = list.grants.iter().all(|grant| is_owner(&grant.grantee));
        let refused = || Error::from(Code::InvalidBucketAclWithObjectOwnership);
        return says_nothing.then_some(NewBucketLists { permit, ownership, list: None }).ok_or_else(refused);
    }
    let permit = with_right(app, permit, Action::PutBucketAcl).await?;
    Ok(NewBucketLists { permit, ownership, list: Some(list) })
}

async fn with_right(app: &App, permit: Permit, action: Action) -> Result<Permit> {
    let more = authorize(app, permit.caller(), action, permit.resource().clone()).await?;
    Ok(permit.beside(&more))
}

/// The list that a request sets, of a bucket or an object with this owner.
///
/// # Errors
/// `MissingSecurityHeader` where it says none, `InvalidRequest` where it says it twice, and what [`asked`] refuses; `AccessDenied` where it names
/// another owner.
pub(super) fn replacement(
    headers: &HeaderMap,
    policy: Option<dto::AccessControlPolicy>,
    on: On,
    owner: &str,
    bucket_owner: &str,
) -> Result<AccessControlList> {
    let asked = match (asked::of_headers(headers, on)?, policy) {
        (Some(_), Some(_)) => return Err(twice()),
        (Some(asked), None) => asked,
        (None, Some(policy)) => asked::of_document(policy, owner)?,
        (None, None) => return Err(Code::MissingSecurityHeader.into()),
    };
    Ok(asked.list(owner.to_owned(), bucket_owner))
}

/// Refuses a list that lets the public in where the bucket's public access block does.
///
/// # Errors
/// `AccessDenied`, which is on record.
async fn expect_no_block(app: &App, permit: &Permit, list: &AccessControlList, lists: &Lists) -> Result<()> {
    if lists.block.block_public_acls && list.is_public() { Err(blocked(app, permit).await) } else { Ok(()) }
}

/// The refusal of a list that lets the public in, once it is on record.
pub(super) async fn blocked(app: &App, permit: &Permit) -> Error {
    app.authority.refuse(permit, PublicAccessBlock::ACLS_BLOCKED).await
}

/// The lists that a permit was given by, of the same instant; those that there are now where it was given by none.
///
/// # Errors
/// `NoSuchBucket`.
pub(super) async fn lists_of(app: &App, permit: &Permit, version: Option<&str>) -> Result<Lists> {
    if let Some(lists) = permit.caller().lists_of(permit.resource()) {
        return Ok(lists.clone());
    }
    let object = match permit.resource() {
        Resource::Object { key, .. } => Some(ListOf { key, version }),
        _ => None,
    };
    app.index.lists(permit.resource().bucket_name().unwrap_or_default(), object).await
}

/// Why there is no list of an object: there is no such object or version, or it is a delete marker.
pub(super) async fn none_of(app: &App, bucket: &str, key: &str, version: Option<&str>) -> Error {
    match app.index.version(bucket, key, version).await {
        Err(error) => error,
        // It has come since.
        Ok(_) => Code::OperationAborted.into(),
    }
}

/// Who owns something, and what its list says, as S3 writes it. Their order says nothing; groups come first, for a public test suite
/// compares lists by the names of grantees, which groups have none of, unless it meets a group first.
pub(super) fn document(list: &AccessControlList) -> (dto::Owner, dto::Grants) {
    let (users, groups): (Vec<_>, Vec<_>) =
        list.grants.iter().partition(|grant| matches!(grant.grantee, Grantee::Principal(_)));
    let grants = groups.into_iter().chain(users).map(|grant| dto::Grant {
        grantee: Some(grantee(&grant.grantee)),
        permission: Some(dto::Permission::from_static(grant.permission.as_str())),
    });
    (headers::owner(&list.owner), grants.collect())
}

fn grantee(grantee: &Grantee) -> dto::Grantee {
    let named = grantee.to_string();
    let (type_, id, uri) = match grantee {
        Grantee::Principal(_) => (dto::Type::CANONICAL_USER, Some(named), None),
        Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => (dto::Type::GROUP, None, Some(named)),
    };
    dto::Grantee { display_name: id.clone(), email_address: None, id, type_: dto::Type::from_static(type_), uri }
}

/// Whether a list that shall be set where lists count for nothing says what is so already.
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
        (Some(_), true, _) => Err(asked::canned_and_grants()),
        (Some(_), _, Some(_)) | (_, true, Some(_)) => Err(twice()),
        (Some(name), false, None) if HARMLESS.contains(&name) => Ok(()),
        (Some(name), false, None) if !asked::is_canned(name) => Err(Code::InvalidArgument.into()),
        (None, false, Some(policy)) if is_of_owner(policy, owner) => Ok(()),
        _ => Err(not_supported()),
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

fn not_supported() -> Error {
    Code::AccessControlListNotSupported.into()
}

fn twice() -> Error {
    Error::new(Code::InvalidRequest, "An ACL stands in the headers or in the body, not in both.")
}

#[cfg(test)]
mod tests;
