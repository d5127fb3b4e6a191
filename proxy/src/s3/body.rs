//! The bytes of an upload: read once, hashed while they pass, checked, stored.
//!
//! Bodies up to `store.buffer` are held in memory, within a budget for all requests together, and stored by one request;
//! larger ones, and all of them while the budget is used up, stream to the store while they are hashed.
//! What does not live here: which row names the bytes (the operations).

mod framing;
mod length;
mod raw;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use http_body_util::BodyStream;
use md5::Digest as _;
use s3s::dto::StreamingBlob;
use s3s::{S3Request, TrailingHeaders};

use super::budget::Taken;
use super::call::Call;
use super::checksum::{Algorithm, Expected, Hasher, Stated};
use crate::app::App;
use crate::digest::{Digest, Hasher as Sha256};
use crate::error::{Code, Error, Result};
use crate::gateway::BoxError;
use crate::index::{Checksums, PinnedBlob};

pub(super) use length::Length;
pub(super) use raw::{RawBody, body_error};

/// Bytes as they come from a client.
type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An upload that has not been read yet.
pub(super) struct Upload {
    body: Incoming,
    length: Length,
    trailers: Option<TrailingHeaders>,
    expected: Expected,
}

/// An upload that is stored, checked and pinned.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where the bytes are; `None` for no bytes.
    pub(super) blob: Option<PinnedBlob>,
    /// Number of bytes.
    pub(super) size: u64,
    /// MD5 in hex.
    pub(super) etag: String,
    /// The one checksum that was asked for.
    pub(super) checksums: Checksums,
}

impl Upload {
    /// The body of a PutObject or UploadPart, before its first byte is read. It is as long as the request's extensions say ([`Length`]),
    /// or else its header.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge`, and those of [`Expected::of`].
    pub(super) fn of<T>(app: &App, call: &Call, request: &S3Request<T>, blob: Option<StreamingBlob>) -> Result<Self> {
        let expected = Expected::of(&request.headers)?;
        let length = match request.extensions.get::<Length>() {
            Some(length) => *length,
            None => Length::Exactly(length(&request.headers)?),
        };
        let (least, limit) = (length.least(), app.config.limits.object_bytes.as_u64());
        if least > limit {
            return Err(Error::from(Code::EntityTooLarge).with("ProposedSize", least).with("MaxSizeAllowed", limit));
        }
        let body = incoming(call.body().clone(), blob);
        Ok(Self { body, length, trailers: request.trailing_headers.clone(), expected })
    }

    /// How many bytes the client says that there will be; the fewest, where it does not say exactly.
    pub(super) const fn length(&self) -> u64 {
        self.length.least()
    }

    /// The algorithm that the client uses, if any.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.expected.checksum.as_ref().map(Stated::algorithm)
    }

    /// Reads, checks and stores the bytes; when it returns they are durable and pinned. `algorithm` is computed where
    /// the client states no checksum.
    ///
    /// # Errors
    /// `BadDigest`, `ContentSha256Mismatch`, `IncompleteBody`; what the body, the index or the store say.
    pub(super) async fn store(self, app: &App, bucket: &str, algorithm: Algorithm) -> Result<Stored> {
        let buffer = app.config.store.buffer.as_u64();
        let most = self.length.most();
        let memory = if most <= buffer { app.buffers.take(most) } else { None };
        match memory {
            Some(memory) => self.store_buffered(app, bucket, algorithm, memory).await,
            None => self.store_streamed(app, bucket, algorithm).await,
        }
    }

    async fn store_buffered(self, app: &App, bucket: &str, algorithm: Algorithm, memory: Taken) -> Result<Stored> {
        let mut hashes = Hashes::buffered(self.algorithm().unwrap_or(algorithm));
        let bytes = collect(self.body, self.length, &mut hashes).await?;
        let summary = hashes.finish(&self.expected, self.trailers.as_ref())?;
        let digest = summary.sha256.ok_or_else(|| Error::internal("a buffered body has a digest"))?;
        let blob = match bytes.is_empty() {
            true => None,
            false => Some(app.blobs.put_bytes(bucket, bytes, digest).await?),
        };
        drop(memory);
        Ok(summary.stored(blob))
    }

    async fn store_streamed(self, app: &App, bucket: &str, algorithm: Algorithm) -> Result<Stored> {
        let algorithm = self.algorithm().unwrap_or(algorithm);
        let hashes = Arc::new(Mutex::new(Some(Hashes::streamed(algorithm, &self.expected))));
        let summary = Arc::new(Mutex::new(None));
        let body = hashing(self.body, self.length, Arc::clone(&hashes));
        let (expected, trailers, result) = (self.expected, self.trailers, Arc::clone(&summary));
        let verify = move || {
            let hashes = lock(&hashes).take().ok_or_else(|| Error::internal("a body was verified twice"))?;
            *lock(&result) = Some(hashes.finish(&expected, trailers.as_ref())?);
            Ok(())
        };
        let blob = app.blobs.put_stream(bucket, Box::pin(body), verify).await?;
        let summary = lock(&summary).take().ok_or_else(|| Error::internal("a stored body was not verified"))?;
        Ok(summary.stored(Some(blob)))
    }
}

