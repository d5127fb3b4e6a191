//! A piece as the index has it: as a row, and as the JSON that `store_evidence` takes.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::convert::{to_digest, to_u64};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::facts::{Maker, Piece, PieceKind, SbomSummary, Scan, Signed};

/// The columns of `evidence`; all are empty where an artifact has no piece.
#[derive(sqlx::FromRow)]
pub(super) struct PieceRow {
    carrier: Option<Vec<u8>>,
    document: Option<Vec<u8>>,
    kind: Option<String>,
    predicate_type: Option<String>,
    key: Option<Vec<u8>>,
    issuer: Option<String>,
    identity: Option<String>,
    times: Option<Vec<OffsetDateTime>>,
    is_logged: Option<bool>,
    refusal: Option<String>,
    is_final: Option<bool>,
    retry_at: Option<OffsetDateTime>,
    trust_revision: Option<i64>,
    setup: Option<Vec<u8>>,
    sbom_valid: Option<bool>,
    components: Option<i64>,
    purls: Option<i64>,
    builder: Option<String>,
    scanned_at: Option<OffsetDateTime>,
    critical: Option<i64>,
    high: Option<i64>,
    medium: Option<i64>,
    low: Option<i64>,
    unrated: Option<i64>,
}

impl PieceRow {
    /// The piece; none where the row has none.
    pub(super) fn into_piece(self) -> Result<Option<Piece>> {
        let (Some(carrier), Some(document)) = (&self.carrier, &self.document) else { return Ok(None) };
        let setup = self.setup.as_deref().ok_or_else(|| Error::internal("a piece in the index has no setup"))?;
        Ok(Some(Piece {
            carrier: to_digest(carrier)?,
            document: to_digest(document)?,
            kind: PieceKind::parse(self.kind.as_deref().unwrap_or_default()),
            signed: self.signed()?,
            sbom: self.sbom(),
            scan: self.scan(),
            trust_revision: self.trust_revision.unwrap_or_default(),
            setup: to_digest(setup)?,
            predicate_type: self.predicate_type,
            builder: self.builder,
        }))
    }

    fn signed(&self) -> Result<Signed> {
        let maker = match (&self.key, &self.issuer, &self.identity) {
            (Some(key), ..) => Some(Maker::Key(to_digest(key)?)),
            (None, Some(issuer), Some(subject)) => {
                Some(Maker::Identity { issuer: issuer.clone(), subject: subject.clone() })
            }
            _ => None,
        };
        Ok(match (maker, &self.refusal) {
            (Some(maker), _) => Signed::By {
                maker,
                times: self.times.clone().unwrap_or_default(),
                is_logged: self.is_logged.unwrap_or_default(),
            },
            (None, Some(code)) => Signed::Refused {
                code: code.clone(),
                is_final: self.is_final.unwrap_or_default(),
                retry_at: self.retry_at,
            },
            (None, None) => Signed::Nobody,
        })
    }

    fn sbom(&self) -> Option<SbomSummary> {
        let number = |number: Option<i64>| to_u64(number.unwrap_or_default());
        Some(SbomSummary { valid: self.sbom_valid?, components: number(self.components), purls: number(self.purls) })
    }

    fn scan(&self) -> Option<Scan> {
        let number = |number: Option<i64>| to_u64(number.unwrap_or_default());
        Some(Scan {
            ended_at: self.scanned_at?,
            critical: number(self.critical),
            high: number(self.high),
            medium: number(self.medium),
            low: number(self.low),
            unrated: number(self.unrated),
        })
    }
}

/// A piece as `store_evidence` takes it: digests as hex, times as RFC 3339.
#[derive(Serialize)]
pub(super) struct StoredPiece<'a> {
    carrier: String,
    document: String,
    kind: &'static str,
    predicate_type: Option<&'a str>,
    key: Option<String>,
    issuer: Option<&'a str>,
    identity: Option<&'a str>,
    times: Vec<String>,
    is_logged: bool,
    refusal: Option<&'a str>,
    is_final: bool,
    retry_at: Option<String>,
    trust_revision: i64,
    setup: String,
    sbom_valid: Option<bool>,
    components: Option<u64>,
    purls: Option<u64>,
    builder: Option<&'a str>,
    scanned_at: Option<String>,
    critical: Option<u64>,
    high: Option<u64>,
    medium: Option<u64>,
    low: Option<u64>,
    unrated: Option<u64>,
}

impl<'a> From<&'a Piece> for StoredPiece<'a> {
    fn from(piece: &'a Piece) -> Self {
        let scan = piece.scan.as_ref();
        let mut stored = Self {
            carrier: piece.carrier.hex(),
            document: piece.document.hex(),
            kind: piece.kind.as_str(),
            predicate_type: piece.predicate_type.as_deref(),
            key: None,
            issuer: None,
            identity: None,
            times: Vec::new(),
            is_logged: false,
            refusal: None,
            is_final: true,
            retry_at: None,
            trust_revision: piece.trust_revision,
            setup: piece.setup.hex(),
            sbom_valid: piece.sbom.map(|sbom| sbom.valid),
            components: piece.sbom.map(|sbom| sbom.components),
            purls: piece.sbom.map(|sbom| sbom.purls),
            builder: piece.builder.as_deref(),
            scanned_at: scan.and_then(|scan| text(scan.ended_at)),
            critical: scan.map(|scan| scan.critical),
            high: scan.map(|scan| scan.high),
            medium: scan.map(|scan| scan.medium),
            low: scan.map(|scan| scan.low),
            unrated: scan.map(|scan| scan.unrated),
        };
        match &piece.signed {
            Signed::Nobody => {}
            Signed::By { maker, times, is_logged } => {
                stored.times = times.iter().copied().filter_map(text).collect();
                stored.is_logged = *is_logged;
                match maker {
                    Maker::Key(key) => stored.key = Some(Digest::hex(key)),
                    Maker::Identity { issuer, subject } => {
                        (stored.issuer, stored.identity) = (Some(issuer.as_str()), Some(subject.as_str()));
                    }
                }
            }
            Signed::Refused { code, is_final, retry_at } => {
                stored.refusal = Some(code);
                stored.is_final = *is_final;
                stored.retry_at = retry_at.and_then(text);
            }
        }
        stored
    }
}

/// A moment as Postgres reads it.
fn text(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
