//! `POST /artifacts/verify`: who has signed what of an artifact, and whether it passes a policy.

use std::sync::Arc;

use axum::extract::State;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;
use zas_policy::Action;

use super::artifact::{self, artifact_name, asks_in_handler};
use super::verification_schema::verification_policy;
use super::verified::VerifiedArtifact;
use crate::admin::answer::Answer;
use crate::admin::idempotency::{Once, Posted};
use crate::admin::{BASE, Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::ArtifactRef;
use crate::supply_chain::rules::rewritten;
use crate::supply_chain::verification::{Against, Question, verify};

asks_in_handler! {
    /// Asks to have an artifact verified. Which one and against what stands in the body.
    VerifyArtifact;
}

/// Which artifact, and what it is held against: one of `policy`, `document` and `signers`, or nothing.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"artifact": "s3://releases/linux/amd64/app-1.2.tgz", "policy": "release"}))]
pub(super) struct VerifyRequest {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[schema(schema_with = artifact_name)]
    artifact: String,
    /// The name of a verification policy. The verdict is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "release", max_length = 128, pattern = r"^[A-Za-z0-9+=,.@_-]{1,128}$")]
    policy: Option<String>,
    /// A verification policy that is not kept, and neither is the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = verification_policy)]
    document: Option<Box<RawValue>>,
    /// Signers, of whom enough must have signed. The verdict is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    signers: Option<Vec<String>>,
    /// How many of the signers; 1 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 64)]
    threshold: Option<usize>,
    /// Whether the answer is that it will be done, and where to come back for what came of it.
    #[serde(default, rename = "async")]
    is_async: bool,
}

/// A verification that will be carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedVerification {
    /// Its id.
    id: Uuid,
    /// Where to ask what came of it.
    location: String,
}

/// What is asked, without the words of the request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    request: VerifyRequest,
    host: Option<String>,
}

impl VerifyRequest {
    /// What the artifact is held against.
    fn against(&self) -> Result<Against> {
        let wrong =
            |field: &'static str, text: &'static str| Err(Error::new(Code::InvalidArgument, text).with("field", field));
        if self.threshold.is_some() && self.signers.is_none() {
            return wrong("threshold", "A threshold is one of signers.");
        }
        match (&self.policy, &self.document, &self.signers) {
            (None, None, None) => Ok(Against::Nothing),
            (Some(name), None, None) => Ok(Against::Policy(name.clone())),
            (None, Some(document), None) => Ok(Against::Document(rewritten(document.get())?)),
            (None, None, Some(names)) => {
                Ok(Against::Signers { names: names.clone(), threshold: self.threshold.unwrap_or(1) })
            }
            _ => wrong("policy", "Give one of policy, document and signers, or none of them."),
        }
    }
}

/// Verify an artifact: who has signed what of it, and whether it passes a policy.
///
/// Needs `supply:Verify` on the artifact. Each piece of evidence is answered with who has made it, or with the one reason why it does not count. A
/// verdict on a policy of the service is kept, signed where a key for verdicts is configured, and made again only when something has
/// changed. A bad artifact is no error: `verdict.passed` says it.
#[utoipa::path(post, path = "/artifacts/verify", tag = "artifacts", request_body = VerifyRequest,
    responses((status = 200, body = VerifiedArtifact),
        (status = 202, body = AcceptedVerification, description = "It will be carried out.",
            headers(("Location" = String, description = "Where to ask what came of it."))),
        (status = 404, description = "There is no such artifact, or no such policy."),
        (status = 501, description = "Verdicts are to be signed, and no key ring is configured."),
        (status = 503, description = "It takes longer than is waited for; too much is verified at once; a part of the service is not \
                                      available; or the object came in parts and is being read.")))]
pub(super) async fn verify_artifact(
    State(app): State<Arc<App>>,
    permitted: Permitted<VerifyArtifact>,
    Posted { body: request, once }: Posted<VerifyRequest>,
) -> Result<Answer, Refusal> {
    let name = artifact::name(&request.artifact)?;
    let against = request.against()?;
    let permit = app.authority.authorize(permitted.permit.caller(), Action::Verify, name.resource()).await?;
    let host = app.config.listen.external_host();
    if request.is_async {
        return queue(&app, &permit, &name, &Asked { request, host }, once).await;
    }
    let work = async || {
        let verified = carry_out(&app, &permit, name, against, host).await?;
        Answer::json(StatusCode::OK, &verified)
    };
    once.carry_out_elsewhere(&app, &permit, work).await
}

/// Verifies, and does not wait for ever. What was begun goes on to its end when nobody waits for it any more: a verdict that was attached
/// is kept too.
async fn carry_out(
    app: &Arc<App>,
    permit: &Permit,
    artifact: ArtifactRef,
    against: Against,
    host: Option<String>,
) -> Result<VerifiedArtifact> {
    let (work_app, permit) = (Arc::clone(app), permit.clone());
    let work = tokio::spawn(async move {
        let question = Question { artifact: &artifact, against: &against, host: host.as_deref() };
        VerifiedArtifact::of(verify(&work_app, &permit, question).await?, &against)
    });
    match timeout(app.config.supply_chain.verification_timeout, work).await {
        Ok(verified) => verified.map_err(Error::internal)?,
        Err(_) => Err(Code::VerificationPending.into()),
    }
}

async fn queue(app: &App, permit: &Permit, name: &ArtifactRef, asked: &Asked, once: Once) -> Result<Answer, Refusal> {
    let request = serde_json::to_string(asked).map_err(Error::internal)?;
    let (artifact, owner, record) = (name.to_string(), permit.principal().to_string(), permit.record());
    once.carry_out(app, permit, async |index| {
        let (id, most) = (Uuid::new_v4(), app.config.supply_chain.verification_queue);
        index.queue_verification(id, (&artifact, &request), &owner, most, record.as_slice()).await?;
        let location = format!("{BASE}/verifications/{id}");
        let accepted = AcceptedVerification { id, location: location.clone() };
        Answer::json(StatusCode::ACCEPTED, &accepted)?.with(header::LOCATION, &location)
    })
    .await
}

impl Asked {
    /// Verifies what somebody had queued, for the service itself: whoever queued it had the right then, and whoever asks what came of it is
    /// asked for theirs (docs/threat-model.md, "What does not hold").
    pub(super) async fn carry_out(
        &self,
        app: &App,
        task: &'static str,
        name: &ArtifactRef,
    ) -> Result<VerifiedArtifact> {
        let permit = app.authority.itself(task, Action::Verify, name.resource());
        let against = self.request.against()?;
        let question = Question { artifact: name, against: &against, host: self.host.as_deref() };
        VerifiedArtifact::of(verify(app, &permit, question).await?, &against)
    }
}
