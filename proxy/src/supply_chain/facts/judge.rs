//! From pieces to facts: who of those who have signed is believed now.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use zas_policy::matches_pattern;

use super::{Facts, Judge, Known, Look, Maker, Piece, PieceKind, Signed};

/// When a scan ended, and its critical findings: of two the newer is the greater, and of two at the same time the worse.
type Scanned = (OffsetDateTime, u64);

/// What is put together while pieces are looked at.
#[derive(Default)]
struct Sums {
    signed_by: BTreeSet<String>,
    issuers: BTreeSet<String>,
    types: BTreeSet<String>,
    level: u8,
}

impl Known {
    /// What is known, as of now.
    #[must_use]
    pub fn facts(&self, judge: Judge<'_>) -> Facts {
        let mut sums = Sums::default();
        for piece in self.looks().flat_map(|look| &look.pieces) {
            sums.add(piece, judge);
        }
        let has_sbom = self.own.has_sbom() || self.parents.iter().any(|parent| parent.passes_sbom_on(judge));
        let newest = self.newest_scan(judge);
        Facts {
            signed: !sums.signed_by.is_empty(),
            signed_by: sums.signed_by.into_iter().collect(),
            signature_issuers: sums.issuers.into_iter().collect(),
            has_sbom,
            attestation_types: sums.types.into_iter().collect(),
            provenance_level: sums.level,
            vuln_critical: newest.map(|(_, critical)| critical),
            scanned_at: newest.map(|(at, _)| at),
            passed: None,
            is_evidence: self.own.is_evidence,
            complete: self.is_complete(judge),
            looked_at: self.own.looked_at,
        }
    }

    /// Whether all is known: of the artifact itself, and of each index that it inherits from.
    ///
    /// An index from which nobody who is believed has ever been heard gives nothing that counts, so that it may be known in part, and so may
    /// one of so many that they are not read: nothing is inherited from it, and nothing is missing. Otherwise whoever may push an index that
    /// lists an artifact could keep everybody from it, with an index that cannot be read to its end. One that somebody vouches for may hold a
    /// newer scan, or a statement that a policy refuses, and what it has may be inherited by nobody before that is known.
    fn is_complete(&self, judge: Judge<'_>) -> bool {
        self.own.is_complete(judge)
            && self.parents.iter().all(|parent| parent.is_complete(judge) || !parent.is_vouched_for)
    }

    /// The scan that counts: the newest of its own, for that is about it alone; without one the newest of all indexes that list it.
    fn newest_scan(&self, judge: Judge<'_>) -> Option<Scanned> {
        let inherited = || self.parents.iter().filter_map(|parent| newest_scan(parent, judge)).max();
        newest_scan(&self.own, judge).or_else(inherited)
    }
}

impl Look {
    fn has_sbom(&self) -> bool {
        self.pieces.iter().any(|piece| piece.sbom.is_some_and(|sbom| sbom.valid))
    }

    /// Nobody need have signed a bill of materials, but of an index that nobody vouches for nothing is inherited: whoever may push one that
    /// lists an artifact could give it what it has not.
    fn passes_sbom_on(&self, judge: Judge<'_>) -> bool {
        self.has_sbom() && self.pieces.iter().any(|piece| believed(piece, judge).is_some())
    }

    fn is_complete(&self, judge: Judge<'_>) -> bool {
        let is_open = |piece: &Piece| piece.is_open(judge.revision, judge.setup, judge.now);
        self.looked_at.is_some() && self.is_whole && !self.pieces.iter().any(is_open)
    }
}

impl Sums {
    fn add(&mut self, piece: &Piece, judge: Judge<'_>) {
        let Some((signer, maker)) = believed(piece, judge) else { return };
        match piece.kind {
            PieceKind::Signature => {
                self.signed_by.insert(signer);
                if let Maker::Identity { issuer, .. } = maker {
                    self.issuers.insert(issuer.clone());
                }
            }
            PieceKind::Attestation => {
                self.types.extend(piece.predicate_type.clone());
                if let Some(builder) = &piece.builder {
                    self.level = self.level.max(level(builder, &signer, judge));
                }
            }
            PieceKind::Statement | PieceKind::Sbom | PieceKind::Other => {}
        }
    }
}

