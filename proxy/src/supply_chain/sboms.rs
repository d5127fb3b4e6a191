//! Bills of materials of artifacts: attached, found again, and removed.
//!
//! A document is read and held to its rules before anything is sent to the registry, and found by what it lists when [`attach`] returns.
//! What does not live here: reading documents (`sbom`), and finding those that others have attached (`evidence`).

use bytes::Bytes;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{NewSbom, StoredSbom};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::attach::{self, NewReferrerDocument};
use crate::supply_chain::collect::{self, Listed};
use crate::supply_chain::keys::{ActiveKey, Usage};
use crate::supply_chain::manifest::{annotated_bundle_referrer, document_referrer};
use crate::supply_chain::referrer::Kind;
use crate::supply_chain::sbom::carried::{self, Layer, Manner};
use crate::supply_chain::sbom::{Format, Limits, Reading, read};
use crate::supply_chain::signing::{Operation, SIGNED_WITH, has_only_legacy, measured, signer};
use crate::supply_chain::statement::Statement;

/// A bill of materials that was read.
#[derive(Debug)]
pub struct Read {
    /// Its bytes.
    pub bytes: Bytes,
    /// What it says.
    pub reading: Reading,
}

/// Reads a document, on a thread of its own: a large one takes a second or so.
///
/// # Errors
/// `SbomInvalid`, `SbomUnsupported`, `SbomTooLarge`: it cannot be read. What is read and wrong is in the report.
pub async fn examine(bytes: Bytes, media_type: Option<String>) -> Result<Read> {
    let work = move || {
        let reading = read(&bytes, media_type.as_deref(), &Limits::default())?;
        Ok::<_, Error>(Read { bytes, reading })
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal("a document was not read").source(error))?
}

/// Attaches a document to an artifact: as it is, or with a key for reports as an attestation. Gives the digest of what carries it.
///
/// # Errors
/// `SbomInvalid`: it breaks a rule; `InvalidRequest`: the key is none for reports, or the document cannot be attested; those of
/// [`attach::attach`].
pub async fn attach(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    sbom: &Read,
    key: Option<&ActiveKey>,
) -> Result<Digest> {
    sbom.reading.check()?;
    let (document, manner) = match key {
        None => (plain(artifact, sbom)?, Manner::Referrer),
        Some(key) => (attested(app, artifact, sbom, key).await?, Manner::Attestation),
    };
    let attached = attach::attach(app, permit, artifact, document).await?;
    let (scope, digest) = (artifact.scope(), Digest::of(&sbom.bytes));
    let new = NewSbom {
        scope: &scope,
        key: artifact.object.as_ref().map_or("", |object| &object.key),
        subject: &artifact.digest,
        carrier: &attached.digest,
        digest: &digest,
        size: sbom.bytes.len() as u64,
        manner,
        reading: &sbom.reading,
        audit: &[],
    };
    app.index.index_sbom(new).await?;
    // What else is known of the artifact, and by which other keys it is found, whoever looks at it finds out.
    app.index.expect_evidence(&scope, &artifact.digest).await?;
    Ok(attached.digest)
}

/// As `oras attach` would.
fn plain(artifact: &Artifact, sbom: &Read) -> Result<NewReferrerDocument> {
    let format = sbom.reading.sbom.format;
    let made = document_referrer(&artifact.descriptor(), format.media_type(), &sbom.bytes, title(format))?;
    Ok(NewReferrerDocument::referrer(made))
}

