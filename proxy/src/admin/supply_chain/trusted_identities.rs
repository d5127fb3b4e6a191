//! `/trusted-identities`: people and jobs whose signatures are believed because an issuer vouches for them in a certificate. What an issuer
//! says is worth as much as the trusted roots of the configuration (`supply_chain.trusted_roots`) that its certificates come from.

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
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{Index, NewTrustedSigner, StoredTrustedSigner, TrustedSigner, TrustedSignerChange};
use crate::supply_chain::keys::check_name;

asks! { "trusted_identity":
    /// Asks for all identities.
    ListTrustedIdentities: ListTrustedSigners, |_| Resource::Service;
    /// Asks for one.
    GetTrustedIdentity: GetTrustedSigner, |name| Resource::managed("trusted-identity", name);
    /// Asks to believe one.
    AddTrustedIdentity: AddTrustedSigner, |_| Resource::Service;
    /// Asks to change from when and until when one is believed.
    UpdateTrustedIdentity: UpdateTrustedSigner, |name| Resource::managed("trusted-identity", name);
    /// Asks to revoke one.
    RevokeTrustedIdentity: UpdateTrustedSigner, |name| Resource::managed("trusted-identity", name);
    /// Asks to forget one.
    DeleteTrustedIdentity: DeleteTrustedSigner, |name| Resource::managed("trusted-identity", name);
}

/// Bytes of an issuer's URL, and of the pattern of a subject.
const ISSUER: usize = 512;
const SUBJECT: usize = 1024;

/// A trusted identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedIdentity {
    /// The name by which rules and reports know it, as `identity/<name>`.
    #[schema(example = "acme-ci")]
    name: String,
    /// The id, made of issuer and subject.
    id: String,
    /// The issuer's URL, as certificates have it.
    #[schema(example = "https://token.actions.githubusercontent.com")]
    issuer: String,
    /// The subject of certificates: a mail address or a URI, in which `*` stands for any run of characters and `?` for one.
    #[schema(example = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*")]
    subject: String,
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

impl From<StoredTrustedSigner> for TrustedIdentity {
    fn from(stored: StoredTrustedSigner) -> Self {
        let id = id_of(&stored.signer);
        let (issuer, subject) = match stored.signer {
            TrustedSigner::Identity(issuer, subject) => (issuer, subject),
            TrustedSigner::Key(_) => Default::default(),
        };
        Self {
            name: stored.name,
            id,
            issuer,
            subject,
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

/// The id of an identity: SHA-256 of issuer and subject, each with its length.
fn id_of(signer: &TrustedSigner) -> String {
    match signer {
        TrustedSigner::Identity(issuer, subject) => {
            Digest::of(format!("{} {issuer} {} {subject}", issuer.len(), subject.len()).as_bytes()).hex()
        }
        TrustedSigner::Key(fingerprint) => fingerprint.clone(),
    }
}

/// A page of trusted identities by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedIdentities {
    /// The identities.
    trusted_identities: Vec<TrustedIdentity>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// An identity that shall be believed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTrustedIdentity {
    /// The name: 1 to 128 lower-case letters, digits, dots, dashes and underscores.
    #[schema(example = "acme-ci", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    name: String,
    /// The issuer's whole URL, as certificates have it.
    #[schema(
        example = "https://token.actions.githubusercontent.com",
        max_length = 512,
        pattern = r"^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._/-]*)?$"
    )]
    issuer: String,
    /// The subject of certificates: a mail address or a URI; `*` stands for any run of characters and `?` for one. It must not be wildcards alone.
    #[schema(
        example = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*",
        max_length = 1024,
        pattern = r"^[!-~]*[!-)+->@-~][!-~]*$"
    )]
    subject: String,
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

/// List trusted identities.
#[utoipa::path(get, path = "/trusted-identities", tag = "trust", params(SignerPage), responses((status = 200, body = TrustedIdentities)))]
pub(super) async fn list_trusted_identities(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListTrustedIdentities>,
    page: Result<Query<SignerPage>, QueryRejection>,
) -> Result<Json<TrustedIdentities>, Refusal> {
    let Query(page) = page?;
    let after = page.after()?;
    let behind = after.as_ref().map(|(name, signer)| (name.as_str(), signer));
    let found = app.index.trusted_signers_of_kind(false, behind, page.limit()?).await?;
    let next = found.signers.last().filter(|_| found.truncated).map(next).transpose()?;
    Ok(Json(TrustedIdentities {
        trusted_identities: found.signers.into_iter().map(TrustedIdentity::from).collect(),
        next,
    }))
}

/// Believe an identity.
#[utoipa::path(post, path = "/trusted-identities", tag = "trust", request_body = NewTrustedIdentity,
    responses((status = 201, body = TrustedIdentity, headers(("Location" = String, description = "Where the identity is."),
            ("ETag" = String, description = "Its version."))),
        (status = 409, description = "There are 500 trusted identities.")))]
