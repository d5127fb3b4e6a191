//! `/trusted-keys`: public keys of others whose signatures are believed. A name may have several, so that its holder can rotate.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::Resource;

use super::signer::{SignerPage, SignerValidity, next};
use super::signing_key_generations::RevocationReason;
use crate::admin::answer::Answer;
use crate::admin::caller::asks;
use crate::admin::etag::{etag, expected};
use crate::admin::idempotency::Posted;
use crate::admin::text::text;
use crate::admin::{BASE, Permitted, Refusal};
use crate::app::App;
use crate::audit::Kind;
use crate::error::{Code, Error, Result};
use crate::index::{Index, NewTrustedSigner, StoredTrustedSigner, TrustedSigner, TrustedSignerChange};
use crate::supply_chain::keys::{PublicKey, check_name};

asks! { "trusted_key":
    /// Asks for all keys.
    ListTrustedKeys: ListTrustedSigners, |_| Resource::Service;
    /// Asks for one.
    GetTrustedKey: GetTrustedSigner, |name| Resource::managed("trusted-key", name);
    /// Asks to believe one.
    AddTrustedKey: AddTrustedSigner, |_| Resource::Service;
    /// Asks to change from when and until when one is believed.
    UpdateTrustedKey: UpdateTrustedSigner, |name| Resource::managed("trusted-key", name);
    /// Asks to revoke one.
    RevokeTrustedKey: UpdateTrustedSigner, |name| Resource::managed("trusted-key", name);
    /// Asks to forget one.
    DeleteTrustedKey: DeleteTrustedSigner, |name| Resource::managed("trusted-key", name);
}

/// A trusted key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedKey {
    /// The name by which rules and reports know its holder, as `key/<name>`.
    #[schema(example = "acme")]
    name: String,
    /// SHA-256 of the key in DER.
    fingerprint: String,
    /// The key as PEM.
    public_key: String,
    /// Who that is.
    description: String,
    /// From when on it is believed; null: always.
    #[serde(with = "time::serde::rfc3339::option")]
    valid_from: Option<OffsetDateTime>,
    /// Until when; null: for ever.
    #[serde(with = "time::serde::rfc3339::option")]
    valid_to: Option<OffsetDateTime>,
    /// Since when it is not believed any more, whatever it has signed when.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// Why.
    reason: String,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// By whom.
    created_by: String,
    /// Grows with each change; as `ETag`, in quotes.
    version: i64,
}

impl From<StoredTrustedSigner> for TrustedKey {
    fn from(stored: StoredTrustedSigner) -> Self {
        let fingerprint = match stored.signer {
            TrustedSigner::Key(fingerprint) => fingerprint,
            TrustedSigner::Identity(..) => String::new(),
        };
        Self {
            name: stored.name,
            fingerprint,
            public_key: PublicKey::pem_of(&stored.public_key),
            description: stored.description,
            valid_from: stored.valid_from,
            valid_to: stored.valid_to,
            revoked_at: stored.revoked_at,
            reason: stored.reason,
            created_at: stored.created_at,
            created_by: stored.created_by,
            version: stored.version,
        }
    }
}

/// A page of trusted keys by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedKeys {
    /// The keys.
    trusted_keys: Vec<TrustedKey>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// A key that shall be believed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTrustedKey {
    /// The name of its holder: 1 to 128 lower-case letters, digits, dots, dashes and underscores.
    #[schema(example = "acme", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    name: String,
    /// The public key as PEM: P-256, P-384, P-521, RSA from 2,048 bits on, or Ed25519.
    #[schema(max_length = 16384)]
    public_key: String,
    /// Who that is.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// From when on it is believed; unset: always.
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_from: Option<OffsetDateTime>,
    /// Until when; unset: for ever.
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_to: Option<OffsetDateTime>,
}

/// List trusted keys.
#[utoipa::path(get, path = "/trusted-keys", tag = "trust", params(SignerPage), responses((status = 200, body = TrustedKeys)))]
pub(super) async fn list_trusted_keys(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListTrustedKeys>,
    page: Result<Query<SignerPage>, QueryRejection>,
) -> Result<Json<TrustedKeys>, Refusal> {
    let Query(page) = page?;
    let after = page.after()?;
    let behind = after.as_ref().map(|(name, signer)| (name.as_str(), signer));
    let found = app.index.trusted_signers_of_kind(true, behind, page.limit()?).await?;
    let next = found.signers.last().filter(|_| found.truncated).map(next).transpose()?;
    Ok(Json(TrustedKeys { trusted_keys: found.signers.into_iter().map(TrustedKey::from).collect(), next }))
}

/// Believe a key.
#[utoipa::path(post, path = "/trusted-keys", tag = "trust", request_body = NewTrustedKey,
    responses((status = 201, body = TrustedKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 409, description = "There are 500 trusted keys.")))]
