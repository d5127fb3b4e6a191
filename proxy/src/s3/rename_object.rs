//! RenameObject: an object gets another key in its bucket, with all that is said of it, and no byte moves.
//!
//! AWS has it for directory buckets alone. `s3s` knows it for a PutObject: `access` tells the two apart, and `put_object` hands it on.

use std::time::Duration;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3s::{S3Request, S3Response, dto};
use zas_policy::Action;

use super::access::{Source, authorize};
use super::copy_object::carry_tags;
use super::{acl, conditions, names};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{ListOf, Lists, ObjectHead, Rename};

/// The header that names the object.
const SOURCE: &str = "x-amz-rename-source";

/// How often a move starts again because another change was in its way.
const ATTEMPTS: u32 = 3;

/// What is moved: the right to read it, and the right to take its name away.
#[derive(Debug, Clone)]
pub(super) struct Renaming {
    pub(super) source: Source,
    pub(super) removal: Permit,
}

pub(super) async fn rename_object(
    app: &App,
    permit: &Permit,
    renaming: &Renaming,
    request: &S3Request<dto::PutObjectInput>,
) -> Result<S3Response<dto::PutObjectOutput>> {
    let mut attempt = 1;
    loop {
        // Boxed, for every PutObject has room for this.
        match Box::pin(rename(app, permit, renaming, request)).await {
            Err(error) if error.code() == Code::OperationAborted && attempt < ATTEMPTS => {
                let pause = rand::random_range(5..25) * u64::from(attempt);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                attempt += 1;
            }
            result => return result.map(|()| S3Response::new(dto::PutObjectOutput::default())),
        }
    }
}

async fn rename(
    app: &App,
    permit: &Permit,
    renaming: &Renaming,
    request: &S3Request<dto::PutObjectInput>,
) -> Result<()> {
    let (bucket, key) = (&request.input.bucket, &request.input.key);
    let source = renaming.source.read(app).await?;
    if source.head.key == *key {
        return Err(Error::new(Code::InvalidRequest, "An object cannot be renamed to the name that it has."));
    }
    conditions::check_copy_source(&conditions::read(&request.headers, conditions::RENAME_SOURCE), &source.head)?;
    if request.headers.contains_key("if-modified-since") || request.headers.contains_key("if-unmodified-since") {
        let text = "The times of what is replaced are no conditions of RenameObject that are implemented.";
        return Err(Error::new(Code::NotImplemented, text));
    }
    let lists = app.index.lists(bucket, Some(ListOf { key: &source.head.key, version: None })).await?;
    let Some(list) = lists.object.as_ref().filter(|found| found.id == source.head.id).map(|found| found.list.clone())
    else {
        return Err(Error::from(Code::OperationAborted).detail("the object was replaced while it was looked at"));
    };
    let removal = permit_to_remove(app, &renaming.removal, &source.head, &lists).await?;
    let permit = permit_to_carry(app, permit, &renaming.source, &source.head, lists).await?;
    let (record, record_of_source) = (permit.record(), removal.record());
    let by = permit.principal().to_string();
    let rename = Rename {
        bucket,
        source: &source,
        list: &list,
        key,
        by: &by,
        conditions: conditions::write(&request.headers)?,
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
        audit_of_source: record_of_source.as_slice(),
    };
    app.index.rename_object(rename).await
}

/// The right to take its name away from this object: asked for again where the one that was given hung on what was said of it, and that is
/// not what is said of it now.
async fn permit_to_remove(app: &App, given: &Permit, head: &ObjectHead, lists: &Lists) -> Result<Permit> {
    let (caller, resource) = (given.caller(), given.resource());
    let has_those_tags = caller.tags_of(resource).is_none_or(|tags| *tags == head.tags);
    let has_that_list = caller.lists_of(resource).is_none_or(|known| known.object_id() == Some(head.id));
    if has_those_tags && has_that_list {
        return Ok(given.clone());
    }
    let caller = caller.clone().knowing(resource.clone(), head.tags.clone());
    let caller = caller.knowing_lists(resource.clone(), lists.clone());
    authorize(app, &caller, Action::DeleteObject, resource.clone()).await
}

/// Tags and a list go with what is moved, which takes the rights to give them to the new key.
async fn permit_to_carry(
    app: &App,
    permit: &Permit,
    source: &Source,
    head: &ObjectHead,
    lists: Lists,
) -> Result<Permit> {
    let permit =
        if head.tags.is_empty() { permit.clone() } else { carry_tags(app, permit, source, &head.tags).await? };
    acl::permit_to_keep(app, permit, lists).await
}

/// The key of what shall be moved: alone, or behind its bucket (`/bucket/key`); percent-encoded.
///
/// # Errors
/// `InvalidArgument` where there is none, and what keys are refused with.
pub(super) fn source_key(headers: &HeaderMap, bucket: &str) -> Result<String> {
    let missing = || Error::new(Code::InvalidArgument, "x-amz-rename-source must name a key of the bucket.");
    let value = headers.get(SOURCE).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let decoded = percent_decode_str(value).decode_utf8().map_err(|_| missing())?;
    let with_bucket = decoded.strip_prefix('/').and_then(|rest| rest.strip_prefix(bucket)?.strip_prefix('/'));
    let key = with_bucket.unwrap_or(&decoded);
    names::check_key(key)?;
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_key_alone_or_behind_its_bucket() {
        let read = |value: &'static str| {
            let name = http::HeaderName::from_static(SOURCE);
            source_key(&HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]), "bucket")
        };
        for (written, key) in
            [("a/b", "a/b"), ("/bucket/a%2Fb%20c", "a/b c"), ("%2Fbucket%2Fa", "a"), ("/other/a", "/other/a")]
        {
            assert_eq!(read(written).unwrap(), key, "{written}");
        }
        for written in ["", "%FF", "a/../b"] {
            assert_eq!(read(written).unwrap_err().code(), Code::InvalidArgument, "{written}");
        }
        assert_eq!(source_key(&HeaderMap::new(), "bucket").unwrap_err().code(), Code::InvalidArgument);
    }
}
