//! GetCallerIdentity: who am I? Everybody who is known may ask (AWS STS API Reference).

use zas_policy::{Action, Principal, Resource};

use super::answer::Answer;
use super::parameters::Parameters;
use super::{From, session};
use crate::authz::{Caller, Conditions};
use crate::error::Result;

/// SDKs expect an account of twelve digits; there is one account here.
const ACCOUNT: &str = "000000000000";

pub(super) async fn get_caller_identity(from: From<'_>, parameters: &Parameters) -> Result<Answer> {
    parameters.finish()?;
    let caller = Caller::new(from.principal, from.trail, Conditions::of(from.headers));
    let permit = from.app.authority.authorize(&caller, Action::GetCallerIdentity, Resource::Service).await?;
    if let Some(record) = permit.record() {
        from.app.journal.record(record).await?;
    }
    let principal = permit.principal();
    let id = match principal {
        Principal::Identity(identity) => match &identity.session {
            Some(session) => format!("{}:{}", identity.access_key_id.as_deref().unwrap_or_default(), session.name),
            None => identity.id.clone(),
        },
        other => other.to_string(),
    };
    let arn = session::arn(principal);
    Ok(Answer::new("GetCallerIdentity").with("Arn", &arn).with("UserId", &id).with("Account", ACCOUNT))
}
