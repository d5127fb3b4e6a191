//! Who may do what: between the signature that `s3s` has checked and the operation that it will call.
//!
//! [`Access`] asks the policy for each request and puts the [`Permit`] into the request's extensions, where `dispatch`
//! takes it out: an operation without a permit cannot be called. Copies need a second permit, to read their source.
//! DeleteObjects is asked for key by key, by the operation itself, on behalf of the same [`Caller`]; so is PutObjectTagging, for the
//! tags of its document.

use std::sync::Arc;

use http::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Result};
use zas_policy::{Action, KeyName, Principal, Resource};

use super::call::Call;
use super::checksum::Expected;
use super::copy_source::{self, CopySourceName, copy_source};
use super::operation::Operation;
use super::rename_object::{self, Renaming};
use super::{copy_object, gate, list_buckets, names, object_lock, owner, tags, unsupported, version_id};
use crate::app::App;
use crate::audit::{Api, Facts, Trail};
use crate::authz::{Caller, Conditions, Permit};
use crate::error::{Code, Error, Result};
use crate::gateway::RequestContext;
use crate::index::{NewLock, Object, Tags};

/// Asks the policy.
pub(super) struct Access(pub(super) Arc<App>);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(call) = cx.extensions_mut().get::<Call>().cloned() else {
            return Err(S3Error::new(S3ErrorCode::InternalError));
        };
        check(&self.0, cx, &call).await.map_err(|error| call.fail(error))
    }
}

/// The right to read what is copied: the source is what this permit names, and nothing else.
#[derive(Debug, Clone)]
pub(super) struct Source(Permit);

impl Source {
    /// The source, as it is now.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`; `AccessDenied`, `GateNotMet` where it was replaced by one that may not be read; `NoSuchVersion`, and
    /// `InvalidRequest` for a delete marker that is named.
    pub(super) async fn read(&self, app: &App) -> Result<Object> {
        let (bucket, key) = self.object();
        gate::object(app, &self.0, bucket, key).await.map_err(|error| match error.code() {
            // A copy is no method that a marker could allow (AWS, "CopyObject").
            Code::MethodNotAllowed => Error::new(
                Code::InvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ),
            _ => error,
        })
    }

    /// The version; none for the current one.
    pub(super) fn version(&self) -> Option<&str> {
        self.0.caller().version()
    }

    /// Bucket and key.
    pub(super) fn object(&self) -> (&str, &str) {
        match self.0.resource() {
            Resource::Object { bucket, key } => (bucket, key),
            // Made below, from a bucket and a key.
            _ => ("", ""),
        }
    }
}

