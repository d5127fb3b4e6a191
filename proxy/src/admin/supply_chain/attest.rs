//! `POST /artifacts/attest`: something is said of an artifact, signed by the client or by this service.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use zas_policy::Action;

use super::artifact::{self, artifact_name, asks_in_handler};
use super::sign::{FoundArtifact, MadeDocument, UsedKey};
use crate::admin::answer::Answer;
use crate::admin::idempotency::Posted;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::supply_chain::signing::{Form, Submitted, attach_submitted, attest};
use crate::supply_chain::verify::Outcome;

asks_in_handler! {
    /// Asks to attach an attestation. To which artifact stands in the body.
    AttestArtifact;
}

/// What is said, and who signs it: one of `bundle`, `envelope`, and `predicate` with `predicate_type` and `key`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"artifact": "s3://releases/linux/amd64/app-1.2.tgz", "key": "ci-reports",
    "predicate_type": "https://in-toto.io/attestation/test-result/v0.1",
    "predicate": {"result": "PASSED", "configuration": [{"name": "ci.yml"}]}}))]
pub(super) struct AttestRequest {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[schema(schema_with = artifact_name)]
    artifact: String,
    /// A sigstore bundle v0.3 that the client has signed, with a statement about the artifact.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    bundle: Option<Box<RawValue>>,
    /// A DSSE envelope that the client has signed, with a statement about the artifact. It is kept where clients before cosign 3 look.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    envelope: Option<Box<RawValue>>,
    /// What the predicate is: a URI.
    #[serde(default, alias = "predicateType")]
    #[schema(max_length = 2048)]
    predicate_type: Option<String>,
    /// What this service shall say of the artifact.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    predicate: Option<Value>,
    /// The name of a signing key for reports.
    #[serde(default)]
    #[schema(max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    key: Option<String>,
    /// In which form it is written. Unset: `bundle`, or `legacy` where the artifact has only older ones, which a bundle would hide
    /// from cosign; there a `bundle` of the client's is refused unless `bundle` stands here too.
    #[serde(default)]
    form: Option<DocumentForm>,
}

/// In which form a signature or an attestation is written.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DocumentForm {
    /// A bundle that refers to the artifact, as cosign 3 has it.
    Bundle,
    /// Under the tag `sha256-<hex>.sig` or `.att`, as cosign 2 has it.
    Legacy,
}

impl From<DocumentForm> for Form {
    fn from(form: DocumentForm) -> Self {
        match form {
            DocumentForm::Bundle => Self::Bundle,
            DocumentForm::Legacy => Self::Legacy,
        }
    }
}

/// What was attached.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttestedArtifact {
    /// The artifact.
    artifact: FoundArtifact,
    /// What was attached.
    attestation: MadeDocument,
    /// The type of the predicate.
    predicate_type: String,
    /// The key that has signed; null where the client has.
    key: Option<UsedKey>,
    /// Whether one of those whom this service believes has signed it; null where this service has. Nobody need be believed for an attestation to
    /// be attached.
    verification: Option<Verification>,
}

/// What came of checking a signature.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verification {
    /// Whether it counts.
    verified: bool,
    /// Who has signed: `signing-key/…`, `key/…` or `identity/…`.
    signer: Option<String>,
    /// Why it does not count, for programs.
    code: Option<&'static str>,
    /// Why it does not count, for people.
    reason: Option<String>,
}

impl From<Outcome> for Verification {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(verified) => {
                Self { verified: true, signer: Some(verified.signer.to_string()), code: None, reason: None }
            }
            Err(refusal) => {
                Self { verified: false, signer: None, code: Some(refusal.code()), reason: Some(refusal.to_string()) }
            }
        }
    }
}

/// What is to be attached.
enum Said {
    Submitted(Submitted, Option<Form>),
    Ours { predicate_type: String, predicate: Value, key: String, form: Option<Form> },
}

