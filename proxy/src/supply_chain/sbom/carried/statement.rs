//! in-toto statements whose predicate is a bill of materials (in-toto attestation, "Statement" v1 and v0.1).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::layer::is_sbom_predicate;
use super::{Carried, Manner, Subject};
use crate::digest::Digest;
use crate::supply_chain::sbom::{Place, Refusal};

/// What `_type` may be.
const TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// Most subjects that are kept.
const MOST_SUBJECTS: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    subject: Vec<StatementSubject>,
    predicate_type: String,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: DigestSet,
}

#[derive(Deserialize, Default)]
struct DigestSet {
    sha256: Option<String>,
}

/// What `cosign attest` wrote before it knew the formats.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CosignPredicate<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The document of a statement; `None` where the predicate is something else.
pub(super) fn document(bytes: &[u8], manner: Manner) -> Result<Option<Carried<'_>>, Refusal> {
    let statement: Statement<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    if !TYPES.contains(&statement.kind.as_str()) || !is_sbom_predicate(&statement.predicate_type) {
        return Ok(None);
    }
    let predicate = statement.predicate.ok_or_else(|| refuse("a statement without a predicate"))?;
    let subjects = statement.subject.into_iter().take(MOST_SUBJECTS).map(|subject| Subject {
        digest: subject.digest.sha256.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()),
        name: subject.name,
    });
    Ok(Some(Carried {
        document: unwrap(predicate)?,
        manner,
        predicate_type: Some(statement.predicate_type),
        subjects: subjects.collect(),
    }))
}

/// As [`document`], of bytes that do not live on.
pub(super) fn owned_document(bytes: &[u8], manner: Manner) -> Result<Option<Carried<'static>>, Refusal> {
    let carried = document(bytes, manner)?;
    Ok(carried.map(|carried| Carried {
        document: Cow::Owned(carried.document.into_owned()),
        manner: carried.manner,
        predicate_type: carried.predicate_type,
        subjects: carried.subjects,
    }))
}

/// The document that a predicate is; `None` where its type is that of something else.
/// # Errors
/// Lines of tags and values that are no string.
pub fn in_predicate<'a>(predicate_type: &str, predicate: &'a RawValue) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    if is_sbom_predicate(predicate_type) { unwrap(predicate).map(Some) } else { Ok(None) }
}

/// JSON stands in the predicate as it is; lines of tags and values stand there as a string. Either may be a member `Data`.
fn unwrap(predicate: &RawValue) -> Result<Cow<'_, [u8]>, Refusal> {
    let text = predicate.get();
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        return Ok(Cow::Owned(text.into_bytes()));
    }
    match serde_json::from_str::<CosignPredicate<'_>>(text) {
        Ok(wrapped) if wrapped.data.get().starts_with(['"', '{']) => unwrap_data(wrapped.data),
        _ => Ok(Cow::Borrowed(text.as_bytes())),
    }
}

fn unwrap_data(data: &RawValue) -> Result<Cow<'_, [u8]>, Refusal> {
    if data.get().starts_with('"') {
        let text: String = serde_json::from_str(data.get()).map_err(|error| malformed(&error))?;
        return Ok(Cow::Owned(text.into_bytes()));
    }
    Ok(Cow::Borrowed(data.get().as_bytes()))
}

fn malformed(error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let text = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text).to_owned();
    Refusal::Malformed { place: Place::line(error.line() as u64, error.column() as u64), text }
}

fn refuse(text: &str) -> Refusal {
    Refusal::Malformed { place: Place::default(), text: text.to_owned() }
}