/// As `cosign attest` would, with one of our keys.
async fn attested(app: &App, artifact: &Artifact, sbom: &Read, key: &ActiveKey) -> Result<NewReferrerDocument> {
    if key.usage() != Usage::Report {
        let text = "A bill of materials is attested with a key for reports.";
        return Err(Error::new(Code::InvalidRequest, text).with("field", "attestation"));
    }
    if has_only_legacy(app, artifact).await? {
        let text = "The artifact has signatures or attestations for older clients alone, which a bundle would hide from cosign: attach the document \
                    without attestation, or sign the artifact with the form `bundle` first.";
        return Err(Error::new(Code::InvalidRequest, text).with("field", "attestation"));
    }
    let predicate_type = sbom.reading.sbom.format.predicate_type();
    let statement = Statement::new(artifact.subjects(), predicate_type, &predicate(sbom)?)?;
    let bundle = measured(Operation::Attest, key, key.attest(&statement)).await?;
    let (json, made_with) = (bundle.to_json()?, signer(key));
    let more = [(SIGNED_WITH, made_with.as_str())];
    let now = OffsetDateTime::now_utc();
    let made = annotated_bundle_referrer(&artifact.descriptor(), &json, predicate_type, now, &more)?;
    Ok(NewReferrerDocument::referrer(made).noted(format!("with signing-key/{made_with}")))
}

/// The document as a predicate: JSON as it is, lines of tags and values as a text.
fn predicate(sbom: &Read) -> Result<Box<RawValue>> {
    let unfit = |text: &'static str| Error::new(Code::InvalidRequest, text).with("field", "attestation");
    let text = std::str::from_utf8(&sbom.bytes).map_err(|_| unfit("Only UTF-8 can be attested."))?;
    let json = match sbom.reading.sbom.format {
        Format::CycloneDxXml(_) => return Err(unfit("CycloneDX is attested as JSON: attach XML without attestation.")),
        Format::Spdx2TagValue(_) => serde_json::to_string(text).map_err(Error::internal)?,
        Format::CycloneDxJson(_) | Format::Spdx2Json(_) | Format::Spdx3Json => text.to_owned(),
    };
    RawValue::from_string(json).map_err(|error| Error::internal("a document that was read is no JSON").source(error))
}

/// What the file is called when it is pulled.
const fn title(format: Format) -> &'static str {
    match format {
        Format::CycloneDxJson(_) => "sbom.cdx.json",
        Format::CycloneDxXml(_) => "sbom.cdx.xml",
        Format::Spdx2Json(_) | Format::Spdx3Json => "sbom.spdx.json",
        Format::Spdx2TagValue(_) => "sbom.spdx",
    }
}

/// The bytes of a document of the index, taken out of what carries it; none where that has gone meanwhile.
///
/// # Errors
/// Those of [`collect::read`].
pub async fn document(app: &App, artifact: &Artifact, stored: &StoredSbom) -> Result<Option<Vec<u8>>> {
    // What buildx puts into an index does not say itself what it refers to.
    let carrier = Listed {
        digest: stored.carrier,
        size: 0,
        artifact_type: None,
        kinds: vec![Kind::Sbom],
        annotations: Default::default(),
        subject: artifact.digest,
        tag: None,
    };
    let collected = collect::read(app, artifact, carrier).await?;
    for document in &collected.documents {
        if document.digest == stored.digest {
            return Ok(Some(document.bytes().to_vec()));
        }
        let layer = Layer {
            media_type: &document.media_type,
            artifact_type: "",
            predicate_type: document.said_predicate_type(),
        };
        let carried = carried::take(document.bytes(), &layer, &Limits::default()).ok().flatten();
        if let Some(carried) = carried.filter(|carried| Digest::of(&carried.document) == stored.digest) {
            return Ok(Some(carried.document.into_owned()));
        }
    }
    Ok(None)
}

/// Removes what carries a document. It is not found any more when this returns.
///
/// # Errors
/// `ReadOnly`: it is a part of an index; `NoSuchEntity`: it is gone; those of [`attach::detach`].
pub async fn remove(app: &App, permit: &Permit, artifact: &Artifact, stored: &StoredSbom) -> Result<()> {
    let listed = collect::find(app, artifact, &stored.carrier).await?;
    let Some(listed) = listed else {
        if stored.manner == Manner::Statement {
            return Err(Error::new(
                Code::ReadOnly,
                "It is a part of the index that the image is in: push another index.",
            ));
        }
        return Err(Code::NoSuchEntity.into());
    };
    attach::detach(app, permit, artifact, &listed).await
}
