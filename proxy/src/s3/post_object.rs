//! PostObject: a form that a browser posts to a bucket (AWS, "Browser-based uploads using POST").
//!
//! The fields of a form say what the headers of a PutObject say, and who has signed them; from there on it is one. `s3s` reads forms
//! too, but holds the whole file in memory, and lets anybody's fields take effect that no policy is about.
//! What does not live here: how an object is put (`put_object`).

mod answer;
mod form;
mod part;
mod policy;
mod request;
mod signature;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use s3s::{S3Request, S3Response, dto};
use time::OffsetDateTime;
use zas_policy::{Action, KeyName, Principal, Resource};

use super::access::{authorize, saying_whether_it_creates};
use super::body::{Length, RawBody};
use super::call::Call;
use super::checksum::Algorithm;
use super::host::Domains;
use super::operation::Operation;
use super::put_object::put_object;
use super::signer::{self, Asker};
use super::{guard, names, object_lock, owner, tags, unsupported};
use crate::app::App;
use crate::audit::{Api, Facts, Trail};
use crate::authz::{Caller, Conditions, Permit};
use crate::error::{Code, Error, Result};
use crate::gateway::{Body, BoxError, RequestContext};
use crate::identity::Bearer;
use crate::oci;
use answer::Made;
use form::{Boundary, Fields, File, Form, MAX_BEHIND_FILE, Progress, Reader};
use policy::{Policy, Sizes};
use request::Wanted;
use signature::Signed;

/// The name for logs and metrics.
pub(super) const NAME: &str = Operation::PostObject.name();

/// The bucket that a form is posted to; none where a request is no form, or is not for a bucket.
pub(super) fn bucket(domains: &Domains, parts: &Parts) -> Option<String> {
    let has_query = parts.uri.query().is_some_and(|query| !query.is_empty());
    if parts.method != Method::POST || has_query || !guard::is_form(&parts.headers) {
        return None;
    }
    domains.named(parts).filter(|named| !named.has_key).map(|named| named.bucket)
}

/// Takes a form.
///
/// # Errors
/// What is wrong with the form, with who has signed it, or with what they may do; what PutObject says.
pub(super) async fn post_object(
    app: &App,
    domains: &Domains,
    bucket: &str,
    mut parts: Parts,
    body: Body,
) -> Result<Response<Body>> {
    let bearer = signer::bearer_of_form(app, &mut parts).await?;
    guard::check_form(&parts)?;
    if !names::is_bucket_name(bucket) {
        return Err(Code::InvalidBucketName.into());
    }
    let boundary = Boundary::of(&parts.headers)?;
    let (whole, end) = (content_length(&parts.headers)?, boundary.end());
    let Form { mut fields, filename, before_file, mut file } = Form::read(body, boundary).await?;
    fields.expand("key", &filename);

    let poster = Poster::of(app, &fields, bearer).await?;
    let wanted = Wanted::of(&fields)?;
    let permit = permit(app, &parts, bucket, &fields, &wanted, &poster).await?;
    let most = whole.checked_sub(before_file.saturating_add(end)).ok_or_else(part::malformed)?;
    let length = length(most, poster.sizes(), app.config.limits.object_bytes.as_u64());
    length.expect()?;
    let first = file.next().await?;
    // What is behind an empty file is read by now.
    let length = if first.is_some() { length } else { empty(length) };

    let key = wanted.key.clone();
    let put = put(app, &permit, bucket, wanted, poster.asker.clone(), (length, content(first, file)));
    let stored = put.await?;
    let etag = stored.output.e_tag.as_ref().map(dto::ETag::value).unwrap_or_default();
    let made =
        Made { place: place(app, domains, &parts, bucket, &key), bucket, key: &key, etag: &format!("\"{etag}\"") };
    let mut answer = answer::success(&fields, &made, !matches!(poster.asker, Asker::Nobody));
    describe(stored, answer.headers_mut());
    Ok(answer)
}

/// Who posts a form.
struct Poster {
    asker: Asker,
    principal: Principal,
    /// What the form is held to, and when that was signed.
    policy: Option<(Policy, OffsetDateTime)>,
}

