//! What trusted keys and trusted identities have in common: from when and until when they are believed, and places in lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::admin::page::bounded;
use crate::admin::text::optional_text;
use crate::error::{Code, Error, Result};
use crate::index::{StoredTrustedSigner, TrustedSigner};

/// From when and until when a signer is believed: both become what is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"valid_from": null, "valid_to": "2027-01-31T00:00:00Z"}))]
pub(super) struct SignerValidity {
    /// From when on; null: always.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    pub(super) valid_from: Option<OffsetDateTime>,
    /// Until when; null: for ever.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    pub(super) valid_to: Option<OffsetDateTime>,
}

/// Which page of a list of signers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SignerPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; empty or unset: the first page.
    #[serde(default, deserialize_with = "optional_text::<_, 8192>")]
    #[param(max_length = 8192, pattern = r"^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

/// A place in a list: behind this signer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    name: String,
    key: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
}

impl SignerPage {
    /// How many.
    pub(super) fn limit(&self) -> Result<u32> {
        bounded(self.limit)
    }

    /// The signer that the page begins behind.
    pub(super) fn after(&self) -> Result<Option<(String, TrustedSigner)>> {
        let Some(after) = self.after.as_deref().filter(|after| !after.is_empty()) else { return Ok(None) };
        let wrong =
            || Error::new(Code::InvalidArgument, "after must be next of the page before.").with("field", "after");
        let json = URL_SAFE_NO_PAD.decode(after).map_err(|_| wrong())?;
        let place: Place = serde_json::from_slice(&json).map_err(|_| wrong())?;
        // Postgres takes no NUL.
        if [Some(&place.name), place.key.as_ref(), place.issuer.as_ref(), place.subject.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| text.contains('\0'))
        {
            return Err(wrong());
        }
        match place {
            Place { name, key: Some(key), .. } => Ok(Some((name, TrustedSigner::Key(key)))),
            Place { name, issuer: Some(issuer), subject: Some(subject), .. } => {
                Ok(Some((name, TrustedSigner::Identity(issuer, subject))))
            }
            _ => Err(wrong()),
        }
    }
}

/// `next` of a page that ends with this signer.
pub(super) fn next(last: &StoredTrustedSigner) -> Result<String> {
    let name = last.name.clone();
    let place = match &last.signer {
        TrustedSigner::Key(key) => Place { name, key: Some(key.clone()), issuer: None, subject: None },
        TrustedSigner::Identity(issuer, subject) => {
            Place { name, key: None, issuer: Some(issuer.clone()), subject: Some(subject.clone()) }
        }
    };
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&place).map_err(Error::internal)?))
}