async fn check(app: &App, cx: &mut S3AccessContext<'_>, call: &Call) -> Result<()> {
    let principal = call.asker().principal(cx.credentials().map(|credentials| credentials.access_key.as_str()))?;
    let name = cx.s3_op().name();
    let Some(operation) = Operation::parse(name) else { return Err(not_implemented(&principal, name)) };
    let operation = told_apart(operation, cx);
    call.set_operation(operation.name());
    let resource = resource(cx.s3_path())?;
    let query = cx.uri().query().unwrap_or_default();
    version_id::of_query(query)?;
    let conditions = Conditions::of_s3(cx.headers(), query);
    let conditions = saying_whether_it_creates(conditions, operation);
    let gives = gives(operation, cx.headers())?;
    let lock = locks(operation, cx.headers())?;
    let conditions = match operation {
        Operation::PutObjectTagging => conditions.giving_unread_tags(),
        _ if gives.is_empty() => conditions,
        _ => conditions.giving(gives.clone()),
    };
    let caller = Caller::new(principal, trail(cx), object_lock::saying(conditions, lock)).heeding_lists();
    let action = version_id::action_on(caller.version(), action(operation, cx));
    let permit = match operation {
        // Whoever is known is shown the buckets that they may list; the operation leaves out the others.
        Operation::ListBuckets if list_buckets::is_filtered(app, &caller) => {
            app.authority.authorize_filtered(&caller, action, resource).await?
        }
        Operation::DeleteObjects if caller.principal().is_anonymous() => {
            authorize_somewhere(app, &caller, &[Action::DeleteObject, Action::DeleteObjectVersion], &resource).await?
        }
        // A key is what is deleted, so that a policy about objects alone is enough, as it is at AWS. Of tags and locks the operation asks
        // once it has read them.
        _ if operation.asks_for_itself() && !caller.principal().is_anonymous() => {
            authorize(app, &caller, Action::GetCallerIdentity, resource).await?
        }
        Operation::GetObjectAttributes => gate::attributes(app, &caller, resource).await?,
        Operation::GetObject | Operation::HeadObject => match &resource {
            Resource::Object { bucket, key } => gate::authorize(app, &caller, bucket, key).await?,
            _ => authorize(app, &caller, action, resource).await?,
        },
        _ => authorize(app, &caller, action, resource).await?,
    };
    let permit = tags::permit_to_give(app, &caller, permit, &gives).await?;
    let permit = object_lock::permit_to_give(app, &caller, permit, lock).await?;
    call.set_permit(&permit);
    unsupported::check(operation, cx.headers(), cx.uri().query(), app.config.s3.encryption_at_rest)?;
    expect_owner(app, operation, cx).await?;
    if operation.writes() {
        app.check_writes()?;
    }
    if matches!(operation, Operation::CopyObject | Operation::UploadPartCopy) {
        let source = source(app, &caller, cx).await?;
        cx.extensions_mut().insert(source);
    }
    if operation == Operation::RenameObject {
        let renaming = renaming(app, &caller, cx).await?;
        cx.extensions_mut().insert(renaming);
    }
    let limit = app.config.limits.document_bytes.as_u64();
    match operation {
        Operation::PutObject | Operation::UploadPart => {}
        _ if operation == Operation::DeleteObjects || operation.configures() => {
            call.body().check_document(Expected::of(cx.headers())?, limit);
        }
        // A checksum may be about the object, not about the document (CompleteMultipartUpload).
        _ => call.body().check_document(Expected::signed(cx.headers()), limit),
    }
    cx.extensions_mut().insert(permit);
    Ok(())
}

/// `s3s` takes RenameObject for a PutObject.
fn told_apart(operation: Operation, cx: &S3AccessContext<'_>) -> Operation {
    let mut parameters = url::form_urlencoded::parse(cx.uri().query().unwrap_or_default().as_bytes());
    match operation {
        Operation::PutObject if parameters.any(|(name, _)| name == "renameObject") => Operation::RenameObject,
        other => other,
    }
}

/// The rights to what shall be renamed: to read it, and to take its name away.
async fn renaming(app: &App, caller: &Caller, cx: &S3AccessContext<'_>) -> Result<Renaming> {
    let S3Path::Object { bucket, .. } = cx.s3_path() else { return Err(Code::InvalidRequest.into()) };
    let key = rename_object::source_key(cx.headers(), bucket)?;
    let source = Source(gate::authorize(app, caller, bucket, &key).await?);
    let removal = authorize(app, caller, Action::DeleteObject, Resource::object(&**bucket, &*key)).await?;
    Ok(Renaming { source, removal })
}

/// With whether an object is there once the operation is done.
pub(super) fn saying_whether_it_creates(conditions: Conditions, operation: Operation) -> Conditions {
    match operation.creates_object() {
        Some(creates) => conditions.with(KeyName::ObjectCreationOperation, creates.to_string()),
        None => conditions,
    }
}

/// The tags that a write gives its object by a header.
fn gives(operation: Operation, headers: &HeaderMap) -> Result<Tags> {
    match operation {
        Operation::CopyObject if !copy_object::replaces_tags(headers) => Ok(Tags::new()),
        Operation::PutObject | Operation::CreateMultipartUpload | Operation::CopyObject => tags::of_header(headers),
        _ => Ok(Tags::new()),
    }
}