/// Who has signed a piece, where they are believed now.
fn believed<'a>(piece: &'a Piece, judge: Judge<'_>) -> Option<(String, &'a Maker)> {
    let Signed::By { maker, times, .. } = &piece.signed else { return None };
    if piece.setup != *judge.setup {
        return None;
    }
    let signer = judge.verifier.believes(maker, times, judge.now).ok()?;
    Some((signer.to_string(), maker))
}

/// The level of a builder, by whom its provenance is signed: never one that the document claims.
fn level(builder: &str, signer: &str, judge: Judge<'_>) -> u8 {
    let fits = |known: &&crate::config::Builder| matches_pattern(&known.id, builder) && known.signer == signer;
    judge.builders.iter().filter(fits).map(|known| known.level).max().unwrap_or(0)
}

/// The newest scan of somebody who is believed.
fn newest_scan(look: &Look, judge: Judge<'_>) -> Option<Scanned> {
    let scans = look.pieces.iter().filter(|piece| piece.kind == PieceKind::Attestation).filter_map(|piece| {
        let scan = piece.scan.as_ref()?;
        believed(piece, judge)?;
        Some((scan.ended_at, scan.critical.saturating_add(scan.unrated)))
    });
    scans.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Builder;
    use crate::digest::Digest;
    use crate::supply_chain::facts::testing::{NOW, believing, known, piece, setup, signer};
    use crate::supply_chain::facts::{SbomSummary, Scan};
    use crate::supply_chain::statement::{Statement, Subject};
    use crate::supply_chain::verify::Verifier;
    use serde_json::{Value, json};

    fn signed_by(key: &Digest, kind: PieceKind) -> Piece {
        let signed = Signed::By { maker: Maker::Key(*key), times: Vec::new(), is_logged: false };
        Piece { signed, ..piece(kind) }
    }

    fn judged(known: &Known, verifier: &Verifier, builders: &[Builder]) -> Facts {
        known.facts(Judge { verifier, revision: 1, setup: &setup(), builders, now: NOW })
    }

    #[test]
    fn a_signature_counts_while_its_signer_is_believed_and_other_statements_are_none() {
        let (key, verifier) = believing("ci");
        let signature = known(vec![signed_by(&key, PieceKind::Signature)]);
        let facts = judged(&signature, &verifier, &[]);
        assert!(facts.signed && facts.complete);
        assert_eq!(facts.signed_by, ["key/ci"]);
        let (_, others) = believing("somebody");
        assert!(!judged(&signature, &others, &[]).signed);
        let attested = Piece { predicate_type: Some("p:q".into()), ..signed_by(&key, PieceKind::Attestation) };
        let facts = judged(&known(vec![attested]), &verifier, &[]);
        assert!(!facts.signed);
        assert_eq!(facts.attestation_types, ["p:q"]);
    }

    #[test]
    fn what_was_verified_by_other_roots_does_not_count_and_leaves_more_to_be_known() {
        let (key, verifier) = believing("ci");
        let old = Piece { setup: Digest::of(b"other roots"), ..signed_by(&key, PieceKind::Signature) };
        let facts = judged(&known(vec![old]), &verifier, &[]);
        assert!(!facts.signed && !facts.complete);
    }

    #[test]
    fn nothing_is_complete_that_nobody_has_looked_at_or_that_was_left_out() {
        let (_, verifier) = believing("ci");
        assert!(!judged(&Known::default(), &verifier, &[]).complete);
        let partial = Known { own: Look { is_whole: false, ..known(Vec::new()).own }, ..Known::default() };
        assert!(!judged(&partial, &verifier, &[]).complete);
        let refused = Signed::Refused { code: "no_trusted_key".into(), is_final: false, retry_at: None };
        let open = known(vec![Piece { signed: refused, trust_revision: 0, ..piece(PieceKind::Signature) }]);
        assert!(!judged(&open, &verifier, &[]).complete);
    }

    #[test]
    fn what_is_said_of_an_index_is_said_of_its_manifests() {
        let (key, verifier) = believing("ci");
        let parent = known(vec![signed_by(&key, PieceKind::Signature)]).own;
        let child = Known { parents: vec![parent], ..known(Vec::new()) };
        assert!(judged(&child, &verifier, &[]).signed);
        let sbom = SbomSummary { valid: true, components: 1, purls: 1 };
        let listing = Piece { sbom: Some(sbom), ..piece(PieceKind::Statement) };
        let has_sbom = |pieces: &[&Piece]| {
            let pieces = pieces.iter().map(|&piece| piece.clone()).collect();
            judged(&Known { parents: vec![known(pieces).own], ..child.clone() }, &verifier, &[]).has_sbom
        };
        assert!(has_sbom(&[&listing, &signed_by(&key, PieceKind::Signature)]));
        assert!(!has_sbom(&[&listing]), "nobody vouches for that index");
        let stranger = Piece { signed: signer(b"nobody"), ..piece(PieceKind::Signature) };
        assert!(!has_sbom(&[&listing, &stranger]), "nor does anybody who is believed");
        assert!(judged(&known(vec![listing]), &verifier, &[]).has_sbom, "its own need nobody to vouch for");
    }

    #[test]
    fn an_index_that_nobody_vouches_for_keeps_nobody_from_what_it_lists() {
        let (key, verifier) = believing("ci");
        let own = vec![signed_by(&key, PieceKind::Signature)];
        let of = |parent: Look| Known { parents: vec![parent], ..known(own.clone()) };
        let refused = Signed::Refused { code: "no_trusted_key".into(), is_final: false, retry_at: None };
        let open = Piece { signed: refused, trust_revision: 0, ..piece(PieceKind::Signature) };
        for parent in [
            Look::default(),
            Look { is_whole: false, ..known(vec![piece(PieceKind::Statement)]).own },
            known(vec![open]).own,
        ] {
            let facts = judged(&of(parent.clone()), &verifier, &[]);
            assert!(facts.complete && facts.signed, "{parent:?}");
        }
    }

    #[test]
    fn an_index_that_somebody_vouches_for_is_known_as_a_whole_before_anything_is_complete() {
        let (key, verifier) = believing("ci");
        let vouched = known(vec![signed_by(&key, PieceKind::Signature)]).own;
        let stale = Look { looked_at: None, pieces: Vec::new(), ..vouched };
        let partial = Look { is_whole: false, ..vouched };
        for parent in [stale, partial] {
            let child = Known { parents: vec![parent.clone()], ..known(Vec::new()) };
            assert!(!judged(&child, &verifier, &[]).complete, "{parent:?}");
        }
    }

    #[test]
    fn of_several_indexes_the_newest_scan_counts_in_whatever_order_they_come_and_an_own_one_before_all() {
        let (key, verifier) = believing("scanner");
        let scanned = |days: i64, critical| {
            let ended_at = NOW - time::Duration::days(days);
            let scan = Scan { ended_at, critical, high: 0, medium: 0, low: 0, unrated: 0 };
            Piece { scan: Some(scan), ..signed_by(&key, PieceKind::Attestation) }
        };
        let (older, newer, worse) = (scanned(3, 0), scanned(1, 2), scanned(1, 5));
        let found = |own: &[&Piece], parents: &[&Piece]| {
            let parents = parents.iter().map(|&piece| known(vec![piece.clone()]).own).collect();
            let own = own.iter().map(|&piece| piece.clone()).collect();
            let facts = judged(&Known { parents, ..known(own) }, &verifier, &[]);
            (facts.vuln_critical, facts.vuln_age_days(NOW))
        };
        for parents in [[&older, &newer], [&newer, &older]] {
            assert_eq!(found(&[], &parents), (Some(2), Some(1)));
            assert_eq!(found(&[&older], &parents), (Some(0), Some(3)));
        }
        for parents in [[&newer, &worse], [&worse, &newer]] {
            assert_eq!(found(&[], &parents), (Some(5), Some(1)), "at the same time the worse");
        }
    }

    #[test]
    fn a_newer_scan_that_cannot_be_read_or_has_yet_to_end_lets_no_older_one_decide() {
        const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
        let (key, verifier) = believing("scanner");
        let scanned = |ended: &str, result: Value| {
            let predicate = json!({"scanner": {"uri": "s", "result": result}, "metadata": {"scanFinishedOn": ended}});
            let subjects = vec![Subject::new("a", &Digest::of(b"a"))];
            let scan = Scan::of(&Statement::new(subjects, VULNS, &predicate).unwrap(), NOW);
            Piece { scan, ..signed_by(&key, PieceKind::Attestation) }
        };
        let critical = |pieces: &[&Piece]| {
            let pieces = pieces.iter().map(|&piece| piece.clone()).collect();
            judged(&known(pieces), &verifier, &[]).vuln_critical
        };
        let clean = scanned("2026-05-01T00:00:00Z", json!([]));
        assert_eq!(critical(&[&clean]), Some(0));
        for newer in [
            scanned("2026-05-02T00:00:00Z", json!({"some": "report"})),
            scanned("not a time", json!([])),
            scanned("2027-01-01T00:00:00Z", json!([])),
        ] {
            assert_eq!(critical(&[&clean, &newer]), Some(1), "{newer:?}");
        }
        let older = scanned("2026-04-01T00:00:00Z", json!({}));
        assert_eq!(critical(&[&clean, &older]), Some(0), "what came before it does not matter");
    }

    #[test]
    fn a_level_is_that_of_builder_and_signer_together_and_never_one_that_is_claimed() {
        let (key, verifier) = believing("ci");
        let provenance =
            Piece { builder: Some("https://builds.example/run/7".into()), ..signed_by(&key, PieceKind::Attestation) };
        let built = known(vec![provenance]);
        let builder = |id: &str, signer: &str| [Builder { id: id.into(), signer: signer.into(), level: 3 }];
        for (builders, level) in [
            (builder("https://builds.example/run/*", "key/ci"), 3),
            (builder("https://builds.example/run/7", "key/ci"), 3),
            (builder("https://builds.example/run/*", "key/other"), 0),
            (builder("https://other.example/*", "key/ci"), 0),
        ] {
            assert_eq!(judged(&built, &verifier, &builders).provenance_level, level, "{builders:?}");
        }
    }

    #[test]
    fn the_newest_scan_of_somebody_who_is_believed_counts() {
        let (key, verifier) = believing("scanner");
        let scan = |days: i64, critical, unrated| Scan {
            ended_at: NOW - time::Duration::days(days),
            critical,
            high: 0,
            medium: 0,
            low: 0,
            unrated,
        };
        let scanned = |days, critical, unrated| Piece {
            document: Digest::of(format!("{days}{critical}").as_bytes()),
            scan: Some(scan(days, critical, unrated)),
            ..signed_by(&key, PieceKind::Attestation)
        };
        let forged = Piece { signed: signer(b"nobody"), scan: Some(scan(0, 0, 0)), ..piece(PieceKind::Attestation) };
        let facts = judged(&known(vec![scanned(3, 0, 0), scanned(1, 2, 1), forged]), &verifier, &[]);
        assert_eq!((facts.vuln_critical, facts.vuln_age_days(NOW)), (Some(3), Some(1)));
        let unscanned = judged(&known(Vec::new()), &verifier, &[]);
        assert_eq!((unscanned.vuln_critical, unscanned.scanned_at), (None, None));
    }
}
