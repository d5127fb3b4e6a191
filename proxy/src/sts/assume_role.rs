//! AssumeRole: credentials of a role, for whoever is known by credentials already (AWS STS API Reference).

use time::OffsetDateTime;
use zas_policy::{Action, Identity, Principal};

use super::From;
use super::answer::Answer;
use super::parameters::Parameters;
use super::session::{Asking, Chain, assumed};
use crate::error::{Code, Result};
use crate::identity::LONGEST_SESSION;
use crate::s3::signature::Asker;

pub(super) async fn assume_role(from: From<'_>, mut parameters: Parameters) -> Result<Answer> {
    if from.principal.is_anonymous() {
        return Err(Code::Unauthenticated.into());
    }
    let asking = Asking::take(&mut parameters)?;
    parameters.finish()?;
    let chain = chain(&from);
    let identity = identity(&from.principal);
    let session = assumed(from, Action::AssumeRole, asking, identity, chain).await?;
    Ok(session.written(Answer::new("AssumeRole")))
}

/// A session of a session lasts no longer than its chain may; one of a key begins a chain.
fn chain(from: &From<'_>) -> Chain {
    let now = OffsetDateTime::now_utc();
    let begun = Chain {
        issued_at: now.unix_timestamp(),
        ends: now + LONGEST_SESSION,
        token_id: None,
        login_id: None,
        is_first: true,
    };
    let (Asker::Signer(signer), Principal::Identity(identity)) = (from.asker, &from.principal) else { return begun };
    match (&signer.session, &identity.session) {
        (Some(open), Some(session)) => Chain {
            issued_at: session.issued_at,
            ends: open.chain_ends,
            token_id: open.token_id.clone(),
            login_id: open.login_id.clone(),
            is_first: false,
        },
        _ => begun,
    }
}

fn identity(principal: &Principal) -> Identity {
    match principal {
        Principal::Identity(identity) => (**identity).clone(),
        other => Identity { id: other.to_string(), name: other.to_string(), ..Identity::default() },
    }
}
