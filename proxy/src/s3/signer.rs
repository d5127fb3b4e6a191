//! Who a request is from, found before its signature is checked: by access key and session token, or by a bearer token.
//!
//! The secret is looked up once, here, and handed to `s3s` in the task of the request; that the request was signed with it is for
//! `s3s` to say.

use std::sync::Arc;

use http::header;
use http::request::Parts;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};
use zas_policy::Principal;

use super::guard;
use crate::app::App;
use crate::config::Secret;
use crate::error::{Code, Error, Result};
use crate::identity::{Authorization, Bearer, Signer, authorization};

/// The header of session tokens (AWS, "Using temporary credentials").
const SESSION_TOKEN: &str = "x-amz-security-token";

tokio::task_local! {
    /// The access key that the request of this task says to be signed with, and its secret.
    static SIGNED_WITH: (String, Secret);
}

/// Who says to ask.
#[derive(Debug, Clone)]
pub(crate) enum Asker {
    /// Nobody.
    Nobody,
    /// Whoever a bearer token speaks of: that was proven. With all that it can be revoked by.
    Bearer(Arc<Bearer>),
    /// Whoever has signed the request, if the signature is good.
    Signer(Box<Signer>),
}

/// Checks what stands in a request's header, and finds who says to ask.
///
/// # Errors
/// A code of the authentication family, or what `guard` refuses.
pub(crate) async fn asker(app: &App, parts: &mut Parts, service: guard::Service) -> Result<Asker> {
    guard::join_lists(&mut parts.headers);
    if let Some(token) = bearer(parts)? {
        let bearer = app.identity.token(token.expose()).await?;
        // `s3s` knows this header as a signature's only.
        parts.headers.remove(header::AUTHORIZATION);
        guard::check_proven(parts)?;
        return Ok(Asker::Bearer(bearer));
    }
    let Some(access_key_id) = guard::check(parts, &app.config.s3, service)? else { return Ok(Asker::Nobody) };
    let token =
        parts.headers.get(SESSION_TOKEN).map(|token| token.to_str().map_err(|_| Error::from(Code::InvalidToken)));
    let token = token.transpose()?;
    app.identity.signer(&access_key_id, token).await.map(|signer| Asker::Signer(Box::new(signer)))
}

/// Whoever a form's bearer token speaks of, where its header has one; it is taken out of it.
///
/// # Errors
/// A code of the authentication family.
pub(super) async fn bearer_of_form(app: &App, parts: &mut Parts) -> Result<Option<Arc<Bearer>>> {
    let Some(token) = bearer(parts)? else { return Ok(None) };
    let bearer = app.identity.token(token.expose()).await?;
    parts.headers.remove(header::AUTHORIZATION);
    Ok(Some(bearer))
}

/// The bearer token, where the header has one.
fn bearer(parts: &Parts) -> Result<Option<Secret>> {
    let value = parts.headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if !value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")) {
        return Ok(None);
    }
    match authorization(&parts.headers)? {
        Some(Authorization::Bearer(token)) => Ok(Some(token)),
        _ => Err(Code::AuthorizationHeaderMalformed.into()),
    }
}

impl Asker {
    /// Who it is, by what `s3s` found: the access key of a good signature, or none.
    ///
    /// # Errors
    /// `InternalError`: it found another than was asked for.
    pub(crate) fn principal(&self, signed_with: Option<&str>) -> Result<Principal> {
        match (self, signed_with) {
            (Self::Nobody, None) => Ok(Principal::Anonymous),
            (Self::Bearer(bearer), None) => Ok(bearer.principal.clone()),
            (Self::Signer(signer), Some(id)) if signer.access_key_id == id => Ok(signer.principal.clone()),
            _ => Err(Error::internal("the signature that was checked is not the one that was announced")),
        }
    }

    /// Runs what asks `s3s`, so that it finds the secret.
    pub(crate) async fn scope<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Signer(signer) => {
                SIGNED_WITH.scope((signer.access_key_id.clone(), signer.secret.clone()), future).await
            }
            Self::Nobody | Self::Bearer(_) => future.await,
        }
    }
}

/// The secret of the request's access key, for `s3s`.
pub(crate) struct Secrets;

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = SIGNED_WITH.try_with(|(id, secret)| (id == access_key).then(|| SecretKey::from(secret.expose())));
        found.ok().flatten().ok_or_else(|| S3Error::new(S3ErrorCode::InvalidAccessKeyId))
    }
}