/// Decoded bytes: of `aws-chunked` bodies what `s3s` makes of them, of others the body itself, past `s3s`.
fn incoming(raw: RawBody, blob: Option<StreamingBlob>) -> Incoming {
    if let Some(body) = raw.take() {
        return Box::pin(BodyStream::new(body).filter_map(|frame| async {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(raw::body_error(error))),
            }
        }));
    }
    match blob {
        Some(blob) => Box::pin(blob.map(move |bytes| bytes.map_err(|error| decoding_error(&raw, error)))),
        None => Box::pin(futures::stream::empty()),
    }
}

/// What `s3s` says about chunks; it tells its errors by their text only.
fn decoding_error(raw: &RawBody, error: BoxError) -> Error {
    if let Some(error) = raw.take_error() {
        return error;
    }
    let text = error.to_string();
    let code = match &text {
        text if text.contains("SignatureMismatch") => Code::SignatureDoesNotMatch,
        text if text.contains("Incomplete") => Code::IncompleteBody,
        text if text.contains("railer") => Code::MalformedTrailer,
        _ => Code::InvalidRequest,
    };
    Error::from(code).source(error)
}

/// How many bytes of content there will be.
fn length(headers: &HeaderMap) -> Result<u64> {
    let name = if raw::streaming(headers).is_some() { "x-amz-decoded-content-length" } else { "content-length" };
    let value = headers.get(name).ok_or(Code::MissingContentLength)?;
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("The value of the {name} header is no number of bytes."))
    })
}

async fn collect(mut body: Incoming, length: Length, hashes: &mut Hashes) -> Result<Bytes> {
    let mut whole = Bytes::new();
    let mut buffer = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        hashes.update_within(&piece, length)?;
        if hashes.size == length.most() && buffer.is_empty() && whole.is_empty() {
            // All of it in one piece: no need to copy it.
            whole = piece;
        } else if !piece.is_empty() {
            buffer.reserve(usize::try_from(length.most()).unwrap_or_default().saturating_sub(buffer.len()));
            buffer.extend_from_slice(&piece);
        }
    }
    length.check(hashes.size)?;
    Ok(if whole.is_empty() { buffer.freeze() } else { whole })
}

fn hashing(
    body: Incoming,
    length: Length,
    hashes: Arc<Mutex<Option<Hashes>>>,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let end = Arc::clone(&hashes);
    let pieces = body.map(move |piece| {
        let piece = piece?;
        with(&hashes, |hashes| hashes.update_within(&piece, length))?;
        Ok(piece)
    });
    // The length is checked as the stream's last word, so that a short body is never finished at the store.
    pieces.chain(
        futures::stream::once(async move { with(&end, |hashes| length.check(hashes.size)) })
            .filter_map(|result| async move { result.err().map(Err) }),
    )
}

