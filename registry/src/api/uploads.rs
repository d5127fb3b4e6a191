//! Blob uploads: in one request, in a session of several, or as a mount of another repository's blob.

use std::sync::Arc;

use http::{
    HeaderName, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE},
};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{Call, blocking};
use crate::{
    body::{Body, Piece, RequestBody},
    digest::{Algorithm, Digest, Hasher},
    error::{ApiError, Code},
    name::RepositoryName,
    range::ContentRange,
    registry::Inner,
    response::{self, Answer, DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, WithHeader, header_value},
    storage::{
        session::Session,
        upload::{CommitError, Upload},
    },
};

type Guard = OwnedMutexGuard<Upload>;

pub(super) async fn start(name: RepositoryName, call: Call<'_>) -> Answer {
    if let Some(digest) = call.query.get("mount") {
        let digest: Digest = digest.parse()?;
        let from = call.query.get("from").map(str::parse).transpose()?;
        if mount(call.inner, &name, &digest, from).await? {
            return created(&name, &digest);
        }
    } else if let Some(digest) = call.query.get("digest") {
        let digest = digest.parse()?;
        return single(name, digest, call).await;
    }
    let algorithm = call.query.get("digest-algorithm").map(str::parse).transpose()?.unwrap_or(Algorithm::Sha256);
    let inner = call.inner.clone();
    let session = blocking(move || inner.sessions.start(name, algorithm)).await?;
    describe(response::status(StatusCode::ACCEPTED), &session)
}

