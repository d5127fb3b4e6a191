//! `/signing-keys`: keys that this service signs with. A private key is never shown; where it may be taken out, it is so encrypted
//! (`signing_key_generations.rs`).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::Resource;

use super::signing_key::{KeyAlgorithm, KeyUsage, SigningKey, Source, expected_key, stored};
use crate::admin::answer::Answer;
use crate::admin::caller::asks;
use crate::admin::etag::etag;
use crate::admin::idempotency::Posted;
use crate::admin::page::PlainPage;
use crate::admin::text::text;
use crate::admin::{BASE, Permitted, Refusal};
use crate::app::App;
use crate::audit::Kind;
use crate::config::Secret;
use crate::error::{Code, Error, Result};
use crate::index::{SigningKeyState, StoredSigningKey};
use crate::supply_chain::keys::{NewSigningKey, Usage, check_name};

/// Generations that one name may have.
const GENERATIONS: u32 = 500;

asks! { "signing_key":
    /// Asks for all keys.
    ListSigningKeys: ListSigningKeys, |_| Resource::Service;
    /// Asks for one.
    GetSigningKey: GetSigningKey, |name| Resource::managed("signing-key", name);
    /// Asks for its public half.
    GetPublicKey: GetSigningKey, |name| Resource::managed("signing-key", name);
    /// Asks to make or bring one.
    CreateSigningKey: CreateSigningKey, |_| Resource::Service;
    /// Asks to make or bring the one that follows it.
    RotateSigningKey: RotateSigningKey, |name| Resource::managed("signing-key", name);
}

/// A page of signing keys by name and generation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningKeys {
    /// The keys, each generation by itself.
    signing_keys: Vec<SigningKey>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// All generations of a name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningKeyGenerations {
    /// The name.
    name: String,
    /// The generations, the first one first.
    generations: Vec<SigningKey>,
}

/// What a key shall be: made here, or brought as `private_key`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "release", "usage": "release", "description": "Signs what is released."}))]
pub(super) struct NewSigningKeyRequest {
    /// The name: 1 to 128 lower-case letters, digits, dots, dashes and underscores.
    #[schema(example = "release", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    name: String,
    /// What it may sign. cosign takes whatever a key has signed about an artifact for its signature, so that no key signs for two usages.
    usage: KeyUsage,
    /// What is made; `ecdsa-p256` where it is not said.
    #[serde(default)]
    algorithm: Option<KeyAlgorithm>,
    /// The key that is brought: PKCS#8 in PEM, or as cosign encrypts it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 16384)]
    private_key: Option<Secret>,
    /// The password of an encrypted `private_key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    password: Option<Secret>,
    /// Whether any generation of it may ever be taken out.
    #[serde(default)]
    exportable: bool,
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// Until when what it signs is believed; unset: for ever.
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_to: Option<OffsetDateTime>,
}

/// The key that follows: made here, or brought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_ends": "2027-01-31T00:00:00Z"}))]
pub(super) struct SigningKeyRotation {
    /// What is made; `ecdsa-p256` where it is not said.
    #[serde(default)]
    algorithm: Option<KeyAlgorithm>,
    /// The key that is brought.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 16384)]
    private_key: Option<Secret>,
    /// The password of an encrypted `private_key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    password: Option<Secret>,
    /// Until when what the key before has signed is believed; unset: as long as before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    overlap_ends: Option<OffsetDateTime>,
    /// Until when what the new key signs is believed; unset: for ever.
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_to: Option<OffsetDateTime>,
}

/// Which generation.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichGeneration {
    /// The number; unset: the one that signs.
    #[param(minimum = 1)]
    generation: Option<i32>,
}

/// List signing keys.
#[utoipa::path(get, path = "/signing-keys", tag = "signing keys", params(PlainPage), responses((status = 200, body = SigningKeys)))]
pub(super) async fn list_signing_keys(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListSigningKeys>,
    page: Result<Query<PlainPage>, QueryRejection>,
) -> Result<Json<SigningKeys>, Refusal> {
    let Query(page) = page?;
    let after = place(page.after())?;
    let found = app.index.signing_keys((after.0, after.1), page.limit()?).await?;
    let next = found.keys.last().filter(|_| found.truncated).map(|key| format!("{}/{}", key.name, key.generation));
    Ok(Json(SigningKeys { signing_keys: found.keys.into_iter().map(SigningKey::from).collect(), next }))
}

/// Make a signing key, or bring one. It signs from now on.
#[utoipa::path(post, path = "/signing-keys", tag = "signing keys", request_body = NewSigningKeyRequest,
    responses((status = 201, body = SigningKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 409, description = "There are 500 generations of keys."),
        (status = 501, description = "No key ring is configured to seal private keys.")))]
