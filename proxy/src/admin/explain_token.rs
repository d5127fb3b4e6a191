//! `/tokens/explain`: whom the service takes a token for, or why it does not. Whoever shows a token that nothing proves is not told what is
//! wrong with it; whoever looks after the service may ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Action, Principal};

use super::answer::Answer;
use super::idempotency::Posted;
use super::text::text;
use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::identity::Bearer;

/// Asks about a token.
pub(super) struct ExplainToken;

impl Asks for ExplainToken {
    const NAME: &'static str = "ExplainToken";
    const ACTION: Option<Action> = Some(Action::Explain);
    const ONLY_READS: bool = true;
}

/// A token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownToken {
    /// The token (JWT), as an issuer gave it. It is neither kept nor logged.
    #[serde(deserialize_with = "text::<_, 65_536>")]
    #[schema(max_length = 65_536, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    token: String,
}

/// What becomes of a token.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct TokenExplanation {
    /// Whether it is accepted.
    accepted: bool,
    /// Why not; null where it is.
    reason: Option<String>,
    /// Whom it speaks of, as logs and audit records name them; with the rest null or empty where it is not accepted.
    #[schema(example = "user/alice")]
    principal: Option<String>,
    /// Their id, unique for all time.
    id: Option<String>,
    /// Roles, as policies name them.
    roles: Vec<String>,
    /// Groups, as policies name them.
    groups: Vec<String>,
    /// Attributes, for the condition keys `jwt:<name>` and `aws:PrincipalTag/<name>`.
    attributes: BTreeMap<String, Vec<String>>,
    /// When it lapses.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

impl TokenExplanation {
    fn accepted(bearer: &Bearer) -> Self {
        let principal = Some(bearer.principal.to_string());
        let expires_at = OffsetDateTime::from_unix_timestamp(bearer.expires_at).ok();
        let Principal::Identity(identity) = &bearer.principal else {
            return Self { accepted: true, principal, expires_at, ..Self::default() };
        };
        Self {
            accepted: true,
            reason: None,
            principal,
            id: Some(identity.id.clone()),
            roles: identity.roles.clone(),
            groups: identity.groups.clone(),
            attributes: identity.attributes.clone(),
            expires_at,
        }
    }

    fn rejected(error: &Error) -> Self {
        let reason = error.log_detail().unwrap_or_else(|| error.message());
        Self { reason: Some(reason.to_owned()), ..Self::default() }
    }
}

/// Whether it is the token for which there is no answer but that it is not accepted; otherwise nobody can tell now.
const fn is_about_the_token(code: Code) -> bool {
    matches!(code, Code::BearerTokenRejected | Code::BearerTokenExpired | Code::TokenKeyUnknown)
}

/// Tell whom a token speaks of, or why it is not accepted.
#[utoipa::path(post, path = "/tokens/explain", tag = "identity", request_body = ShownToken,
    responses((status = 200, body = TokenExplanation)))]
pub(super) async fn explain_token(
    State(app): State<Arc<App>>,
    permitted: Permitted<ExplainToken>,
    Posted { body: ShownToken { token }, once }: Posted<ShownToken>,
) -> Result<Answer, Refusal> {
    let explanation = match app.identity.examine(&token).await {
        Ok(bearer) => TokenExplanation::accepted(&bearer),
        // A key that may be new is the shown token's matter too: whoever asks about it has shown no wrong credential.
        Err(error) if is_about_the_token(error.code()) => TokenExplanation::rejected(&error),
        Err(error) => return Err(error.into()),
    };
    once.carry_out(&app, &permitted.permit, async |_| Answer::json(StatusCode::OK, &explanation)).await
}
