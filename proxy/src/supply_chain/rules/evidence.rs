//! What is known of an artifact: each piece of evidence, and what came of asking who has made it.

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;

use super::clock::{Age, Clock};
use super::verdict::{Findings, Reason, Why};
use crate::digest::Digest;
use crate::supply_chain::sbom::carried;
use crate::supply_chain::statement::Statement;
use crate::supply_chain::verify::{Refusal, Said, Verified};

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name as scopes of policies have it: `s3://bucket/key`, `oci://repository`.
    pub name: String,
    /// Every digest by which a statement may speak of it: the manifest's, then the object's.
    pub digests: Vec<Digest>,
}

/// A piece of evidence, and what came of asking who has made it.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What came of it.
    pub judged: Judged,
    /// Until when the same would come of it; unset: for ever.
    pub stands_until: Option<OffsetDateTime>,
    /// It as a carrier of a bill of materials, for rules that take one that nobody has signed.
    pub carrier: Option<Carrier<'a>>,
}

/// What came of asking who has made a piece of evidence.
#[derive(Debug, Clone)]
pub enum Judged {
    /// Somebody who is believed.
    Signed(Box<Verified>),
    /// It does not count.
    Refused(Refusal),
    /// Nobody says to have.
    Unsigned,
}

/// The bytes of a layer that may carry a bill of materials, and what its descriptor and its manifest say.
#[derive(Debug, Clone, Copy)]
pub struct Carrier<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// What says how they carry it.
    pub layer: carried::Layer<'a>,
    /// Whether what carries it refers to the artifact, and not to something within it.
    pub refers_to_artifact: bool,
}

/// Everything that an evaluation knows. Evidence stands in an order of its own, whatever the order in which it was found.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) subject: &'a Subject,
    pub(super) pieces: Vec<&'a Piece<'a>>,
    /// Whether all that may be of consequence is among them.
    is_whole: bool,
    pub(super) known: &'a BTreeSet<String>,
    pub(super) clock: Clock,
}

/// Evidence by somebody who is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) piece: &'a Piece<'a>,
    pub(super) verified: &'a Verified,
}

/// A statement by somebody who is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attested<'a> {
    pub(super) by: Signed<'a>,
    pub(super) statement: &'a Statement,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        subject: &'a Subject,
        pieces: &'a [Piece<'a>],
        is_whole: bool,
        known: &'a BTreeSet<String>,
        now: OffsetDateTime,
    ) -> Self {
        let clock = Clock::new(now);
        for until in pieces.iter().filter_map(|piece| piece.stands_until) {
            // What came of a piece was found out now; the clock must know when it may come to something else.
            let _ = clock.has_come(until);
        }
        let is_verified = |piece: &Piece<'_>| !matches!(piece.judged, Judged::Refused(Refusal::TooMuchEvidence));
        let is_whole = is_whole && pieces.iter().all(is_verified);
        let mut pieces: Vec<_> = pieces.iter().collect();
        pieces.sort_by_cached_key(|piece| (piece.digest, piece.judged.sort_key()));
        Self { subject, pieces, is_whole, known, clock }
    }

    /// For rules by which the newest counts: where something was not looked at, that may be the newest.
    pub(super) fn knows_the_newest(&self, findings: &mut Findings) -> bool {
        if !self.is_whole {
            let text = "not all that refers to the artifact was looked at, and the newest may be among the rest";
            findings.refuse(Reason::of_all(Why::LeftOut, text));
        }
        self.is_whole
    }

    /// What somebody who is believed has signed, whatever it is about.
    pub(super) fn signed(&self) -> impl Iterator<Item = Signed<'a>> {
        self.pieces.iter().filter_map(|piece| match &piece.judged {
            Judged::Signed(verified) => Some(Signed { piece, verified }),
            Judged::Refused(_) | Judged::Unsigned => None,
        })
    }

    /// Statements by those who are believed, whatever they are about.
    pub(super) fn all_statements(&self) -> impl Iterator<Item = Attested<'a>> {
        self.signed().filter_map(|by| match &by.verified.said {
            Said::Statement(statement) => Some(Attested { by, statement }),
            Said::Signature | Said::Image(_) => None,
        })
    }

    /// Statements about the artifact whose predicate is one of these.
    pub(super) fn statements<'c>(
        &'c self,
        is_kind: impl Fn(&str) -> bool + 'c,
    ) -> impl Iterator<Item = Attested<'a>> + 'c {
        self.all_statements()
            .filter(move |attested| is_kind(&attested.statement.predicate_type) && self.is_about(attested))
    }

    /// Whether a statement is about the artifact itself.
    pub(super) fn is_about(&self, attested: &Attested<'_>) -> bool {
        attested.statement.matching(&self.subject.digests).next().is_some()
    }

    /// Refuses what is too old, or from the future.
    pub(super) fn check_age(
        &self,
        signed: &Signed<'_>,
        what: &str,
        made: OffsetDateTime,
        most: Option<Duration>,
    ) -> Result<(), Reason> {
        self.check_age_of(signed.piece, what, made, most)
    }

    /// As [`Self::check_age`], whoever has signed it.
    pub(super) fn check_age_of(
        &self,
        piece: &Piece<'_>,
        what: &str,
        made: OffsetDateTime,
        most: Option<Duration>,
    ) -> Result<(), Reason> {
        let refuse = |code, text| Err(Reason { code, text, evidence: Some(piece.digest) });
        match self.clock.age(made, most) {
            Age::Fresh => Ok(()),
            Age::Stale => refuse(Why::Stale, format!("{what} is of {made}, which is too long ago")),
            Age::Future => refuse(Why::Time, format!("{what} is of {made}, which has not come yet")),
        }
    }
}

impl Judged {
    /// What tells pieces with the same bytes apart.
    fn sort_key(&self) -> String {
        match self {
            Self::Signed(verified) => format!("{} {:?}", verified.signer, verified.key),
            Self::Refused(refusal) => format!("~ {refusal}"),
            Self::Unsigned => "~~".to_owned(),
        }
    }
}

/// The predicate of a statement as a type of ours.
pub(super) fn predicate<T: serde::de::DeserializeOwned>(statement: &Statement) -> Result<T, serde_json::Error> {
    serde_json::from_str(statement.predicate.get())
}

impl Signed<'_> {
    /// Why it does not count.
    pub(super) fn reason(&self, code: Why, text: impl Into<String>) -> Reason {
        Reason { code, text: text.into(), evidence: Some(self.piece.digest) }
    }
}

impl Attested<'_> {
    /// The predicate as a type of ours.
    pub(super) fn predicate<T: serde::de::DeserializeOwned>(&self) -> Result<T, Reason> {
        predicate(self.statement).map_err(|error| self.malformed(&error))
    }

    /// Why a predicate does not count that cannot be read.
    pub(super) fn malformed(&self, error: &serde_json::Error) -> Reason {
        let text = format!("it cannot be read as {}: {error}", self.statement.predicate_type);
        self.by.reason(Why::Malformed, text)
    }
}