pub(super) async fn create_signing_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<CreateSigningKey>,
    Posted { body: new, once }: Posted<NewSigningKeyRequest>,
) -> Result<Answer, Refusal> {
    let (permit, keys) = (&permitted.permit, app.signing_keys()?);
    check_name(&new.name)?;
    let record = permit.recorded(Kind::Operation).map(|record| record.reference(&new.name).answered(200, None));
    let source = Source { algorithm: new.algorithm, private_key: new.private_key, password: new.password };
    let new = NewSigningKey {
        name: new.name,
        usage: usage(new.usage),
        origin: source.origin(keys).await?,
        exportable: new.exportable,
        description: new.description,
        valid_to: new.valid_to,
        created_by: permit.principal().to_string(),
    };
    let answer =
        once.carry_out(&app, permit, async |index| made(keys.within(&index).create(new, record.as_slice()).await?));
    let answer = answer.await?;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Show all generations of a signing key.
#[utoipa::path(get, path = "/signing-keys/{signing_key}", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name.")),
    responses((status = 200, body = SigningKeyGenerations), (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_signing_key(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetSigningKey>,
    Path(name): Path<String>,
) -> Result<Json<SigningKeyGenerations>, Refusal> {
    let found = app.index.signing_keys((&name, 0), GENERATIONS).await?.keys;
    let generations: Vec<SigningKey> =
        found.into_iter().take_while(|key| key.name == name).map(SigningKey::from).collect();
    if generations.is_empty() {
        return Err(Error::new(Code::NoSuchEntity, "There is no such signing key.").into());
    }
    Ok(Json(SigningKeyGenerations { name, generations }))
}

/// Get a public key as PEM, for `cosign verify --key`.
#[utoipa::path(get, path = "/signing-keys/{signing_key}/public-key", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."), WhichGeneration),
    responses((status = 200, body = String, content_type = "application/x-pem-file"),
        (status = 404, description = "There is none of this name and number, or none of its generations signs.")))]
pub(super) async fn get_public_key(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetPublicKey>,
    Path(name): Path<String>,
    which: Result<Query<WhichGeneration>, QueryRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Query(which) = which?;
    let key = match which.generation {
        Some(generation) => stored(&app, &name, generation).await?,
        None => active(&app, &name).await?,
    };
    let pem = crate::supply_chain::keys::PublicKey::pem_of(&key.public_key);
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], pem))
}

/// Make or bring the key that signs from now on. What the one before has signed is believed until `overlap_ends`.
///
/// `If-Match` with the version of the last generation.
#[utoipa::path(post, path = "/signing-keys/{signing_key}/rotate", tag = "signing keys",
    params(("signing_key" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version of the generation that is followed.")),
    request_body = SigningKeyRotation,
    responses((status = 201, body = SigningKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 404, description = "There is none of this name."),
        (status = 409, description = "There are 500 generations of keys."),
        (status = 412, description = "Another version stands there, or somebody else has rotated it just now."),
        (status = 501, description = "No key ring is configured to seal private keys.")))]
pub(super) async fn rotate_signing_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<RotateSigningKey>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Posted { body: rotation, once }: Posted<SigningKeyRotation>,
) -> Result<Answer, Refusal> {
    let (permit, keys) = (&permitted.permit, app.signing_keys()?);
    check_last(&app, &name, &headers).await?;
    let SigningKeyRotation { algorithm, private_key, password, overlap_ends, valid_to } = rotation;
    let origin = Source { algorithm, private_key, password }.origin(keys).await?;
    let (by, record) = (permit.principal().to_string(), permit.record());
    let answer = once.carry_out(&app, permit, async |index| {
        made(keys.within(&index).rotate(&name, origin, overlap_ends, valid_to, &by, record.as_slice()).await?)
    });
    let answer = answer.await?;
    keys.forget(&name).await;
    app.trust.refresh(&app.index).await?;
    Ok(answer)
}

/// Whether the last generation is the one that is expected.
async fn check_last(app: &App, name: &str, headers: &HeaderMap) -> Result<()> {
    let Some(last) = app.index.last_signing_key(name).await? else {
        return Err(Error::new(Code::NoSuchEntity, "There is no such signing key."));
    };
    match expected_key(app, name, last.generation, headers).await? {
        Some(version) if version != last.version => Err(Code::PreconditionFailed.into()),
        _ => Ok(()),
    }
}

/// The generation that signs.
async fn active(app: &App, name: &str) -> Result<StoredSigningKey> {
    let found = app.index.active_signing_key(name).await?;
    let found = found.filter(|key| key.state == SigningKeyState::Active);
    found.ok_or_else(|| {
        Error::new(Code::NoSuchEntity, "There is no such signing key, or none of its generations signs.")
    })
}

/// The answer to a key that was made.
fn made(stored: StoredSigningKey) -> Result<Answer> {
    let location = format!("{BASE}/signing-keys/{}/generations/{}", stored.name, stored.generation);
    let key = SigningKey::from(stored);
    let version = etag(key.version);
    Answer::json(StatusCode::CREATED, &key)?.with(header::LOCATION, &location)?.with(header::ETAG, &version)
}

/// Where a page begins: behind this name and generation.
fn place(after: &str) -> Result<(&str, i32)> {
    if after.is_empty() {
        return Ok(("", 0));
    }
    let place = after.rsplit_once('/').and_then(|(name, generation)| Some((name, generation.parse().ok()?)));
    place.ok_or_else(|| {
        Error::new(Code::InvalidArgument, "after must be next of the page before.").with("field", "after")
    })
}

const fn usage(usage: KeyUsage) -> Usage {
    match usage {
        KeyUsage::Release => Usage::Release,
        KeyUsage::Report => Usage::Report,
        KeyUsage::Verdict => Usage::Verdict,
    }
}
