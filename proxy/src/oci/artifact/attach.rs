//! Attaching: a manifest with a subject is pushed, by its digest, or by the tag that older clients give it.
//!
//! Its intent is on record before anything happens; its row is there before the registry has the manifest; and it is seen, and on
//! record as done, when the registry has it. What is cut off in between is never seen, and goes after a while.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, Response, StatusCode, header};
use http_body_util::BodyExt;
use metrics::counter;
use zas_policy::Action;

use super::super::name::Reference;
use super::super::query::Query;
use super::folder::ReferrerTag;
use super::manifest::IMAGE_MANIFEST;
use super::referrer::{Kind, Referrer};
use super::visit::{KEYS, Visit, as_repository};
use super::{CONTENT_DIGEST, done, layers, referrers, value};
use crate::audit;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::gateway::{Body, BoxError};
use crate::index::{NewReferrer, held_bytes};
use crate::listener::BodyError;
use crate::telemetry::names;

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
        let home = visit.app.index.referrer_repository(bucket).await.map_err(as_repository)?;
        self.expect_room(&referrer, &subject).await?;
        layers::provide(visit, &home, &referrer.blobs).await?;
        self.store(&home, &permit, &referrer, subject, root).await?;
        for kind in &referrer.kinds {
            counter!(names::REFERRERS_ATTACHED, "kind" => kind.as_str()).increment(1);
        }
        self.answer(referrer.subject.as_ref())
    }

    /// Refuses what is too large, or has no room as things are now, before anything is looked for at the registry.
    async fn expect_room(&self, referrer: &Referrer, subject: &Digest) -> Result<()> {
        let (app, held) = (self.visit.app, held_bytes(self.bytes.len() as u64, &referrer.blobs));
        let most = app.config.artifacts.referrer_bytes.as_u64();
        if held > most {
            let text = "What refers to an object may not be so large, its blobs included.";
            return Err(Error::new(Code::BlobTooLarge, text).with("limit_bytes", most));
        }
        app.index.expect_room_for_referrer(self.visit.folder.bucket(), Some((&self.digest, subject)), held).await
    }

    async fn store(
        &self,
        home: &str,
        permit: &Permit,
        referrer: &Referrer,
        subject: Digest,
        root: Digest,
    ) -> Result<()> {
        let (app, size) = (self.visit.app, self.bytes.len() as u64);
        let on_record = OnRecord::begin(&app.journal, permit, home, &self.digest, size).await?;
        let kinds: Vec<&'static str> = referrer.kinds.iter().map(|kind| kind.as_str()).collect();
        let new = NewReferrer {
            bucket: self.visit.folder.bucket(),
            digest: self.digest,
            subject,
            root,
            is_listed: referrer.subject.is_some(),
            kinds: &kinds,
            media_type: IMAGE_MANIFEST,
            artifact_type: referrer.artifact_type.as_deref(),
            size,
            annotations: &referrer.annotations,
            blobs: &referrer.blobs,
            owner: &permit.principal().to_string(),
            most: app.config.artifacts.referrers_per_object,
        };
        let stored = async {
            let id = app.index.begin_referrer(&new).await?;
            app.store.put_manifest(home, &tag_at_home(&self.digest), IMAGE_MANIFEST, self.bytes.clone()).await?;
            let done = on_record.outcome(StatusCode::CREATED.as_u16(), None);
            app.index.store_referrer(id, self.place.tag(), done.as_slice(), on_record.intent).await
        };
        let result = stored.await;
        on_record.ended(result.as_ref().err());
        if result.is_ok() {
            app.unnamed.named(new.bucket, held_bytes(0, &referrer.blobs));
        }
        result
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

/// The tag of a manifest at the registry: garbage collection takes what has none for garbage where it does not look at subjects.
/// It is no tag of cosign's, for Zot may remove those whose subject it does not have.
fn tag_at_home(digest: &Digest) -> String {
    format!("referrer-{}", digest.hex())
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

/// The intent of a change, which is committed before it is made, and the record of its outcome, which is committed with it.
struct OnRecord<'a> {
    journal: &'a audit::Journal,
    permit: &'a Permit,
    digest: &'a Digest,
    size: u64,
    /// As long as it is not known what became of it.
    intent: Option<uuid::Uuid>,
}

impl<'a> OnRecord<'a> {
    async fn begin(
        journal: &'a audit::Journal,
        permit: &'a Permit,
        home: &str,
        digest: &'a Digest,
        size: u64,
    ) -> Result<Self> {
        let intent = permit.recorded(audit::Kind::Intent).filter(|_| journal.is_enabled());
        let id = intent.as_ref().map(audit::Record::id);
        if let Some(intent) = intent {
            let intent = intent.digest(digest).upstream(home).note(audit::ATTACH_REFERRER.to_owned());
            journal.intent(intent).await?;
        }
        Ok(Self { journal, permit, digest, size, intent: id })
    }

    /// Writes that it failed. That it was done has been committed with it; whether it was, is not known where the index is lost on
    /// the way.
    fn ended(mut self, error: Option<&Error>) {
        match error {
            Some(error) if error.code() == Code::IndexUnavailable => {}
            Some(error) => {
                if let Some(failed) = self.outcome(error.row().status, Some(error.code())) {
                    self.journal.offer(failed);
                }
                self.intent = None;
            }
            None => self.intent = None,
        }
    }

    fn outcome(&self, status: u16, error: Option<Code>) -> Option<audit::Record> {
        let record = self.permit.recorded(audit::Kind::Outcome)?.of_intent(self.intent?);
        Some(record.digest(self.digest).bytes(self.size, 0).answered(status, error))
    }
}

impl Drop for OnRecord<'_> {
    /// Whoever leaves in the middle of it leaves it in doubt.
    fn drop(&mut self) {
        if let Some(intent) = self.intent {
            self.journal.doubt(intent);
        }
    }
}