fn with(hashes: &Mutex<Option<Hashes>>, act: impl FnOnce(&mut Hashes) -> Result<()>) -> Result<()> {
    lock(hashes).as_mut().map_or(Ok(()), act)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every hash that a body needs, in one pass.
pub(super) struct Hashes {
    md5: md5::Md5,
    sha256: Option<Sha256>,
    checksum: Option<(Algorithm, Hasher)>,
    size: u64,
}

/// What the hashes say.
pub(super) struct Summary {
    md5: [u8; 16],
    sha256: Option<Digest>,
    checksum: Option<(Algorithm, String)>,
    size: u64,
}

impl Hashes {
    /// MD5 and `algorithm`; SHA-256 where `sha256` wants it.
    pub(super) fn new(algorithm: Option<Algorithm>, sha256: bool) -> Self {
        let hasher = |algorithm| (algorithm, Hasher::new(algorithm));
        // A SHA-256 that is needed anyway is also the checksum.
        let own = algorithm.filter(|algorithm| !(sha256 && *algorithm == Algorithm::Sha256));
        Self { md5: md5::Md5::new(), sha256: sha256.then(Sha256::default), checksum: own.map(hasher), size: 0 }
    }

    /// A body that is stored under its digest.
    fn buffered(algorithm: Algorithm) -> Self {
        Self::new(Some(algorithm), true)
    }

    /// A body whose digest the store client finds out.
    fn streamed(algorithm: Algorithm, expected: &Expected) -> Self {
        Self::new(Some(algorithm), expected.sha256.is_some())
    }

    fn for_document(expected: &Expected) -> Self {
        Self::new(expected.checksum.as_ref().map(Stated::algorithm), expected.sha256.is_some())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some((_, hasher)) = &mut self.checksum {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    fn update_within(&mut self, bytes: &[u8], length: Length) -> Result<()> {
        self.update(bytes);
        length.check_so_far(self.size)
    }

    /// The hashes, where they are what the client expects.
    pub(super) fn finish(self, expected: &Expected, trailers: Option<&TrailingHeaders>) -> Result<Summary> {
        let sha256 = self.sha256.map(Sha256::finish);
        let checksum = self
            .checksum
            .map(|(algorithm, hasher)| (algorithm, hasher.finish()))
            .or_else(|| Some((Algorithm::Sha256, STANDARD.encode(sha256?.as_bytes()))));
        let summary = Summary { md5: self.md5.finalize().into(), sha256, checksum, size: self.size };
        summary.check(expected, trailers)?;
        Ok(summary)
    }
}

impl Summary {
    fn check(&self, expected: &Expected, trailers: Option<&TrailingHeaders>) -> Result<()> {
        if expected.md5.is_some_and(|md5| md5 != self.md5) {
            return Err(Error::new(Code::BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        if expected.sha256.is_some() && expected.sha256 != self.sha256 {
            return Err(Code::ContentSha256Mismatch.into());
        }
        let trailers = trailers.and_then(TrailingHeaders::take).unwrap_or_default();
        let stated = match &expected.checksum {
            None => None,
            Some(Stated::Value(algorithm, value)) => Some((*algorithm, value.as_str())),
            Some(Stated::Trailer(algorithm)) => Some((*algorithm, trailer(&trailers, *algorithm)?)),
        };
        if !matches!(expected.checksum, Some(Stated::Trailer(_))) && !trailers.is_empty() {
            return Err(Error::new(Code::MalformedTrailer, "There is a trailer that x-amz-trailer does not name."));
        }
        let Some((algorithm, value)) = stated else { return Ok(()) };
        if self.checksum.as_ref().is_some_and(|(own, computed)| *own == algorithm && computed == value) {
            return Ok(());
        }
        Err(Error::new(
            Code::BadDigest,
            format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
        ))
    }

    /// The value of the checksum that was computed.
    pub(super) fn checksums(&self) -> Checksums {
        self.checksum.iter().map(|(algorithm, value)| (algorithm.key().to_owned(), value.clone())).collect()
    }

    /// MD5 in hex.
    pub(super) fn etag(&self) -> String {
        hex::encode(self.md5)
    }

    fn stored(self, blob: Option<PinnedBlob>) -> Stored {
        Stored { blob, size: self.size, etag: self.etag(), checksums: self.checksums() }
    }
}

/// The announced trailer; no other may be there.
fn trailer(trailers: &HeaderMap, algorithm: Algorithm) -> Result<&str> {
    let value = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok());
    match value {
        Some(value) if trailers.len() == 1 => {
            super::checksum::check_value(algorithm, value)?;
            Ok(value)
        }
        _ => Err(Code::MalformedTrailer.into()),
    }
}