pub(super) async fn add_trusted_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<AddTrustedKey>,
    Posted { body: new, once }: Posted<NewTrustedKey>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    check_name(&new.name)?;
    let key = PublicKey::from_pem(&new.public_key).map_err(|error| Error::from(error).with("field", "public_key"))?;
    let (fingerprint, by) = (key.fingerprint().hex(), permit.principal().to_string());
    let record = permit.recorded(Kind::Operation).map(|record| record.reference(&new.name).answered(200, None));
    let answer = once.carry_out(&app, permit, async |index| {
        let signer = TrustedSigner::Key(fingerprint.clone());
        let row = NewTrustedSigner {
            name: &new.name,
            signer: &signer,
            public_key: key.der(),
            description: &new.description,
            valid_from: new.valid_from,
            valid_to: new.valid_to,
            created_by: &by,
        };
        index.add_trusted_signer(row, record.as_slice()).await?;
        let made = stored(&index, &new.name, &fingerprint).await?;
        let location = format!("{BASE}/trusted-keys/{}/{fingerprint}", new.name);
        let version = etag(made.version);
        Answer::json(StatusCode::CREATED, &TrustedKey::from(made))?
            .with(header::LOCATION, &location)?
            .with(header::ETAG, &version)
    });
    let answer = answer.await?;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Show a trusted key.
#[utoipa::path(get, path = "/trusted-keys/{trusted_key}/{fingerprint}", tag = "trust",
    params(("trusted_key" = String, Path, description = "The name."), ("fingerprint" = String, Path, description = "The fingerprint.")),
    responses((status = 200, body = TrustedKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and fingerprint.")))]
pub(super) async fn get_trusted_key(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetTrustedKey>,
    Path((name, fingerprint)): Path<(String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    show(&app, &name, &fingerprint).await
}

/// Say from when and until when a key is believed.
#[utoipa::path(put, path = "/trusted-keys/{trusted_key}/{fingerprint}", tag = "trust",
    params(("trusted_key" = String, Path, description = "The name."), ("fingerprint" = String, Path, description = "The fingerprint."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = SignerValidity,
    responses((status = 200, body = TrustedKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and fingerprint."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn change_trusted_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateTrustedKey>,
    Path((name, fingerprint)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<SignerValidity>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(validity) = body?;
    let change = TrustedSignerChange::Validity(validity.valid_from, validity.valid_to);
    let expected = expected_key(&app, &name, &fingerprint, &headers).await?;
    let record = permitted.permit.record().map(|record| record.reference(&fingerprint));
    let signer = TrustedSigner::Key(fingerprint.clone());
    app.index.change_trusted_signer(&name, &signer, &change, expected, record.as_slice()).await?;
    app.trust.refresh(&app.index).await?;
    show(&app, &name, &fingerprint).await
}

/// Revoke a trusted key: nothing that it has signed is believed any more, and reports say why.
#[utoipa::path(post, path = "/trusted-keys/{trusted_key}/{fingerprint}/revoke", tag = "trust",
    params(("trusted_key" = String, Path, description = "The name."), ("fingerprint" = String, Path, description = "The fingerprint.")),
    request_body = RevocationReason,
    responses((status = 200, body = TrustedKey), (status = 404, description = "There is none of this name and fingerprint.")))]
pub(super) async fn revoke_trusted_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<RevokeTrustedKey>,
    Path((name, fingerprint)): Path<(String, String)>,
    Posted { body: revocation, once }: Posted<RevocationReason>,
) -> Result<Answer, Refusal> {
    let change = TrustedSignerChange::Revoke(revocation.reason);
    let record = permitted.permit.record().map(|record| record.reference(&fingerprint));
    let signer = TrustedSigner::Key(fingerprint.clone());
    let answer = once.carry_out(&app, &permitted.permit, async |index| {
        index.change_trusted_signer(&name, &signer, &change, None, record.as_slice()).await?;
        Answer::json(StatusCode::OK, &TrustedKey::from(stored(&index, &name, &fingerprint).await?))
    });
    let answer = answer.await?;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Forget a trusted key: what it has signed is of a key that nobody knows.
#[utoipa::path(delete, path = "/trusted-keys/{trusted_key}/{fingerprint}", tag = "trust",
    params(("trusted_key" = String, Path, description = "The name."), ("fingerprint" = String, Path, description = "The fingerprint."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is none of this name and fingerprint."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_trusted_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteTrustedKey>,
    Path((name, fingerprint)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let expected = expected_key(&app, &name, &fingerprint, &headers).await?;
    let record = permitted.permit.record().map(|record| record.reference(&fingerprint));
    let signer = TrustedSigner::Key(fingerprint);
    app.index.change_trusted_signer(&name, &signer, &TrustedSignerChange::Delete, expected, record.as_slice()).await?;
    app.trust.refresh(&app.index).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stored(index: &Index, name: &str, fingerprint: &str) -> Result<StoredTrustedSigner> {
    let wanted = TrustedSigner::Key(fingerprint.to_owned());
    let found = index.trusted_signers_of(name).await?.into_iter().find(|signer| signer.signer == wanted);
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, "There is no such trusted key."))
}

async fn show(app: &App, name: &str, fingerprint: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    let key = TrustedKey::from(stored(&app.index, name, fingerprint).await?);
    Ok(([(header::ETAG, etag(key.version))], Json(key)))
}

async fn expected_key(app: &App, name: &str, fingerprint: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    let current = async || match stored(&app.index, name, fingerprint).await {
        Ok(found) => Ok(Some(found.version)),
        Err(error) if error.code() == Code::NoSuchEntity => Ok(None),
        Err(error) => Err(error),
    };
    expected(headers, current).await
}