pub(super) async fn add_trusted_identity(
    State(app): State<Arc<App>>,
    permitted: Permitted<AddTrustedIdentity>,
    Posted { body: new, once }: Posted<NewTrustedIdentity>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    check_name(&new.name)?;
    check_identity(&new.issuer, &new.subject)?;
    let signer = TrustedSigner::Identity(new.issuer, new.subject);
    let (id, by) = (id_of(&signer), permit.principal().to_string());
    let record = permit.recorded(Kind::Operation).map(|record| record.reference(&new.name).answered(200, None));
    let answer = once.carry_out(&app, permit, async |index| {
        let row = NewTrustedSigner {
            name: &new.name,
            signer: &signer,
            public_key: &[],
            description: &new.description,
            valid_from: new.valid_from,
            valid_to: new.valid_to,
            created_by: &by,
        };
        index.add_trusted_signer(row, record.as_slice()).await?;
        let made = stored(&index, &new.name, &id).await?;
        let location = format!("{BASE}/trusted-identities/{}/{id}", new.name);
        let version = etag(made.version);
        Answer::json(StatusCode::CREATED, &TrustedIdentity::from(made))?
            .with(header::LOCATION, &location)?
            .with(header::ETAG, &version)
    });
    let answer = answer.await?;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Show a trusted identity.
#[utoipa::path(get, path = "/trusted-identities/{trusted_identity}/{identity}", tag = "trust",
    params(("trusted_identity" = String, Path, description = "The name."), ("identity" = String, Path, description = "The id.")),
    responses((status = 200, body = TrustedIdentity, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and id.")))]
pub(super) async fn get_trusted_identity(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetTrustedIdentity>,
    Path((name, id)): Path<(String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    show(&app, &name, &id).await
}

/// Say from when and until when an identity is believed.
#[utoipa::path(put, path = "/trusted-identities/{trusted_identity}/{identity}", tag = "trust",
    params(("trusted_identity" = String, Path, description = "The name."), ("identity" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = SignerValidity,
    responses((status = 200, body = TrustedIdentity, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name and id."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn change_trusted_identity(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateTrustedIdentity>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<SignerValidity>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(validity) = body?;
    let change = TrustedSignerChange::Validity(validity.valid_from, validity.valid_to);
    let expected = expected_identity(&app, &name, &id, &headers).await?;
    let record = permitted.permit.record().map(|record| record.reference(&id));
    let signer = stored(&app.index, &name, &id).await?.signer;
    app.index.change_trusted_signer(&name, &signer, &change, expected, record.as_slice()).await?;
    app.trust.refresh(&app.index).await?;
    show(&app, &name, &id).await
}

/// Revoke a trusted identity: nothing that it has signed is believed any more, and reports say why.
#[utoipa::path(post, path = "/trusted-identities/{trusted_identity}/{identity}/revoke", tag = "trust",
    params(("trusted_identity" = String, Path, description = "The name."), ("identity" = String, Path, description = "The id.")),
    request_body = RevocationReason,
    responses((status = 200, body = TrustedIdentity), (status = 404, description = "There is none of this name and id.")))]
pub(super) async fn revoke_trusted_identity(
    State(app): State<Arc<App>>,
    permitted: Permitted<RevokeTrustedIdentity>,
    Path((name, id)): Path<(String, String)>,
    Posted { body: revocation, once }: Posted<RevocationReason>,
) -> Result<Answer, Refusal> {
    let change = TrustedSignerChange::Revoke(revocation.reason);
    let record = permitted.permit.record().map(|record| record.reference(&id));
    let signer = stored(&app.index, &name, &id).await?.signer;
    let answer = once.carry_out(&app, &permitted.permit, async |index| {
        index.change_trusted_signer(&name, &signer, &change, None, record.as_slice()).await?;
        Answer::json(StatusCode::OK, &TrustedIdentity::from(stored(&index, &name, &id).await?))
    });
    let answer = answer.await?;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Forget a trusted identity: what it has signed is of somebody whom nobody knows.
#[utoipa::path(delete, path = "/trusted-identities/{trusted_identity}/{identity}", tag = "trust",
    params(("trusted_identity" = String, Path, description = "The name."), ("identity" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is none of this name and id."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_trusted_identity(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteTrustedIdentity>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let expected = expected_identity(&app, &name, &id, &headers).await?;
    let record = permitted.permit.record().map(|record| record.reference(&id));
    let signer = stored(&app.index, &name, &id).await?.signer;
    app.index.change_trusted_signer(&name, &signer, &TrustedSignerChange::Delete, expected, record.as_slice()).await?;
    app.trust.refresh(&app.index).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The issuer must be a URL, and the subject say more than "anybody".
fn check_identity(issuer: &str, subject: &str) -> Result<()> {
    let wrong =
        |field: &'static str, text: &'static str| Err(Error::new(Code::InvalidArgument, text).with("field", field));
    let url =
        url::Url::parse(issuer).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    if url.is_none() || issuer.len() > ISSUER || issuer.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return wrong("issuer", "The issuer is an http or https URL of at most 512 bytes.");
    }
    if subject.len() > SUBJECT || subject.chars().any(char::is_control) {
        return wrong("subject", "The subject has at most 1,024 bytes, and no control characters.");
    }
    if subject.chars().all(|c| matches!(c, '*' | '?') || c.is_whitespace()) {
        return wrong(
            "subject",
            "The subject must not be empty or wildcards alone: everybody of the issuer would be believed.",
        );
    }
    Ok(())
}

async fn stored(index: &Index, name: &str, id: &str) -> Result<StoredTrustedSigner> {
    let is_it = |signer: &StoredTrustedSigner| {
        matches!(signer.signer, TrustedSigner::Identity(..)) && id_of(&signer.signer) == id
    };
    let found = index.trusted_signers_of(name).await?.into_iter().find(is_it);
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, "There is no such trusted identity."))
}

async fn show(app: &App, name: &str, id: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    let identity = TrustedIdentity::from(stored(&app.index, name, id).await?);
    Ok(([(header::ETAG, etag(identity.version))], Json(identity)))
}

async fn expected_identity(app: &App, name: &str, id: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    let current = async || match stored(&app.index, name, id).await {
        Ok(found) => Ok(Some(found.version)),
        Err(error) if error.code() == Code::NoSuchEntity => Ok(None),
        Err(error) => Err(error),
    };
    expected(headers, current).await
}
