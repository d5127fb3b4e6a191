//! [`Token`]: a JSON Web Token taken apart (RFC 7515, 7519), and the checks that its claims must pass.
//!
//! Header fields that bring a key along (`jwk`, `jku`, `x5c`, `x5u`) are never looked at: keys come from the issuer alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{SKEW, json, rejected, unproven};
use crate::config::{Issuer, TokenAlgorithm};
use crate::error::{Code, Result};

/// Bytes of a token.
const LONGEST: usize = 16 * 1024;

/// Characters of a key's id, and of a subject.
const LONGEST_ID: usize = 256;

/// A token that nothing has proven yet.
pub(super) struct Token<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: &'a str,
    signature: &'a str,
}

/// When a token is good, in seconds since 1970.
pub(super) struct Times {
    pub issued_at: i64,
    pub expires_at: i64,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(unproven("the token has more than 16 KiB"));
        }
        let parts =
            text.rsplit_once('.').and_then(|(message, signature)| Some((message, message.split_once('.')?, signature)));
        let (message, (header, claims), signature) = parts.ok_or_else(|| unproven("a token has three parts"))?;
        if claims.contains('.') || signature.is_empty() {
            return Err(unproven("a token has three parts"));
        }
        Ok(Self { header: decode(header)?, claims: decode(claims)?, message, signature })
    }

    /// Who says to have issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// The claims, as JSON pointers find them.
    pub(super) fn claims(&self) -> Value {
        Value::Object(self.claims.clone())
    }

    /// Adds claims that the issuer has told besides; those that it has signed stand.
    pub(super) fn add_claims(&mut self, told: &Map<String, Value>) {
        for (name, value) in told {
            if !self.claims.contains_key(name) {
                self.claims.insert(name.clone(), value.clone());
            }
        }
    }

    /// A claim, whatever it is.
    pub(super) fn claim(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim)
    }

    /// `typ` of the header in lower case, without `application/` in front; `?` where it is no text.
    pub(super) fn media_type(&self) -> Option<String> {
        let typ = self.header.get("typ")?.as_str().unwrap_or("?").to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ))
    }

    /// A claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that names somebody or something, where it can be used as an id.
    pub(super) fn id(&self, claim: &str) -> Option<&str> {
        let is_usable = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control);
        self.text(claim).filter(is_usable)
    }

    /// The key's id and the algorithm that it says it was signed with, where the issuer may use that.
    pub(super) fn signed_with(&self, config: &Issuer) -> Result<(&str, TokenAlgorithm)> {
        let alg = self.header.get("alg").cloned().unwrap_or_default();
        let alg = serde_json::from_value::<TokenAlgorithm>(alg).ok().filter(|alg| config.algorithms.contains(alg));
        let alg = alg.ok_or_else(|| unproven("the algorithm is not one that this issuer may use"))?;
        if self.header.contains_key("crit") {
            return Err(unproven("the token demands an extension"));
        }
        let kid =
            self.header.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_ID);
        Ok((kid.ok_or_else(|| unproven("the token names no key (kid)"))?, alg))
    }

    /// Whether the key has signed it.
    pub(super) fn check_signature(&self, key: &DecodingKey, alg: TokenAlgorithm) -> Result<()> {
        match jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm(alg)) {
            Ok(true) => Ok(()),
            _ => Err(unproven("the signature does not match")),
        }
    }

    /// Everything that must hold of the claims, after the signature was found good.
    pub(super) fn check_claims(&self, config: &Issuer, now: i64) -> Result<Times> {
        self.check_kind(config)?;
        self.check_audience(config)?;
        if self.id("sub").is_none() {
            return Err(rejected(
                "The token has no usable sub claim. Keycloak leaves it out of lightweight access tokens: switch those off for this \
                 client, give it the scope basic, or configure identity.issuers.introspection.",
            ));
        }
        self.check_times(config, now)
    }

    fn check_times(&self, config: &Issuer, now: i64) -> Result<Times> {
        let required = |claim: &'static str| {
            self.seconds(claim)?.ok_or_else(|| rejected(format!("The token has no {claim} claim.")))
        };
        let (expires_at, issued_at) = (required("exp")?, required("iat")?);
        let longest = i64::try_from(config.max_token_age.as_secs()).unwrap_or(i64::MAX);
        if expires_at.saturating_add(SKEW) <= now {
            return Err(Code::BearerTokenExpired.into());
        }
        if issued_at > now.saturating_add(SKEW)
            || self.seconds("nbf")?.is_some_and(|nbf| nbf > now.saturating_add(SKEW))
        {
            return Err(rejected("The token is not good yet: its iat or nbf claim is in the future."));
        }
        if issued_at.saturating_add(longest).saturating_add(SKEW) < now {
            return Err(rejected("The token was issued longer ago than this issuer's tokens may be."));
        }
        Ok(Times { issued_at, expires_at })
    }

    /// An access token; ID tokens where the issuer's are accepted; never one for refreshing or for logging out.
    fn check_kind(&self, config: &Issuer) -> Result<()> {
        let in_claims = self.claims.get("typ").map(|typ| typ.as_str().unwrap_or("?").to_ascii_lowercase());
        let is_known = matches!(self.media_type().as_deref(), None | Some("jwt" | "at+jwt"))
            && !self.claims.contains_key("events");
        let is_id_token = match in_claims.as_deref() {
            None => ["nonce", "at_hash", "c_hash"].iter().any(|claim| self.claims.contains_key(*claim)),
            Some("bearer") => false,
            Some("id") => true,
            Some(_) => return Err(rejected("The token is not an access token.")),
        };
        if is_known && (config.id_tokens || !is_id_token) {
            return Ok(());
        }
        Err(rejected("The token is not an access token."))
    }

    /// Whether `aud` holds one of these.
    pub(super) fn is_for<'b>(&self, audiences: impl IntoIterator<Item = &'b String> + Clone) -> bool {
        let is_one =
            |value: &Value| value.as_str().is_some_and(|aud| audiences.clone().into_iter().any(|ours| ours == aud));
        match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(is_one),
            Some(one) => is_one(one),
            None => false,
        }
    }

    fn check_audience(&self, config: &Issuer) -> Result<()> {
        if !self.is_for(&config.audiences) {
            let wanted = config.audiences.join(" or ");
            return Err(rejected(format!(
                "The token's aud claim does not hold {wanted}. In Keycloak, give the client an audience mapper for it."
            )));
        }
        let parties = &config.authorized_parties;
        let is_listed = || self.text("azp").is_some_and(|azp| parties.iter().any(|party| party == azp));
        if !parties.is_empty() && !is_listed() {
            return Err(rejected("The token was issued to a client (azp) that is not accepted here."));
        }
        Ok(())
    }

    /// A time; one that is no number is not the same as none (CVE-2026-25537).
    pub(super) fn seconds(&self, claim: &'static str) -> Result<Option<i64>> {
        let Some(value) = self.claims.get(claim) else { return Ok(None) };
        let whole = || value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds that were just checked")]
        let seconds = value.as_i64().or_else(|| whole().map(|seconds| seconds.floor() as i64));
        seconds.map(Some).ok_or_else(|| rejected(format!("The token's {claim} claim is not a number.")))
    }
}

fn decode(part: &str) -> Result<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| unproven("a part of the token is no base64url"))?;
    json::object(&bytes).map_err(|error| unproven(format!("a part of the token cannot be read: {error}")))
}

const fn algorithm(alg: TokenAlgorithm) -> Algorithm {
    match alg {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