impl AttestRequest {
    /// One of the three ways to say something.
    fn said(&mut self) -> Result<Said> {
        let wrong =
            |field: &'static str, text: &'static str| Error::new(Code::InvalidArgument, text).with("field", field);
        let (bundle, envelope, predicate) = (self.bundle.take(), self.envelope.take(), self.predicate.take());
        let (submitted, its_form) = match (bundle, envelope, predicate) {
            (Some(bundle), None, None) => (Submitted::Bundle(bundle.get().as_bytes().to_vec()), Form::Bundle),
            (None, Some(envelope), None) => (Submitted::Envelope(envelope.get().as_bytes().to_vec()), Form::Legacy),
            (None, None, Some(predicate)) => {
                let predicate_type = self.predicate_type.take();
                let predicate_type =
                    predicate_type.ok_or_else(|| wrong("predicate_type", "A predicate has a predicate_type."))?;
                if predicate_type.is_empty() || url::Url::parse(&predicate_type).is_err() {
                    return Err(wrong("predicate_type", "A predicate_type is a URI."));
                }
                let key = self.key.take().ok_or_else(|| wrong("key", "A predicate is signed with a key: name one."))?;
                return Ok(Said::Ours { predicate_type, predicate, key, form: self.form.map(Form::from) });
            }
            _ => return Err(wrong("predicate", "Give one of bundle, envelope and predicate.")),
        };
        if self.predicate_type.is_some() || self.key.is_some() {
            return Err(wrong("key", "predicate_type and key belong to a predicate."));
        }
        let form = self.form.map(Form::from);
        if form.is_some_and(|form| form != its_form) {
            return Err(wrong("form", "What the client has signed is kept in its own form."));
        }
        Ok(Said::Submitted(submitted, form))
    }
}

/// Attach an attestation to an artifact: signed by the client, or by this service with a key for reports.
///
/// Needs `supply:Attest` on the artifact, and `supply:UseSigningKey` on the key; for a bundle that is a signature `supply:Sign` as well. Predicates of known
/// types are held to their form: SLSA provenance, test results, scans, OpenVEX, releases, deployments (docs/supply-chain.md).
#[utoipa::path(post, path = "/artifacts/attest", tag = "artifacts", request_body = AttestRequest,
    responses((status = 201, body = AttestedArtifact),
        (status = 404, description = "There is no such artifact, or no such key."),
        (status = 501, description = "No key ring is configured: there are no signing keys."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn attest_artifact(
    State(app): State<Arc<App>>,
    permitted: Permitted<AttestArtifact>,
    Posted { body: mut request, once }: Posted<AttestRequest>,
) -> Result<Answer, Refusal> {
    let name = artifact::name(&request.artifact)?;
    let said = request.said()?;
    let permit = app.authority.authorize(permitted.permit.caller(), Action::Attest, name.resource()).await?;
    if let Said::Ours { key, .. } = &said {
        artifact::use_key(&app, &permit, key).await?;
    }
    let work = async || {
        let found = artifact::look_up(&app, permit.clone(), &name).await?;
        let attested = carry_out(&app, &found.permit, &found.artifact, said).await?;
        Answer::json(StatusCode::CREATED, &attested)
    };
    once.carry_out_elsewhere(&app, &permit, work).await
}

async fn carry_out(
    app: &App,
    permit: &Permit,
    artifact: &crate::supply_chain::artifact::Artifact,
    said: Said,
) -> Result<AttestedArtifact> {
    let found = FoundArtifact::from(artifact);
    match said {
        Said::Submitted(submitted, form) => {
            let (made, predicate_type, outcome) = attach_submitted(app, permit, artifact, submitted, form).await?;
            let (attestation, verification) = (MadeDocument::from(made), Some(Verification::from(outcome)));
            Ok(AttestedArtifact { artifact: found, attestation, predicate_type, key: None, verification })
        }
        Said::Ours { predicate_type, predicate, key, form } => {
            let key = artifact::key(app, &key).await?;
            let made = attest(app, permit, artifact, &key, (&predicate_type, &predicate), form).await?;
            let (attestation, key) = (MadeDocument::from(made), Some(UsedKey::from(&*key)));
            Ok(AttestedArtifact { artifact: found, attestation, predicate_type, key, verification: None })
        }
    }
}
