//! [`Piece`]: one document that was attached to an artifact, as it is kept.

use time::OffsetDateTime;

use super::Scan;
use crate::digest::Digest;
pub use crate::supply_chain::verify::Maker;

/// One document that was attached to an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Digest of the manifest that it was found in.
    pub carrier: Digest,
    /// Digest of the document; of the carrier, where it could not be read.
    pub document: Digest,
    /// What it is.
    pub kind: PieceKind,
    /// The predicate type, where it is a statement.
    pub predicate_type: Option<String>,
    /// Who has signed it.
    pub signed: Signed,
    /// The bill of materials in it.
    pub sbom: Option<SbomSummary>,
    /// The builder that a provenance names.
    pub builder: Option<String>,
    /// What a scan has found.
    pub scan: Option<Scan>,
    /// By which revision of whom we believe it was verified.
    pub trust_revision: i64,
    /// By which trusted roots and rules about logs.
    pub setup: Digest,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// That somebody stands for the artifact.
    Signature,
    /// A signed statement of something else.
    Attestation,
    /// A statement that nobody has signed.
    Statement,
    /// A bill of materials as it is.
    Sbom,
    /// Something else, or nothing that can be read.
    Other,
}

/// Who has signed a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// Nobody.
    Nobody,
    /// Somebody, whom we may believe or not.
    By {
        /// Who.
        maker: Maker,
        /// When the signature was there at the latest, by clocks that are trusted.
        times: Vec<OffsetDateTime>,
        /// Whether it is proven to be in a transparency log.
        is_logged: bool,
    },
    /// The signature does not count.
    Refused {
        /// The reason, as programs read it.
        code: String,
        /// Whether no change of whom we believe changes that.
        is_final: bool,
        /// From when on it may count.
        retry_at: Option<OffsetDateTime>,
    },
}

/// A bill of materials, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SbomSummary {
    /// Whether it is valid.
    pub valid: bool,
    /// How many components it lists.
    pub components: u64,
    /// How many of them have a package URL.
    pub purls: u64,
}

impl PieceKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Signature, Self::Attestation, Self::Statement, Self::Sbom, Self::Other];

    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Statement => "statement",
            Self::Sbom => "sbom",
            Self::Other => "other",
        }
    }

    /// By its name; what a newer version has written is something else.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Other)
    }
}

impl Piece {
    /// A carrier of which nothing could be read.
    #[must_use]
    pub fn unreadable(carrier: Digest, code: &str, trust_revision: i64, setup: Digest) -> Self {
        Self {
            carrier,
            document: carrier,
            kind: PieceKind::Other,
            predicate_type: None,
            signed: Signed::Refused { code: code.to_owned(), is_final: true, retry_at: None },
            sbom: None,
            builder: None,
            scan: None,
            trust_revision,
            setup,
        }
    }

    /// The same of what stands within an index and is about one of its manifests: whoever has signed it has said nothing of the index, and
    /// nothing of the other manifests, which have what is said of the index. Its bill of materials lists what is in that manifest alone.
    #[must_use]
    pub fn of_something_within(self) -> Self {
        let signed = match self.signed {
            Signed::Nobody => Signed::Nobody,
            Signed::By { .. } | Signed::Refused { .. } => {
                Signed::Refused { code: "other_artifact".to_owned(), is_final: true, retry_at: None }
            }
        };
        Self { signed, sbom: None, builder: None, scan: None, ..self }
    }

    /// Whether it may say something else when it is verified again.
    #[must_use]
    pub fn is_open(&self, revision: i64, setup: &Digest, now: OffsetDateTime) -> bool {
        match &self.signed {
            // What it says may be read in another way.
            Signed::Nobody | Signed::By { .. } => self.setup != *setup,
            Signed::Refused { is_final, retry_at, .. } => {
                // What cannot be read stays so, whatever the trusted roots are.
                let other_setup = self.setup != *setup && self.document != self.carrier;
                other_setup || (!is_final && self.trust_revision < revision) || retry_at.is_some_and(|at| at <= now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::facts::testing::{believing, known, piece, setup};
    use crate::supply_chain::facts::{Judge, Known};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    #[test]
    fn a_refusal_is_open_when_whom_we_believe_or_the_time_has_changed() {
        let refused = |is_final, retry_at| Piece {
            signed: Signed::Refused { code: "x".into(), is_final, retry_at },
            ..piece(PieceKind::Signature)
        };
        assert!(!refused(false, None).is_open(1, &setup(), NOW));
        assert!(refused(false, None).is_open(2, &setup(), NOW));
        assert!(!refused(true, None).is_open(2, &setup(), NOW));
        assert!(refused(true, None).is_open(1, &Digest::of(b"other roots"), NOW));
        assert!(refused(false, Some(NOW)).is_open(1, &setup(), NOW));
        assert!(!refused(false, Some(NOW + time::Duration::SECOND)).is_open(1, &setup(), NOW));
        let unreadable = Piece::unreadable(Digest::of(b"c"), "unreadable", 1, setup());
        assert!(!unreadable.is_open(9, &Digest::of(b"other roots"), NOW));
    }

    #[test]
    fn what_is_signed_of_one_manifest_within_an_index_is_said_of_no_other() {
        let (key, verifier) = believing("ci");
        let signed = Signed::By { maker: Maker::Key(key), times: Vec::new(), is_logged: false };
        let sbom = SbomSummary { valid: true, components: 1, purls: 1 };
        let beside = Piece {
            signed,
            sbom: Some(sbom),
            builder: Some("https://builder.example".into()),
            ..piece(PieceKind::Signature)
        };
        let index = known(vec![beside.clone().of_something_within()]).own;
        let sibling = Known { parents: vec![index], ..known(Vec::new()) };
        let judge = Judge { verifier: &verifier, revision: 1, setup: &setup(), builders: &[], now: NOW };
        let facts = sibling.facts(judge);
        assert!(!facts.signed && facts.complete && !facts.has_sbom, "{facts:?}");
        let about_index = known(vec![beside]).own;
        let facts = Known { parents: vec![about_index], ..known(Vec::new()) }.facts(judge);
        assert!(facts.signed && facts.has_sbom, "it would count, were it about the index");
        let unsigned = piece(PieceKind::Statement);
        assert_eq!(unsigned.clone().of_something_within(), unsigned);
        let listing = Piece { sbom: Some(sbom), ..unsigned.clone() };
        assert_eq!(listing.of_something_within(), unsigned, "as buildx lists what is in one image");
    }

    #[test]
    fn kinds_are_read_back_from_their_names() {
        for kind in PieceKind::ALL {
            assert_eq!(PieceKind::parse(kind.as_str()), kind);
        }
        assert_eq!(PieceKind::parse("from-the-future"), PieceKind::Other);
    }
}
