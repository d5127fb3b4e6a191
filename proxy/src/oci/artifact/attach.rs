//! Attaching: a manifest with a subject is pushed, by its digest, or by the tag that older clients give it.
//!
//! What lives here: what a client may push, and how it is answered. What does not: how it is stored (`supply_chain::attach`).

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, Response, StatusCode, header};
use http_body_util::BodyExt;
use zas_policy::Action;

use super::super::name::Reference;
use super::super::query::Query;
use super::visit::{KEYS, Visit, as_repository};
use super::{CONTENT_DIGEST, done, layers, referrers, value};
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::gateway::{Body, BoxError};
use crate::index::held_bytes;
use crate::listener::BodyError;
use crate::supply_chain::attach::{self, BucketReferrer, Replaced};
use crate::supply_chain::referrer::{Kind, Referrer, ReferrerTag};

/// Entries of a list that a client pushes under a tag.
const LIST_ENTRIES: u32 = 1000;

/// Under what a manifest is pushed.
enum Place<'a> {
    Digest(Digest),
    Tag { tag: &'a str, subject: Digest, kind: Kind },
    List(Digest),
}

/// Answers a PUT.
pub(super) async fn put(visit: &Visit<'_>, reference: &Reference, parts: &Parts, body: Body) -> Result<Response<Body>> {
    let place = Place::of(reference, parts.uri.query().unwrap_or_default());
    // Before a byte is read, and so that who may attach nothing learns nothing; but that objects are put by S3.
    match (visit.permit_somewhere(&Kind::ATTACH).await, &place) {
        (Ok(_), _) => visit.app.check_attaching()?,
        (Err(denied), Err(_)) if denied.code() == Code::AccessDenied => {}
        (Err(error), _) => return Err(error),
    }
    let place = place?;
    let limit = visit.app.config.limits.manifest_bytes.as_u64();
    let bytes = read(body, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    let digest = Digest::of(&bytes);
    match place {
        Place::Digest(expected) if expected != digest => {
            Err(Error::new(Code::InvalidDigest, "The manifest has another digest than the one it is pushed under."))
        }
        Place::List(subject) => list(visit, &subject, &bytes, &digest).await,
        Place::Digest(_) | Place::Tag { .. } => {
            let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let pushed = Pushed { visit, place, content_type, bytes, digest };
            pushed.attach().await
        }
    }
}

impl<'a> Place<'a> {
    fn of(reference: &'a Reference, raw: &str) -> Result<Self> {
        if !Query::read(raw)?.take_all("tag").is_empty() {
            return Err(Code::PutByS3.into());
        }
        match reference {
            Reference::Digest(digest) => digest
                .as_str()
                .parse()
                .map(Self::Digest)
                .map_err(|_| Error::new(Code::InvalidDigest, "What is attached is named by its sha256 digest.")),
            Reference::Tag(tag) => match ReferrerTag::parse(tag) {
                Some(ReferrerTag::One { subject, kind }) => Ok(Self::Tag { tag, subject, kind }),
                Some(ReferrerTag::List(subject)) => Ok(Self::List(subject)),
                None => Err(Code::PutByS3.into()),
            },
        }
    }

    const fn tag(&self) -> Option<&'a str> {
        match self {
            Self::Tag { tag, .. } => Some(tag),
            Self::Digest(_) | Self::List(_) => None,
        }
    }
}

/// A manifest that was read.
struct Pushed<'a> {
    visit: &'a Visit<'a>,
    place: Place<'a>,
    content_type: Option<&'a str>,
    bytes: Bytes,
    digest: Digest,
}

