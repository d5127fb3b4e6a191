//! Reading an object where policies ask what is known of it: the right is for the one object that was looked at, and what is read is
//! that one. And learning something of an object by way of another operation, which is reading it too.

use zas_policy::{Action, Resource};

use super::version_id;
use crate::app::App;
use crate::authz::{Caller, Permit};
use crate::error::{Code, Error, Result};
use crate::index::Object;
use crate::supply_chain::evidence::KeyedObject;

/// How often the right is asked for again because the object was replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// The right to read an object. S3 has one answer for those who may not and those who did not say who they are: 403.
pub(super) async fn authorize(app: &App, caller: &Caller, bucket: &str, key: &str) -> Result<Permit> {
    let version = caller.version();
    let (artifact, resource) = (KeyedObject { app, bucket, key, version }, Resource::object(bucket, key));
    let action = version_id::action_on(version, Action::GetObject);
    app.authority.authorize_artifact(caller, action, resource, &artifact).await.map_err(told)
}

/// The right to do something where an object has this ETag: whoever may guess it learns something of the object, so that it needs the
/// right to read as well (AWS, "How to perform conditional deletes"). `*` asks only whether there is an object.
///
/// # Errors
/// `AccessDenied`.
pub(super) async fn compare(app: &App, permit: Permit, bucket: &str, key: &str, etag: Option<&str>) -> Result<Permit> {
    if matches!(etag, None | Some("*")) {
        return Ok(permit);
    }
    let resource = Resource::object(bucket, key);
    let action = version_id::action_on(permit.caller().version(), Action::GetObject);
    let read = app.authority.authorize_knowing(permit.caller(), action, resource).await.map_err(told)?;
    Ok(permit.beside(&read))
}

/// The right to learn what is known of an object without its bytes, which needs the right to read it too (AWS, "GetObjectAttributes").
///
/// # Errors
/// `AccessDenied`.
pub(super) async fn attributes(app: &App, caller: &Caller, resource: Resource) -> Result<Permit> {
    let authority = &app.authority;
    let on_it = |action| version_id::action_on(caller.version(), action);
    let action = on_it(Action::GetObjectAttributes);
    let permit = authority.authorize_knowing(caller, action, resource.clone()).await.map_err(told)?;
    let read = authority.authorize_knowing(caller, on_it(Action::GetObject), resource).await.map_err(told)?;
    Ok(permit.beside(&read))
}

fn told(error: Error) -> Error {
    match error.code() {
        Code::Unauthenticated => Code::AccessDenied.into(),
        _ => error,
    }
}

/// The object that the permit is for, as it is now: the version that was asked for, or the current one.
///
/// # Errors
/// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a delete marker; `AccessDenied`, `GateNotMet` where it was replaced by one that may not be read.
pub(super) async fn object(app: &App, permit: &Permit, bucket: &str, key: &str) -> Result<Object> {
    let mut renewed: Option<Permit> = None;
    for _ in 0..ATTEMPTS {
        let object = app.index.version(bucket, key, permit.caller().version()).await?;
        let permit = renewed.as_ref().unwrap_or(permit);
        let tags = permit.caller().tags_of(permit.resource());
        let has_those_tags = tags.is_none_or(|tags| *tags == object.head.tags);
        let lists = permit.caller().lists_of(permit.resource());
        let has_that_list = lists.is_none_or(|lists| lists.object_id() == Some(object.head.id));
        if has_those_tags && has_that_list && permit.gated().is_for(object.oci_digest.as_ref()) {
            return Ok(object);
        }
        let caller = permit.caller().clone().knowing_nothing();
        renewed = Some(authorize(app, &caller, bucket, key).await?);
    }
    Err(Error::from(Code::OperationAborted).detail("the object was replaced each time it was looked at"))
}
