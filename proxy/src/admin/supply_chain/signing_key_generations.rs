//! `/signing-keys/{signing_key}/generations/{generation}`: one key of a name: disabled, enabled, ended, revoked, taken out.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::Resource;

use super::signing_key::{SigningKey, expected_key, generation, show, stored};
use crate::admin::answer::Answer;
use crate::admin::caller::asks;
use crate::admin::idempotency::Posted;
use crate::admin::text::text;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::config::Secret;
use crate::error::{Code, Error, Result};
use crate::index::SigningKeyChange;

asks! { "signing_key":
    /// Asks for one generation.
    GetSigningKeyGeneration: GetSigningKey, |name| Resource::managed("signing-key", name);
    /// Asks to change one.
    UpdateSigningKey: UpdateSigningKey, |name| Resource::managed("signing-key", name);
    /// Asks to revoke one.
    RevokeSigningKey: RevokeSigningKey, |name| Resource::managed("signing-key", name);
    /// Asks for its private half.
    ExportSigningKey: ExportSigningKey, |name| Resource::managed("signing-key", name);
}

/// What shall become of a generation: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"disabled": true, "reason": "It may have been seen by somebody."}))]
pub(super) struct SigningKeyUpdate {
    /// Disables it: it neither signs nor is it believed; or enables it again. A generation that others have followed does not sign again.
    #[serde(default)]
    disabled: Option<bool>,
    /// Why it is disabled or enabled.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: String,
    /// Until when what it has signed is believed; null: for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_to: Option<Option<OffsetDateTime>>,
}

/// Why something is revoked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationReason {
    /// Why.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(super) reason: String,
}

/// What a private key is taken out with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// The password that it is encrypted with: 8 to 1024 bytes.
    #[schema(value_type = String, min_length = 8, max_length = 1024)]
    password: Secret,
}

/// A private key that was taken out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportedSigningKey {
    /// The key as cosign encrypts it (`ENCRYPTED SIGSTORE PRIVATE KEY`).
    private_key: String,
}

/// A field that was given, null or not.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(deserializer).map(Some)
}

/// Show one generation of a signing key.
#[utoipa::path(get, path = "/signing-keys/{signing_key}/generations/{generation}", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."), ("generation" = i32, Path, description = "The number.", minimum = 1)),
    responses((status = 200, body = SigningKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and number.")))]
pub(super) async fn get_signing_key_generation(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetSigningKeyGeneration>,
    Path((name, number)): Path<(String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    show(&app, &name, generation(&number)?).await
}

/// Disable or enable a generation, or say until when it is believed. On every replica it holds within five seconds.
#[utoipa::path(patch, path = "/signing-keys/{signing_key}/generations/{generation}", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."), ("generation" = i32, Path, description = "The number.", minimum = 1),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = SigningKeyUpdate,
    responses((status = 200, body = SigningKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and number."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn change_signing_key_generation(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateSigningKey>,
    Path((name, number)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<SigningKeyUpdate>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(update) = body?;
    let number = generation(&number)?;
    let change = match (update.disabled, update.valid_to) {
        (Some(true), None) => SigningKeyChange::Disable(update.reason),
        (Some(false), None) => SigningKeyChange::Enable(update.reason),
        (None, Some(end)) => SigningKeyChange::Expire(end),
        _ => {
            let text = "Give either disabled or valid_to.";
            return Err(Error::new(Code::InvalidArgument, text).with("field", "disabled").into());
        }
    };
    let expected = expected_key(&app, &name, number, &headers).await?;
    let record = permitted.permit.record().map(|record| record.reference(&number.to_string()));
    app.signing_keys()?.change(&name, number, &change, expected, record.as_slice()).await?;
    app.trust.refresh(&app.index).await?;
    show(&app, &name, number).await
}

/// Revoke a generation for good: nothing that it has signed is believed any more, and its private key is deleted.
#[utoipa::path(post, path = "/signing-keys/{signing_key}/generations/{generation}/revoke", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."), ("generation" = i32, Path, description = "The number.", minimum = 1)),
    request_body = RevocationReason,
    responses((status = 200, body = SigningKey), (status = 404, description = "There is none of this name and number."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn revoke_signing_key_generation(
    State(app): State<Arc<App>>,
    permitted: Permitted<RevokeSigningKey>,
    Path((name, number)): Path<(String, String)>,
    Posted { body: revocation, once }: Posted<RevocationReason>,
) -> Result<Answer, Refusal> {
    let (number, keys) = (generation(&number)?, app.signing_keys()?);
    let change = SigningKeyChange::Revoke(revocation.reason);
    let record = permitted.permit.record().map(|record| record.reference(&number.to_string()));
    let answer = once.carry_out(&app, &permitted.permit, async |index| {
        keys.within(&index).change(&name, number, &change, None, record.as_slice()).await?;
        let revoked = index.signing_key(&name, number).await?.ok_or(Code::NoSuchEntity)?;
        Answer::json(StatusCode::OK, &SigningKey::from(revoked))
    });
    let answer = answer.await?;
    keys.forget(&name).await;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Take a private key out, encrypted as cosign does it. Only where the key was made to be exportable; on record before it is answered.
#[utoipa::path(post, path = "/signing-keys/{signing_key}/generations/{generation}/export", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."), ("generation" = i32, Path, description = "The number.", minimum = 1)),
    request_body = Export,
    responses((status = 200, body = ExportedSigningKey), (status = 404, description = "There is none of this name and number."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn export_signing_key_generation(
    State(app): State<Arc<App>>,
    permitted: Permitted<ExportSigningKey>,
    Path((name, number)): Path<(String, String)>,
    Posted { body: export, once }: Posted<Export>,
) -> Result<Answer, Refusal> {
    let (permit, number, keys) = (&permitted.permit, generation(&number)?, app.signing_keys()?);
    stored(&app, &name, number).await?;
    let record = permit.record().map(|record| record.reference(&number.to_string()));
    let exported = async || {
        let private_key = keys.export(&name, number, export.password, record.as_slice()).await?;
        let answer = ExportedSigningKey { private_key: private_key.as_str().to_owned() };
        Ok(Answer::json(StatusCode::OK, &answer)?.secret())
    };
    once.carry_out_elsewhere(&app, permit, exported).await
}
