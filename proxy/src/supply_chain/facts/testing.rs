//! What tests of facts are made of.

use time::OffsetDateTime;
use time::macros::datetime;

use super::{Known, Look, Maker, Piece, PieceKind, Signed};
use crate::digest::Digest;
use crate::supply_chain::keys::{Algorithm, KeyPair};
use crate::supply_chain::verify::{LogPolicy, SignerName, Trust, TrustedKey, Validity, Verifier};

/// The present.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

/// By what pieces were verified.
pub(crate) fn setup() -> Digest {
    Digest::of(b"roots")
}

/// A piece that nobody has signed.
pub(crate) fn piece(kind: PieceKind) -> Piece {
    Piece {
        carrier: Digest::of(b"carrier"),
        document: Digest::of(b"document"),
        kind,
        predicate_type: None,
        signed: Signed::Nobody,
        sbom: None,
        builder: None,
        scan: None,
        trust_revision: 1,
        setup: setup(),
    }
}

/// A signature of the key whose fingerprint is that of these bytes.
pub(crate) fn signer(bytes: &[u8]) -> Signed {
    Signed::By { maker: Maker::Key(Digest::of(bytes)), times: Vec::new(), is_logged: false }
}

/// Somebody has looked, and this is all.
pub(crate) fn known(pieces: Vec<Piece>) -> Known {
    let is_vouched_for = pieces.iter().any(|piece| matches!(piece.signed, Signed::By { .. }));
    let own = Look { looked_at: Some(NOW), is_whole: true, is_evidence: false, is_vouched_for, pieces };
    Known { own, ..Known::default() }
}

/// A key's fingerprint, and a verifier that believes it under a name.
pub(crate) fn believing(name: &str) -> (Digest, Verifier) {
    let key = KeyPair::generate(Algorithm::Ed25519).unwrap().public().clone();
    let fingerprint = key.fingerprint();
    let trusted = TrustedKey { signer: SignerName::Key(name.into()), key, validity: Validity::default() };
    let trust = Trust { keys: vec![trusted], ..Trust::default() };
    (fingerprint, Verifier::new(trust, None, LogPolicy::default()).unwrap())
}
