//! What a client has signed itself: looked at, and attached where it is about the artifact.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::timeout;

use super::{Form, Made, has_only_legacy, legacy};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::attach::{NewReferrerDocument, attach};
use crate::supply_chain::bundle::{Bundle, Content};
use crate::supply_chain::dsse::{self, Envelope};
use crate::supply_chain::legacy::Layer;
use crate::supply_chain::manifest::bundle_referrer;
use crate::supply_chain::predicate;
use crate::supply_chain::statement::{COSIGN_SIGN_V1, Statement};
use crate::supply_chain::verify::{Accept, Evidence, Expected, Outcome};

/// A document that a client has signed.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// A sigstore bundle.
    Bundle(Vec<u8>),
    /// A DSSE envelope by itself.
    Envelope(Vec<u8>),
}

/// What was read of it.
struct Read {
    envelope: Envelope,
    predicate_type: String,
}

impl Submitted {
    /// What it says, where it says it of the artifact and in the form that its type wants.
    fn read(&self, artifact: &Artifact) -> Result<Read> {
        let envelope = match self {
            Self::Envelope(json) => Envelope::parse(json)?,
            Self::Bundle(json) => match Bundle::parse(json)?.content {
                Content::Envelope(envelope) => envelope,
                Content::Message { .. } => {
                    return Err(wrong(
                        "The bundle holds no statement but a signature over bytes: push it with cosign.",
                    ));
                }
            },
        };
        if envelope.payload_type != dsse::IN_TOTO {
            return Err(wrong("What is signed is no in-toto statement."));
        }
        let statement = Statement::parse(&envelope.payload)?;
        if statement.matching(&artifact.digests()).next().is_none() {
            return Err(wrong("The statement is about another artifact: no subject has its SHA-256."));
        }
        let predicate = serde_json::from_str(statement.predicate.get()).map_err(Error::internal)?;
        predicate::check(&statement.predicate_type, &predicate)?;
        Ok(Read { envelope, predicate_type: statement.predicate_type })
    }
}

/// Attaches a document that a client has signed; the predicate type of its statement, and whether one of those whom we believe has
/// signed it. Nobody need be believed for it to be attached: whoever relies on it verifies it. `form` is what the client has asked for by
/// name: a bundle that would hide older signatures is attached only so.
///
/// # Errors
/// `InvalidArgument`: it cannot be read, is about something else, or its predicate has not the form of its type; `InvalidRequest`: it would
/// hide older signatures; those of [`attach`](crate::supply_chain::attach::attach).
pub async fn attach_submitted(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    submitted: Submitted,
    form: Option<Form>,
) -> Result<(Made, String, Outcome)> {
    let Read { envelope, predicate_type } = submitted.read(artifact)?;
    if matches!(submitted, Submitted::Bundle(_)) && form.is_none() && has_only_legacy(app, artifact).await? {
        let text = "The artifact has signatures or attestations for older clients alone, which a bundle would hide from cosign: send the envelope by \
                    itself, or say form `bundle` to attach it all the same.";
        return Err(Error::new(Code::InvalidRequest, text).with("field", "form"));
    }
    let outcome = verify(app, artifact, &submitted, &envelope).await?;
    let made = match &submitted {
        Submitted::Bundle(json) => {
            let now = OffsetDateTime::now_utc();
            let referrer = bundle_referrer(&artifact.descriptor(), json, &predicate_type, now)?;
            let document = NewReferrerDocument::referrer(referrer).noted("signed by the client");
            let attached = attach(app, permit, artifact, document).await?;
            Made { digest: attached.digest, form: Form::Bundle, tag: None }
        }
        // Without what a bundle says of who has signed, it is what older clients attach.
        Submitted::Envelope(_) if predicate_type == COSIGN_SIGN_V1 => {
            return Err(wrong("A signature is attached as a bundle."));
        }
        Submitted::Envelope(_) => {
            let note = "signed by the client";
            legacy::append_envelope(app, permit, artifact, &envelope, &predicate_type, note).await?
        }
    };
    Ok((made, predicate_type, outcome))
}

/// Whether the document is signed by somebody whom we believe: beside the requests and in turn with all that is verified, for every key
/// may be tried on all of it.
async fn verify(app: &App, artifact: &Artifact, submitted: &Submitted, envelope: &Envelope) -> Result<Outcome> {
    let evidence = match submitted {
        Submitted::Bundle(json) => Evidence::Bundle(json.clone()),
        Submitted::Envelope(_) => Evidence::Legacy(Layer {
            media_type: dsse::MEDIA_TYPE.to_owned(),
            bytes: envelope.to_json()?,
            annotations: Default::default(),
        }),
    };
    let (digests, snapshot) = (artifact.digests(), app.trust.current()?);
    let now = OffsetDateTime::now_utc();
    let turn = timeout(app.config.supply_chain.verification_timeout, Arc::clone(&app.judging).acquire_owned()).await;
    let turn = turn.map_err(|_| Error::from(Code::SlowDown))?.map_err(Error::internal)?;
    let work = move || {
        let expected = Expected { artifacts: &digests, accept: Accept::Anything, repository: None, bytes: None, now };
        let outcome = snapshot.verifier.verify(&evidence, &expected);
        drop(turn);
        outcome
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

fn wrong(text: &'static str) -> Error {
    Error::new(Code::InvalidArgument, text)
}