/// Takes over a blob of another repository, of any when none is named and that is allowed. `false` when there is none to
/// be had.
async fn mount(
    inner: &Arc<Inner>,
    name: &RepositoryName,
    digest: &Digest,
    from: Option<RepositoryName>,
) -> Result<bool, ApiError> {
    let sources = match from {
        Some(from) => inner.storage.repository(&from).into_iter().collect(),
        None if inner.options.mount_from_anywhere => inner.storage.repositories(),
        None => return Ok(false),
    };
    let (inner, name, digest) = (inner.clone(), name.clone(), digest.clone());
    blocking(move || {
        for source in sources {
            if source.blob_size(&digest)?.is_some()
                && inner.storage.ensure_repository(&name)?.link_blob(&digest, &source)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    })
    .await
}

/// The whole blob in one request. A small one is hashed in memory and costs one trip to a blocking thread.
async fn single(name: RepositoryName, digest: Digest, call: Call<'_>) -> Answer {
    let _slot = call.inner.upload_slot()?;
    check_announced_length(&call, 0)?;
    let first = call.body.piece().await?;
    if first.length > call.inner.options.max_blob_bytes {
        return Err(too_large());
    }
    if !call.body.is_ended() {
        return single_streamed(name, digest, first, call).await;
    }
    let inner = call.inner.clone();
    let (repository, verified) = (name.clone(), digest.clone());
    blocking(move || {
        let mut hasher = Hasher::new(verified.algorithm());
        first.parts.iter().for_each(|part| hasher.update(part));
        let actual = hasher.finish();
        if actual != verified {
            return Err(other_digest(&actual));
        }
        Ok(inner.storage.ensure_repository(&repository)?.put_blob(&verified, &first.parts)?)
    })
    .await?;
    created(&name, &digest)
}

async fn single_streamed(name: RepositoryName, digest: Digest, first: Piece, call: Call<'_>) -> Answer {
    let upload = Upload::temporary(call.inner.storage.uploads(), digest.algorithm());
    let guard = Arc::new(tokio::sync::Mutex::new(upload)).lock_owned().await;
    let limit = call.inner.options.max_blob_bytes;
    let received = receive(call.body, guard, first, limit).await?;
    commit(call.inner, &name, &digest, received, None).await?;
    created(&name, &digest)
}

/// An upload that everything but the last piece has been written to.
struct Received {
    guard: Guard,
    last: Piece,
    /// All that this request brought.
    length: u64,
}

/// Streams a body into an upload, writing one piece while the next one arrives. What was written stays when the client
/// leaves; the guard goes along to the blocking thread, so nobody can come in between.
async fn receive(body: &mut RequestBody, mut guard: Guard, first: Piece, limit: u64) -> Result<Received, ApiError> {
    let before = guard.length();
    let mut length = first.length;
    let mut piece = first;
    loop {
        if before.saturating_add(length) > limit {
            return Err(too_large());
        }
        if body.is_ended() {
            return Ok(Received { guard, last: piece, length });
        }
        let writing = tokio::task::spawn_blocking(move || {
            let written = guard.append(&piece);
            (guard, written)
        });
        let next = body.piece().await;
        let (returned, written) = writing.await.map_err(std::io::Error::other)?;
        written?;
        guard = returned;
        piece = next?;
        length = length.saturating_add(piece.length);
    }
}

/// Makes an upload a blob, and ends its session, whatever comes of it but a fault of the storage.
async fn commit(
    inner: &Arc<Inner>,
    name: &RepositoryName,
    digest: &Digest,
    received: Received,
    session: Option<Uuid>,
) -> Result<(), ApiError> {
    let (inner, name, digest) = (inner.clone(), name.clone(), digest.clone());
    let Received { mut guard, last, .. } = received;
    blocking(move || {
        let repository = inner.storage.ensure_repository(&name)?;
        let committed = guard.commit(&last, &digest, &repository);
        if let Some(id) = session
            && !matches!(committed, Err(CommitError::Io(_)))
        {
            inner.sessions.end(id, &mut guard)?;
        }
        match committed {
            Ok(()) => Ok(()),
            Err(CommitError::OtherDigest(actual)) => Err(other_digest(&actual)),
            Err(CommitError::Io(error)) => Err(error.into()),
        }
    })
    .await
}

pub(super) fn status(name: &RepositoryName, id: Uuid, call: &Call<'_>) -> Answer {
    let session = call.inner.sessions.get(name, id)?;
    describe(response::status(StatusCode::NO_CONTENT), &session)
}

pub(super) async fn patch(name: RepositoryName, id: Uuid, call: Call<'_>) -> Answer {
    let _slot = call.inner.upload_slot()?;
    let session = call.inner.sessions.get(&name, id)?;
    let received = chunk(&session, call).await?;
    blocking(move || {
        let Received { mut guard, last, .. } = received;
        Ok(guard.append(&last)?)
    })
    .await?;
    describe(response::status(StatusCode::ACCEPTED), &session)
}

pub(super) async fn finish(name: RepositoryName, id: Uuid, call: Call<'_>) -> Answer {
    let digest = call.query.get("digest").ok_or_else(|| ApiError::new(Code::DigestInvalid, "the digest is missing"))?;
    let digest: Digest = digest.parse()?;
    let _slot = call.inner.upload_slot()?;
    let session = call.inner.sessions.get(&name, id)?;
    let inner = call.inner;
    let received = chunk(&session, call).await?;
    commit(inner, &name, &digest, received, Some(id)).await?;
    created(&name, &digest)
}

pub(super) async fn cancel(name: RepositoryName, id: Uuid, call: Call<'_>) -> Answer {
    let session = call.inner.sessions.get(&name, id)?;
    let mut guard = session.lock().await?;
    let inner = call.inner.clone();
    blocking(move || Ok(inner.sessions.end(id, &mut guard)?)).await?;
    Ok(response::status(StatusCode::NO_CONTENT))
}

/// Receives the body of a request to a session. With a `Content-Range` it must start where the session stands and be
/// as long as it says, or nothing of it is kept.
async fn chunk(session: &Arc<Session>, call: Call<'_>) -> Result<Received, ApiError> {
    let mut guard = session.lock().await?;
    let limit = call.inner.options.max_blob_bytes;
    check_announced_length(&call, guard.length())?;
    let Some(range) = content_range(&call)? else {
        let first = call.body.piece().await?;
        return receive(call.body, guard, first, limit).await;
    };
    if range.first != guard.length() {
        return Err(out_of_order(session));
    }
    if announced_length(&call).is_some_and(|length| length != range.length) {
        return Err(ApiError::new(Code::SizeInvalid, "Content-Length is not the length of Content-Range"));
    }
    let (returned, mark) = blocking(move || {
        let mark = guard.mark()?;
        Ok((guard, mark))
    })
    .await?;
    let first = call.body.piece().await?;
    let mut received = receive(call.body, returned, first, limit).await?;
    if received.length == range.length {
        return Ok(received);
    }
    blocking(move || Ok(received.guard.rollback(mark)?)).await?;
    Err(ApiError::new(Code::SizeInvalid, "the body is not as long as Content-Range says"))
}

fn content_range(call: &Call<'_>) -> Result<Option<ContentRange>, ApiError> {
    let Some(value) = call.parts.headers.get(CONTENT_RANGE) else { return Ok(None) };
    match value.to_str().ok().and_then(ContentRange::parse) {
        Some(range) => Ok(Some(range)),
        None => Err(ApiError::new(Code::BlobUploadInvalid, "Content-Range must be <first>-<last>")),
    }
}

fn announced_length(call: &Call<'_>) -> Option<u64> {
    call.header(CONTENT_LENGTH)?.parse().ok()
}

/// Refuses a body that would be too large before any of it is read.
fn check_announced_length(call: &Call<'_>, before: u64) -> Result<(), ApiError> {
    let length = announced_length(call).unwrap_or(0);
    if before.saturating_add(length) > call.inner.options.max_blob_bytes { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> ApiError {
    ApiError::new(Code::SizeInvalid, "the blob is larger than the registry accepts")
        .status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn other_digest(actual: &Digest) -> ApiError {
    ApiError::new(Code::DigestInvalid, "the content does not have the digest that was given")
        .detail(serde_json::json!({ "actual": actual.to_string() }))
}

fn created(name: &RepositoryName, digest: &Digest) -> Answer {
    response::status(StatusCode::CREATED)
        .with(LOCATION, format!("/v2/{name}/blobs/{digest}"))?
        .with(DOCKER_CONTENT_DIGEST, digest)
}

/// Where a session is and how far it has come. An empty one says `0-0`, as the reference registry does.
fn state(session: &Session) -> [(HeaderName, String); 3] {
    let (name, id) = (&session.repository, session.id);
    [
        (LOCATION, format!("/v2/{name}/blobs/uploads/{id}")),
        (RANGE, format!("0-{}", session.received().saturating_sub(1))),
        (DOCKER_UPLOAD_UUID, id.to_string()),
    ]
}

fn describe(response: Response<Body>, session: &Session) -> Answer {
    state(session).into_iter().try_fold(response, |response, (name, value)| response.with(name, value))
}

fn out_of_order(session: &Session) -> ApiError {
    let error = ApiError::new(Code::BlobUploadInvalid, "the chunk does not start where the upload stands")
        .status(StatusCode::RANGE_NOT_SATISFIABLE);
    state(session).into_iter().fold(error, |error, (name, value)| match header_value(value) {
        Ok(value) => error.header(name, value),
        Err(error) => error,
    })
}