impl Poster {
    /// By the form's signature, or by a token in the request's header.
    async fn of(app: &App, fields: &Fields, bearer: Option<Arc<Bearer>>) -> Result<Self> {
        let config = &app.config.s3;
        let (asker, signed_with, policy) = match (Signed::of(fields, config)?, bearer) {
            (Some(_), Some(_)) => {
                let text = "Only one auth mechanism allowed: a bearer token or a signature.";
                return Err(Error::new(Code::InvalidArgument, text));
            }
            (None, Some(bearer)) => (Asker::Bearer(bearer), None, None),
            (None, None) => (Asker::Nobody, None, None),
            (Some(signed), None) => {
                let signer = app.identity.signer(&signed.access_key_id, signed.session_token).await?;
                signed.check(signer.secret.expose(), config, OffsetDateTime::now_utc())?;
                let policy = Policy::read(signed.policy.as_bytes())?;
                (Asker::Signer(Box::new(signer)), Some(signed.access_key_id), Some((policy, signed.at)))
            }
        };
        let principal = asker.principal(signed_with.as_deref())?;
        Ok(Self { asker, principal, policy })
    }

    /// How many bytes the file may have.
    fn sizes(&self) -> Sizes {
        self.policy.as_ref().map_or(Sizes::ANY, |(policy, _)| policy.sizes())
    }

    /// Adds what policies may ask about a signature.
    fn describe(&self, conditions: Conditions) -> Conditions {
        let Some((_, at)) = &self.policy else { return conditions };
        let age = (OffsetDateTime::now_utc() - *at).whole_milliseconds().max(0);
        conditions
            .with(KeyName::AuthType, "POST")
            .with(KeyName::SignatureVersion, "AWS4-HMAC-SHA256")
            .with(KeyName::SignatureAge, age.to_string())
    }
}

/// The right to put the object with the tags and the lock that the form gives it, by a form that keeps to its policy.
async fn permit(
    app: &App,
    parts: &Parts,
    bucket: &str,
    fields: &Fields,
    wanted: &Wanted,
    poster: &Poster,
) -> Result<Permit> {
    let given = tags::of_header(&wanted.headers)?;
    let mut headers = wanted.headers.clone();
    headers.extend(parts.headers.get(header::REFERER).map(|value| (header::REFERER, value.clone())));
    let lock = object_lock::of_headers(&wanted.headers)?;
    let conditions = saying_whether_it_creates(Conditions::of_s3(&headers, ""), Operation::PostObject);
    let conditions = object_lock::saying(poster.describe(conditions), lock);
    let conditions = if given.is_empty() { conditions } else { conditions.giving(given.clone()) };
    let context = parts.extensions.get::<RequestContext>();
    let trail = context.map_or_else(Trail::none, |context| Trail::of(Facts::of(Api::S3, context, &parts.headers)));
    let caller = Caller::new(poster.principal.clone(), trail, conditions).heeding_lists();

    let resource = Resource::object(bucket, &*wanted.key);
    let permit = authorize(app, &caller, Action::PutObject, resource).await?;
    let permit = tags::permit_to_give(app, &caller, permit, &given).await?;
    let permit = object_lock::permit_to_give(app, &caller, permit, lock).await?;
    if let Err(error) = check_policy(bucket, fields, poster) {
        return Err(refusal(app, &permit, error).await);
    }
    unsupported::check(Operation::PutObject, &wanted.headers, None, app.config.s3.encryption_at_rest)?;
    owner::check(app, &wanted.headers, owner::OF_BUCKET, bucket).await?;
    app.check_writes()?;
    Ok(permit)
}

fn check_policy(bucket: &str, fields: &Fields, poster: &Poster) -> Result<()> {
    if fields.get("bucket").is_some_and(|named| named != bucket) {
        return Err(Error::new(Code::AccessDenied, "The form names another bucket than it is posted to."));
    }
    match &poster.policy {
        Some((policy, _)) => policy.check(bucket, fields, OffsetDateTime::now_utc()),
        None => Ok(()),
    }
}

/// A refusal by the form's own policy, on record as every refusal of somebody who is known; a form that comes late is no such thing.
async fn refusal(app: &App, permit: &Permit, error: Error) -> Error {
    if error.code() != Code::AccessDenied || permit.principal().is_anonymous() {
        return error;
    }
    let recorded = app.authority.refuse(permit, "Invalid according to Policy").await;
    if recorded.code() == Code::AccessDenied { error } else { recorded }
}