/// How a write wants its object locked, by headers.
fn locks(operation: Operation, headers: &HeaderMap) -> Result<NewLock> {
    match operation {
        Operation::PutObject | Operation::CreateMultipartUpload | Operation::CopyObject => {
            object_lock::of_headers(headers)
        }
        _ => Ok(NewLock::default()),
    }
}

/// The bucket must be whose the client says it is. What an operation allows itself comes first, so that it looks itself too; a bucket
/// that is created is nobody's yet.
async fn expect_owner(app: &App, operation: Operation, cx: &S3AccessContext<'_>) -> Result<()> {
    match (operation, cx.s3_path()) {
        (Operation::CreateBucket, _) | (_, S3Path::Root) => Ok(()),
        _ if operation.asks_for_itself() => Ok(()),
        (_, S3Path::Bucket { bucket } | S3Path::Object { bucket, .. }) => {
            owner::check(app, cx.headers(), owner::OF_BUCKET, bucket).await
        }
    }
}

/// S3 has one answer for those who may not and those who did not say who they are: 403.
pub(super) async fn authorize(app: &App, caller: &Caller, action: Action, resource: Resource) -> Result<Permit> {
    app.authority.authorize(caller, action, resource).await.map_err(forbidden)
}

/// Whoever does not say who they are is heard where there is something in the bucket that they may do it to; the operation asks of what.
async fn authorize_somewhere(app: &App, caller: &Caller, actions: &[Action], resource: &Resource) -> Result<Permit> {
    let bucket = resource.bucket_name().unwrap_or_default();
    app.authority.authorize_somewhere(caller, actions, bucket).await.map_err(forbidden)
}

fn forbidden(error: Error) -> Error {
    match error.code() {
        Code::Unauthenticated => Code::AccessDenied.into(),
        _ => error,
    }
}

/// Anonymous requests do not learn what exists.
fn not_implemented(principal: &Principal, name: &str) -> Error {
    match principal {
        Principal::Anonymous => Code::AccessDenied.into(),
        Principal::Root { .. } | Principal::Identity(_) => {
            Error::new(Code::NotImplemented, format!("{name} is not implemented."))
        }
    }
}

/// A bucket that is deleted with all it holds needs another right than an empty one.
fn action(operation: Operation, cx: &S3AccessContext<'_>) -> Action {
    let forced = cx.headers().get("x-zas-force-delete").is_some_and(|value| value == "true");
    match operation {
        Operation::DeleteBucket if forced => Action::ForceDeleteBucket,
        _ => operation.action(),
    }
}

fn resource(path: &S3Path) -> Result<Resource> {
    Ok(match path {
        S3Path::Root => Resource::Service,
        S3Path::Bucket { bucket } => Resource::bucket(&**bucket),
        S3Path::Object { bucket, key } => {
            names::check_key(key)?;
            Resource::object(&**bucket, &**key)
        }
    })
}

/// What is known of the request besides what it asks for.
fn trail(cx: &mut S3AccessContext<'_>) -> Trail {
    let context = cx.extensions_mut().get::<RequestContext>().cloned();
    context.map_or_else(Trail::none, |context| Trail::of(Facts::of(Api::S3, &context, cx.headers())))
}

async fn source(app: &App, caller: &Caller, cx: &S3AccessContext<'_>) -> Result<Source> {
    let named = copy_source(cx.headers())?.ok_or_else(copy_source::malformed)?;
    let CopySourceName { bucket, key, version } = named;
    let caller = caller.clone().asking_for(version.as_deref());
    let permit = gate::authorize(app, &caller, &bucket, &key).await?;
    owner::check(app, cx.headers(), owner::OF_SOURCE, &bucket).await?;
    Ok(Source(permit))
}
