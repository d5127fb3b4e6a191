//! Signing artifacts with keys of ours: what is signed, in which form, and attached; and attaching what others have signed.
//!
//! Two forms: the bundle that cosign 3 reads, and the older one under a tag, that cosign 2, podman and others read. An artifact that has
//! only older signatures or attestations gets no bundle unless it is asked for by name: cosign takes one form for all, and would no longer find the others
//! (docs/supply-chain-formats.md, "Which form").
//! What does not live here: who may sign what with which key (`authz`), and what signs (`keys`).

mod form;
mod legacy;
mod measured;
mod rules;
mod submitted;
mod verdict;

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

pub use form::Form;
pub(in crate::supply_chain) use form::has_only_legacy;
pub use legacy::LegacyTags;
pub(in crate::supply_chain) use measured::{Operation, measured};
pub use rules::{RuleSigner, TASK};
pub use submitted::{Submitted, attach_submitted};
pub(crate) use verdict::sign_verdict;

use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::attach::{NewReferrerDocument, attach};
use crate::supply_chain::bundle::{Bundle, Content};
use crate::supply_chain::keys::{ActiveKey, Usage};
use crate::supply_chain::legacy::Payload;
use crate::supply_chain::manifest::annotated_bundle_referrer;
use crate::supply_chain::predicate;
use crate::supply_chain::statement::{COSIGN_SIGN_V1, Statement, Subject};

/// The annotation that says which of our keys has made a bundle: `release/3`, name and generation. A help for whoever looks; nobody
/// believes it.
pub const SIGNED_WITH: &str = "zot-artifact-store.signing-key";

/// How an artifact is to be signed.
#[derive(Debug, Clone, Default)]
pub struct SignOptions<'a> {
    /// Whether older clients shall find a signature too, whatever there is already.
    pub legacy: bool,
    /// The form in which it is signed. Unset: a bundle, or the older form where the artifact has only older signatures or attestations.
    pub form: Option<Form>,
    /// What the signer says besides.
    pub annotations: BTreeMap<String, String>,
    /// Host and port at which clients reach the registry: older signatures name it.
    pub host: Option<&'a str>,
    /// What the audit record says besides.
    pub note: Option<String>,
}

/// A signature or an attestation that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The digest of the manifest that holds it.
    pub digest: Digest,
    /// Its form.
    pub form: Form,
    /// The tag that finds it, where it is of the older form.
    pub tag: Option<String>,
}

/// Signs an artifact with a release key: that it is signed, and no more.
///
/// # Errors
/// `InvalidRequest`: the key is none for releases, or an older signature is needed and nobody knows the registry's host; those of
/// [`attach`](super::attach::attach).
pub async fn sign(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    key: &ActiveKey,
    options: SignOptions<'_>,
) -> Result<Vec<Made>> {
    if key.usage() != Usage::Release {
        return Err(wrong_usage(key, "An artifact is signed with a key for releases."));
    }
    let form = form_or_default(app, artifact, options.form).await?;
    let note = note(key, options.note.as_deref());
    let mut made = Vec::new();
    if options.legacy || form == Form::Legacy {
        let host = options.host.ok_or_else(|| {
            let text = "A signature for older clients names the registry: set listen.external_url.";
            Error::new(Code::InvalidRequest, text)
        })?;
        let payload = payload(artifact, host, options.annotations.clone());
        let layer = measured(Operation::SignLegacy, key, key.sign_legacy(&payload)).await?;
        made.push(legacy::append(app, permit, artifact, "sig", &layer, &note).await?);
    }
    if form == Form::Legacy {
        return Ok(made);
    }
    let statement = Statement::signature(annotated(artifact, &options.annotations))?;
    let bundle = measured(Operation::Sign, key, key.attest(&statement)).await?;
    made.push(attach_bundle(app, permit, artifact, key, (&bundle, COSIGN_SIGN_V1), &note).await?);
    Ok(made)
}

/// Says something of an artifact and signs that with a report key. `form` unset: the one that the artifact's signatures have.
///
/// # Errors
/// `InvalidArgument`: the predicate has not the form of its type; `InvalidRequest`: the key is none for reports, or the type is not for
/// it to say; those of [`attach`](super::attach::attach).
pub async fn attest(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    key: &ActiveKey,
    (predicate_type, predicate): (&str, &Value),
    form: Option<Form>,
) -> Result<Made> {
    if key.usage() != Usage::Report {
        return Err(wrong_usage(key, "An attestation is signed with a key for reports."));
    }
    predicate::check(predicate_type, predicate)?;
    let statement = Statement::new(artifact.subjects(), predicate_type, predicate)?;
    let form = form_or_default(app, artifact, form).await?;
    let bundle = measured(Operation::Attest, key, key.attest(&statement)).await?;
    let note = note(key, None);
    match (form, bundle.content.clone()) {
        (Form::Legacy, Content::Envelope(envelope)) => {
            legacy::append_envelope(app, permit, artifact, &envelope, predicate_type, &note).await
        }
        _ => attach_bundle(app, permit, artifact, key, (&bundle, predicate_type), &note).await,
    }
}

/// The form that was asked for; otherwise one that hides nothing.
async fn form_or_default(app: &App, artifact: &Artifact, form: Option<Form>) -> Result<Form> {
    match form {
        Some(form) => Ok(form),
        None if has_only_legacy(app, artifact).await? => Ok(Form::Legacy),
        None => Ok(Form::Bundle),
    }
}

/// What an older signature of an artifact is over, at the registry that clients reach at `host`.
fn payload(artifact: &Artifact, host: &str, annotations: BTreeMap<String, String>) -> Payload {
    Payload { reference: format!("{host}/{}", artifact.repository()), digest: artifact.digest, annotations }
}

async fn attach_bundle(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    key: &ActiveKey,
    (bundle, predicate_type): (&Bundle, &str),
    note: &str,
) -> Result<Made> {
    let (json, made_with) = (bundle.to_json()?, signer(key));
    let more = [(SIGNED_WITH, made_with.as_str())];
    let now = OffsetDateTime::now_utc();
    let referrer = annotated_bundle_referrer(&artifact.descriptor(), &json, predicate_type, now, &more)?;
    let attached = attach(app, permit, artifact, NewReferrerDocument::referrer(referrer).noted(note)).await?;
    Ok(Made { digest: attached.digest, form: Form::Bundle, tag: None })
}

/// Name and generation of a key.
pub(crate) fn signer(key: &ActiveKey) -> String {
    format!("{}/{}", key.name(), key.generation())
}

/// What the audit record says: which key, and why.
fn note(key: &ActiveKey, more: Option<&str>) -> String {
    let key = format!("signed with {}", signer(key));
    more.map_or_else(|| key.clone(), |more| format!("{key}; {more}"))
}

/// The subjects of an artifact, the first with annotations: there cosign looks for them.
fn annotated(artifact: &Artifact, annotations: &BTreeMap<String, String>) -> Vec<Subject> {
    let mut subjects = artifact.subjects();
    if let Some(first) = subjects.first_mut() {
        let annotations = annotations.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
        first.annotations = annotations.collect();
    }
    subjects
}

fn wrong_usage(key: &ActiveKey, text: &'static str) -> Error {
    Error::new(Code::InvalidRequest, text).with("field", "key").with("usage", key.usage().as_str())
}