impl Pushed<'_> {
    async fn attach(self) -> Result<Response<Body>> {
        let (visit, bucket) = (self.visit, self.visit.folder.bucket());
        let (tagged, kind) = match self.place {
            Place::Tag { subject, kind, .. } => (Some(subject), Some(kind)),
            Place::Digest(_) | Place::List(_) => (None, None),
        };
        let referrer = Referrer::parse(self.content_type, &self.bytes, kind)?;
        let subject = match (referrer.subject, tagged) {
            (Some(own), Some(tagged)) if own != tagged => {
                return Err(Error::new(Code::ManifestInvalid, "The manifest's subject is another than its tag says."));
            }
            (own, tagged) => own.or(tagged).ok_or(Code::PutByS3)?,
        };
        let root = referrers::root_of(visit, &subject).await?;
        let keys = visit.app.index.artifact_keys(bucket, visit.folder.prefix(), &root, KEYS).await?.keys;
        let actions: Vec<Action> = referrer.kinds.iter().map(|kind| kind.attach()).collect();
        let permit = visit.permit_on(&actions, &keys).await?.ok_or_else(|| {
            Error::new(
                Code::ManifestInvalid,
                "The manifest's subject is no object below this name, and refers to none.",
            )
        })?;
        let replaced = match self.place.tag() {
            Some(tag) => attach::replaced(visit.app, bucket, tag, &self.bytes).await?,
            None => None,
        };
        let removal = self.removal(replaced.as_ref(), &actions, &keys).await?;
        let home = visit.app.index.referrer_repository(bucket).await.map_err(as_repository)?;
        let new = BucketReferrer {
            bucket,
            home: &home,
            digest: self.digest,
            subject,
            root,
            tag: self.place.tag(),
            replaced,
            removal,
            referrer: &referrer,
            blobs: &[],
            bytes: self.bytes.clone(),
            note: None,
        };
        attach::expect_room(visit.app, &new).await?;
        layers::provide(visit, &home, &referrer.blobs).await?;
        attach::store_in_bucket(visit.app, &permit, &new).await?;
        visit.app.unnamed.named(bucket, held_bytes(0, &referrer.blobs));
        attach::count(&referrer);
        self.answer(referrer.subject.as_ref())
    }

    /// The record of what is removed, where the tag names something of which the new manifest does not have all: that takes the rights to
    /// remove it, beside those to attach.
    async fn removal(&self, replaced: Option<&Replaced>, attach: &[Action], keys: &[String]) -> Result<Option<Record>> {
        let Some(replaced) = replaced.filter(|replaced| !replaced.dropped.is_empty()) else { return Ok(None) };
        let detach = replaced.dropped.iter().map(|kind| kind.detach());
        let actions: Vec<Action> = detach.chain(attach.iter().copied()).collect();
        let permit = self.visit.permit_on(&actions, keys).await?;
        Ok(permit.and_then(|permit| permit.record()).map(|record| record.digest(replaced.digest)))
    }

    fn answer(&self, subject: Option<&Digest>) -> Result<Response<Body>> {
        let mut response = created(self.visit, &self.digest)?;
        if let Some(subject) = subject {
            // Says that the list is kept here: a client that does not read it keeps a list by itself.
            response.headers_mut().insert(HeaderName::from_static("oci-subject"), value(&subject.to_string())?);
        }
        Ok(response)
    }
}

/// A list of referrers that a client keeps under a tag. The list here is made from what was pushed, so that there is nothing to
/// keep; but what it names must have been pushed.
async fn list(visit: &Visit<'_>, subject: &Digest, bytes: &[u8], digest: &Digest) -> Result<Response<Body>> {
    let named = referrers::named_in(bytes)?;
    let known = visit.app.index.list_referrers(visit.folder.bucket(), subject, &[], 0, LIST_ENTRIES).await?;
    let known: HashSet<Digest> = known.referrers.iter().map(|referrer| referrer.digest).collect();
    if named.iter().all(|named| known.contains(named)) {
        return created(visit, digest);
    }
    Err(Error::new(Code::ManifestInvalid, "The list of referrers names a manifest that was not pushed, or too many."))
}

fn created(visit: &Visit<'_>, digest: &Digest) -> Result<Response<Body>> {
    let mut response = done(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(&format!("/v2/{}/manifests/{digest}", visit.name))?);
    headers.insert(CONTENT_DIGEST, value(&digest.to_string())?);
    Ok(response)
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(error) => return Err(body_error(error)),
        }
        if bytes.len() > limit {
            return Err(Code::ManifestTooLarge.into());
        }
    }
    Ok(bytes.freeze())
}

fn body_error(error: BoxError) -> Error {
    let code = match BodyError::find(&*error).map(BodyError::code) {
        Some(Code::EntityTooLarge) => Code::ManifestTooLarge,
        Some(code) => code,
        None => Code::ClientGone,
    };
    Error::from(code).source(error)
}
