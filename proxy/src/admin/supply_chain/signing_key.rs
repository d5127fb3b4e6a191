//! How signing keys are shown, and how one is made or brought.

use axum::Json;
use axum::response::IntoResponse;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::admin::Refusal;
use crate::admin::etag::{etag, expected};
use crate::app::App;
use crate::config::Secret;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::StoredSigningKey;
use crate::supply_chain::keys::{Algorithm, Origin, PublicKey, SigningKeys};

/// A generation of a signing key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningKey {
    /// The name: rules and requests call it so.
    #[schema(example = "release")]
    name: String,
    /// Which key of this name it is, from 1 on.
    generation: i32,
    /// What it may sign: `release` (that an artifact is signed), `report` (attestations) or `verdict`.
    #[schema(example = "release")]
    usage: String,
    /// `ecdsa-p256` or `ed25519`.
    #[schema(example = "ecdsa-p256")]
    algorithm: String,
    /// `active`: it signs; `retiring`: it signs no more, and what it has signed is believed until `valid_to`; `disabled`: neither, for
    /// now; `revoked`: never again.
    #[schema(example = "active")]
    state: &'static str,
    /// Why it was disabled, enabled or revoked.
    reason: String,
    /// Whether the private key may be taken out.
    exportable: bool,
    /// What it is for.
    description: String,
    /// The public key as PEM, for `cosign verify --key`.
    public_key: String,
    /// SHA-256 of the public key in DER.
    fingerprint: String,
    /// From when on it signs; null: it was brought, and may have signed before.
    #[serde(with = "time::serde::rfc3339::option")]
    valid_from: Option<OffsetDateTime>,
    /// Until when what it has signed is believed; null: for ever.
    #[serde(with = "time::serde::rfc3339::option")]
    valid_to: Option<OffsetDateTime>,
    /// When it was made or brought.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// By whom.
    created_by: String,
    /// When the private key was taken out last.
    #[serde(with = "time::serde::rfc3339::option")]
    exported_at: Option<OffsetDateTime>,
    /// Grows with each change; as `ETag`, in quotes.
    pub(super) version: i64,
}

impl From<StoredSigningKey> for SigningKey {
    fn from(stored: StoredSigningKey) -> Self {
        Self {
            public_key: PublicKey::pem_of(&stored.public_key),
            fingerprint: Digest::of(&stored.public_key).hex(),
            name: stored.name,
            generation: stored.generation,
            usage: stored.usage,
            algorithm: stored.algorithm,
            state: stored.state.as_str(),
            reason: stored.reason,
            exportable: stored.exportable,
            description: stored.description,
            valid_from: stored.valid_from,
            valid_to: stored.valid_to,
            created_at: stored.created_at,
            created_by: stored.created_by,
            exported_at: stored.exported_at,
            version: stored.version,
        }
    }
}

/// What a key is made for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyUsage {
    /// To sign artifacts: that they are signed, and no more.
    Release,
    /// To sign attestations.
    Report,
    /// To sign verdicts.
    Verdict,
}

/// What a key is made of.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub(super) enum KeyAlgorithm {
    /// ECDSA over P-256: what every client verifies.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// Ed25519.
    #[serde(rename = "ed25519")]
    Ed25519,
}

impl KeyAlgorithm {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::EcdsaP256 => Algorithm::EcdsaP256,
            Self::Ed25519 => Algorithm::Ed25519,
        }
    }
}

/// Where a private key comes from.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) algorithm: Option<KeyAlgorithm>,
    pub(super) private_key: Option<Secret>,
    pub(super) password: Option<Secret>,
}

impl Source {
    /// Reads the key that is brought, or says what to make.
    pub(super) async fn origin(self, keys: &SigningKeys) -> Result<Origin> {
        let wrong =
            |field: &'static str, text: &'static str| Error::new(Code::InvalidArgument, text).with("field", field);
        match (self.private_key, self.algorithm) {
            (Some(_), Some(_)) => Err(wrong("algorithm", "A key that is brought has its algorithm: leave that out.")),
            (None, _) if self.password.is_some() => Err(wrong("password", "A password belongs to a private_key.")),
            (None, algorithm) => Ok(Origin::Generated(algorithm.unwrap_or(KeyAlgorithm::EcdsaP256).algorithm())),
            (Some(pem), None) => {
                let pem = Zeroizing::new(pem.expose().to_owned());
                let pair = keys.import(pem, self.password.unwrap_or_default()).await;
                Ok(Origin::Imported(pair.map_err(|error| match error.code() {
                    Code::InvalidArgument => error.with("field", "private_key"),
                    _ => error,
                })?))
            }
        }
    }
}

/// The number of a generation, as it stands in a path.
pub(super) fn generation(text: &str) -> Result<i32> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Error::new(Code::InvalidArgument, "A generation is a number from 1 on.").with("field", "generation")
    })
}

/// One generation; `NoSuchEntity` where there is none.
pub(super) async fn stored(app: &App, name: &str, generation: i32) -> Result<StoredSigningKey> {
    let found = app.index.signing_key(name, generation).await?;
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, "There is no such signing key."))
}

/// A generation, with its version as ETag.
pub(super) async fn show(app: &App, name: &str, generation: i32) -> Result<impl IntoResponse + use<>, Refusal> {
    let key = SigningKey::from(stored(app, name, generation).await?);
    Ok(([(header::ETAG, etag(key.version))], Json(key)))
}

/// The version of a generation that a change expects.
pub(super) async fn expected_key(app: &App, name: &str, generation: i32, headers: &HeaderMap) -> Result<Option<i64>> {
    expected(headers, async || Ok(app.index.signing_key(name, generation).await?.map(|key| key.version))).await
}
