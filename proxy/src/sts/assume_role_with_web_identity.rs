//! AssumeRoleWithWebIdentity: credentials of a role, for whoever an issuer's token speaks of. It needs no signature (AWS STS API
//! Reference).

use zas_policy::{Action, Identity, Principal};

use super::From;
use super::answer::Answer;
use super::parameters::Parameters;
use super::session::{Asking, Chain, assumed};
use crate::error::{Error, Result};

pub(super) async fn assume_role_with_web_identity(mut from: From<'_>, mut parameters: Parameters) -> Result<Answer> {
    let token = parameters.require("WebIdentityToken")?;
    let asking = Asking::take(&mut parameters)?;
    parameters.finish()?;
    let bearer = from.app.identity.token(&token).await?;
    // Who signed the request, if anybody did, does not matter: the token alone is what the trust policy asks for.
    from.principal = bearer.principal.clone();
    let Principal::Identity(identity) = &bearer.principal else {
        return Err(Error::internal("a token speaks of somebody"));
    };
    let identity = Identity::clone(identity);
    let chain = Chain::of_token(&bearer);
    let (subject, issuer) = (identity.id.clone(), identity.issuer.clone());
    let audience = identity.attributes.get("aud").and_then(|aud| aud.first()).cloned().unwrap_or_default();
    let session = assumed(from, Action::AssumeRoleWithWebIdentity, asking, identity, chain).await?;
    let answer = Answer::new("AssumeRoleWithWebIdentity")
        .with("SubjectFromWebIdentityToken", &subject)
        .with("Audience", &audience)
        .with("Provider", &issuer);
    Ok(session.written(answer))
}