/// How long the file can be, and may be.
fn length(most: u64, sizes: Sizes, limit: u64) -> Length {
    let Sizes { min, max } = sizes.within(Sizes { min: 0, max: limit });
    Length::Between { least: most.saturating_sub(MAX_BEHIND_FILE as u64), most, min, max }
}

/// The length of a file that turned out to have no bytes.
fn empty(length: Length) -> Length {
    match length {
        Length::Between { min, max, .. } => Length::Between { least: 0, most: 0, min, max },
        Length::Exactly(_) => Length::Exactly(0),
    }
}

fn content_length(headers: &HeaderMap) -> Result<u64> {
    let value = headers.get(header::CONTENT_LENGTH).ok_or(Code::MissingContentLength)?;
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let invalid = || Error::new(Code::InvalidArgument, "The value of the content-length header is no number of bytes.");
    digits.and_then(|text| text.parse().ok()).ok_or_else(invalid)
}

/// The file as a request's body.
fn content(first: Option<Bytes>, file: File) -> Body {
    let pieces = futures::stream::try_unfold((first, file), |(first, mut file)| async move {
        let bytes = match first {
            Some(bytes) => Some(bytes),
            None => file.next().await?,
        };
        Ok::<_, BoxError>(bytes.map(|bytes| (Frame::data(bytes), (None, file))))
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn put(
    app: &App,
    permit: &Permit,
    bucket: &str,
    wanted: Wanted,
    asker: Asker,
    (length, body): (Length, Body),
) -> Result<S3Response<dto::PutObjectOutput>> {
    let Wanted { key, headers, metadata } = wanted;
    let mut extensions = Extensions::new();
    extensions.insert(Call::new(RawBody::new(body, &headers), asker));
    extensions.insert(length);
    let input = dto::PutObjectInput { bucket: bucket.to_owned(), key, metadata: Some(metadata), ..Default::default() };
    let request = S3Request {
        input,
        method: Method::PUT,
        uri: http::Uri::default(),
        headers,
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    };
    Box::pin(put_object(app, permit, request)).await
}

/// Where the object is read.
fn place(app: &App, domains: &Domains, parts: &Parts, bucket: &str, key: &str) -> String {
    let is_secure = parts.extensions.get::<RequestContext>().is_some_and(|context| context.secure);
    let base = oci::base_url(&app.config, parts, is_secure);
    let is_buckets = app.config.listen.external_url.is_none() && domains.name_bucket(parts);
    answer::place(&base, (!is_buckets).then_some(bucket), key)
}

/// What PutObject says besides.
fn describe(stored: S3Response<dto::PutObjectOutput>, headers: &mut HeaderMap) {
    headers.extend(stored.headers);
    let output = stored.output;
    let checksums = [
        (Algorithm::Crc32, output.checksum_crc32),
        (Algorithm::Crc32c, output.checksum_crc32c),
        (Algorithm::Crc64Nvme, output.checksum_crc64nvme),
        (Algorithm::Sha1, output.checksum_sha1),
        (Algorithm::Sha256, output.checksum_sha256),
    ];
    let checksums = checksums.into_iter().map(|(algorithm, value)| (algorithm.header(), value));
    for (name, value) in checksums.chain([("x-amz-version-id", output.version_id)]) {
        if let Some(value) = value.and_then(|value| http::HeaderValue::try_from(value).ok()) {
            headers.insert(http::HeaderName::from_static(name), value);
        }
    }
}

/// Reads the policy of a form, in base64: for whoever tries what no form should be able to do (fuzzing).
///
/// # Errors
/// `InvalidPolicyDocument`.
pub fn check_post_policy(encoded: &[u8]) -> Result<()> {
    Policy::read(encoded).map(drop)
}

/// Reads what stands in a form before its file, in pieces of `piece` bytes: for whoever tries what no form should be able to do
/// (fuzzing). Whether there is a file.
///
/// # Errors
/// `MalformedPostRequest`, `MaxPostPreDataLengthExceeded`, `InvalidArgument`.
pub fn check_post_form(boundary: &[u8], form: &[u8], piece: usize) -> Result<bool> {
    let mut reader = Reader::new(Boundary::new(boundary)?);
    for bytes in form.chunks(piece.max(1)) {
        match reader.feed(bytes)? {
            Progress::More => {}
            Progress::File(_) => return Ok(true),
            Progress::NoFile => return Ok(false),
        }
    }
    Err(part::malformed())
}
