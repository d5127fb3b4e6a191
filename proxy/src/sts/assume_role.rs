//! AssumeRole: credentials of a role, for whoever is known by credentials already (AWS STS API Reference).

use zas_policy::{Action, Identity, Principal, Session};

use super::From;
use super::answer::Answer;
use super::parameters::Parameters;
use super::session::{Asking, Chain, assumed};
use crate::error::{Code, Result};
use crate::s3::signature::Asker;

pub(super) async fn assume_role(from: From<'_>, mut parameters: Parameters) -> Result<Answer> {
    if from.principal.is_anonymous() {
        return Err(Code::Unauthenticated.into());
    }
    let asking = Asking::take(&mut parameters)?;
    parameters.finish()?;
    let chain = chain(&from)?;
    let identity = identity(&from.principal);
    let session = assumed(from, Action::AssumeRole, asking, identity, chain).await?;
    Ok(session.written(Answer::new("AssumeRole")))
}

/// A session of a session stands in its chain, and lasts no longer than that may; a token or a key begins one.
fn chain(from: &From<'_>) -> Result<Chain> {
    match from.asker {
        Asker::Nobody => Err(Code::Unauthenticated.into()),
        Asker::Bearer(bearer) => Ok(Chain::of_token(bearer)),
        Asker::Signer(signer) => Ok(match (&signer.session, session_of(&from.principal)) {
            (Some(open), Some(session)) => Chain::of_session(open, session),
            _ => Chain::of_key(&signer.access_key_id),
        }),
    }
}

fn session_of(principal: &Principal) -> Option<&Session> {
    match principal {
        Principal::Identity(identity) => identity.session.as_ref(),
        Principal::Root { .. } | Principal::Anonymous => None,
    }
}

fn identity(principal: &Principal) -> Identity {
    match principal {
        Principal::Identity(identity) => (**identity).clone(),
        other => Identity { id: other.to_string(), name: other.to_string(), ..Identity::default() },
    }
}
