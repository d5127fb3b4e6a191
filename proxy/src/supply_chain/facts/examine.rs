//! From a document to its [`Piece`], and to the bill of materials in it.

use time::OffsetDateTime;

use super::{Piece, PieceKind, SbomSummary, Scan, Signed, provenance};
use crate::digest::Digest;
use crate::supply_chain::collect::{Content, Document};
use crate::supply_chain::legacy::Repository;
use crate::supply_chain::referrer::Kind;
use crate::supply_chain::sbom::carried::{self, Carried, Layer, Manner};
use crate::supply_chain::sbom::{Limits, Reading, read};
use crate::supply_chain::statement::{COSIGN_SIGN_V1, Statement};
use crate::supply_chain::trust::TrustSnapshot;
use crate::supply_chain::verify::{Accept, Evidence, Expected, Refusal, Said, Verified};

/// What an artifact is, as documents speak of it.
#[derive(Debug, Clone)]
pub struct About {
    /// Its digests: of its manifest, and of an object's bytes.
    pub digests: Vec<Digest>,
    /// The names of the repository under which clients find it.
    pub repositories: Vec<String>,
    /// The hosts at which clients find that; empty: nobody has said, and no legacy signature counts.
    pub hosts: Vec<String>,
}

/// A document that was looked at.
#[derive(Debug)]
pub struct Examined {
    /// What is kept of it.
    pub piece: Piece,
    /// The bill of materials in it, where there is one that can be read and is about the artifact.
    pub sbom: Option<FoundSbom>,
}

/// A bill of materials that was found in a document.
#[derive(Debug)]
pub struct FoundSbom {
    /// Digest of the bill of materials itself.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How it is carried.
    pub manner: Manner,
    /// What it says.
    pub reading: Reading,
}

/// Looks at a document: who has signed it, and what it says. Takes as long as a large bill of materials takes to read.
#[must_use]
pub fn examine(
    document: &Document,
    about: &About,
    trust: &TrustSnapshot,
    setup: &Digest,
    limits: &Limits,
    now: OffsetDateTime,
) -> Examined {
    let (kind, signed, statement) = match &document.content {
        Content::Evidence(evidence) => {
            match verify(evidence, about, trust, now).and_then(|verified| document.attached_as_said(verified)) {
                Ok(verified) => of_verified(verified),
                Err(refusal) => (refused_kind(document), refused(&refusal), None),
            }
        }
        Content::Statement(bytes) => (PieceKind::Statement, Signed::Nobody, Statement::parse(bytes).ok()),
        Content::Other(_) => (PieceKind::Other, Signed::Nobody, None),
    };
    let (summary, sbom) = bill_of_materials(document, about, limits);
    let said = || document.said_predicate_type().map(str::to_owned);
    let predicate_type = statement.as_ref().map(|statement| statement.predicate_type.clone()).or_else(said);
    let is_believable = matches!(signed, Signed::By { .. });
    let of_signed = statement.as_ref().filter(|_| is_believable);
    let piece = Piece {
        carrier: document.carrier.digest,
        document: document.digest,
        kind: if kind == PieceKind::Other && summary.is_some() { PieceKind::Sbom } else { kind },
        predicate_type: predicate_type.map(|text| text.replace('\0', "")),
        signed,
        sbom: summary,
        builder: of_signed.and_then(provenance::builder),
        scan: of_signed.and_then(|statement| Scan::of(statement, now)),
        trust_revision: trust.revision,
        setup: *setup,
    };
    Examined { piece, sbom }
}

/// Whether a signature is about the artifact, whoever has made it. A legacy one names the repository, which has several names.
fn verify(evidence: &Evidence, about: &About, trust: &TrustSnapshot, now: OffsetDateTime) -> Result<Verified, Refusal> {
    let mut outcome = None;
    for name in &about.repositories {
        let repository = (!about.hosts.is_empty()).then_some(Repository { name, hosts: &about.hosts });
        let expected = Expected { artifacts: &about.digests, accept: Accept::Anything, repository, bytes: None, now };
        match trust.verifier.verify(evidence, &expected) {
            Err(refusal @ Refusal::OtherRepository(_)) => outcome = Some(refusal),
            outcome => return outcome,
        }
    }
    Err(outcome.unwrap_or(Refusal::OtherArtifact))
}

fn of_verified(verified: Verified) -> (PieceKind, Signed, Option<Statement>) {
    let signed = match verified.maker() {
        Some(maker) => Signed::By { maker, times: verified.times, is_logged: verified.is_logged },
        None => Signed::Refused { code: "unknown_signer".to_owned(), is_final: true, retry_at: None },
    };
    match verified.said {
        Said::Statement(statement) if statement.predicate_type != COSIGN_SIGN_V1 => {
            (PieceKind::Attestation, signed, Some(*statement))
        }
        Said::Statement(statement) => (PieceKind::Signature, signed, Some(*statement)),
        Said::Signature | Said::Image(_) => (PieceKind::Signature, signed, None),
    }
}

/// What a document says to be whose signature does not count.
fn refused_kind(document: &Document) -> PieceKind {
    if document.carrier.kinds == [Kind::Signature] { PieceKind::Signature } else { PieceKind::Attestation }
}

/// A refusal that is about whom we believe may be another when that changes.
fn refused(refusal: &Refusal) -> Signed {
    let is_open = matches!(
        refusal,
        Refusal::NoTrustedKey
            | Refusal::NotYetValid { .. }
            | Refusal::Expired { .. }
            | Refusal::Revoked(_)
            | Refusal::Disabled(_)
            | Refusal::UnknownIdentity { .. }
    );
    let retry_at = match refusal {
        Refusal::NotYetValid { from, .. } => Some(*from),
        _ => None,
    };
    Signed::Refused { code: refusal.code().to_owned(), is_final: !is_open, retry_at }
}

/// The bill of materials in a document that is about the artifact: in numbers, and as it was read.
fn bill_of_materials(document: &Document, about: &About, limits: &Limits) -> (Option<SbomSummary>, Option<FoundSbom>) {
    let layer = Layer {
        media_type: &document.media_type,
        artifact_type: document.carrier.artifact_type.as_deref().unwrap_or_default(),
        predicate_type: document.said_predicate_type(),
    };
    let Ok(Some(carried)) = carried::take(document.bytes(), &layer, limits) else { return (None, None) };
    if !about.digests.iter().any(|digest| carried.is_about(digest)) {
        return (None, None);
    }
    let invalid = SbomSummary { valid: false, components: 0, purls: 0 };
    let Ok(reading) = read(&carried.document, said_of(&carried, document), limits) else {
        return (Some(invalid), None);
    };
    let components = &reading.sbom.components;
    let summary = SbomSummary {
        valid: reading.report.is_valid(),
        components: components.len() as u64,
        purls: components.iter().filter(|component| component.purl.is_some()).count() as u64,
    };
    let (digest, size) = (Digest::of(&carried.document), carried.document.len() as u64);
    (Some(summary), Some(FoundSbom { digest, size, manner: carried.manner, reading }))
}

/// What the document is said to be, where that is about the document and not about its envelope.
fn said_of<'a>(carried: &Carried<'_>, document: &'a Document) -> Option<&'a str> {
    (carried.manner == Manner::Referrer).then_some(document.media_type.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::supply_chain::bundle::{Bundle, Content as Signature};
    use crate::supply_chain::collect::Listed;
    use crate::supply_chain::dsse::{Envelope, IN_TOTO};
    use crate::supply_chain::facts::testing::{NOW, setup};
    use crate::supply_chain::keys::{Algorithm, KeyPair};
    use crate::supply_chain::legacy::{Layer as Legacy, Payload, SIMPLE_SIGNING};
    use crate::supply_chain::statement::Subject;
    use crate::supply_chain::verify::{LogPolicy, SignerName, Trust, TrustedKey, Validity, Verifier};
    use serde_json::{Value, json};

    const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","purl":"pkg:npm/a@1"}]}"#;

    fn artifact() -> Digest {
        Digest::of(b"artifact")
    }

    fn about() -> About {
        About { digests: vec![artifact()], repositories: vec!["team/app".into()], hosts: Vec::new() }
    }

    fn document(media_type: &str, kinds: &[Kind], content: Content) -> Document {
        let carrier = Listed {
            digest: Digest::of(b"carrier"),
            size: 1,
            artifact_type: Some(media_type.to_owned()),
            kinds: kinds.to_vec(),
            annotations: BTreeMap::new(),
            subject: artifact(),
            tag: None,
        };
        let digest = Digest::of(b"document");
        Document { carrier, digest, media_type: media_type.to_owned(), annotations: BTreeMap::new(), content }
    }

    fn trusting(pairs: &[&KeyPair]) -> TrustSnapshot {
        let keys = pairs.iter().map(|pair| TrustedKey {
            signer: SignerName::Key("ci".into()),
            key: pair.public().clone(),
            validity: Validity::default(),
        });
        let trust = Trust { keys: keys.collect(), ..Trust::default() };
        TrustSnapshot { revision: 7, verifier: Verifier::new(trust, None, LogPolicy::default()).unwrap() }
    }

    fn bundle(pair: &KeyPair, subject: &Digest, predicate_type: &str, predicate: &Value) -> Document {
        let statement =
            Statement::new(vec![Subject::new("a", subject)], predicate_type, predicate).unwrap().to_payload().unwrap();
        let signature = pair.sign(&crate::supply_chain::dsse::pae(IN_TOTO, &statement)).unwrap();
        let envelope = Envelope { payload_type: IN_TOTO.to_owned(), payload: statement, signature };
        let json = Bundle::keyed(pair.public(), Signature::Envelope(envelope)).to_json().unwrap();
        let kinds = [Kind::Signature, Kind::Attestation];
        document(crate::supply_chain::bundle::MEDIA_TYPE, &kinds, Content::Evidence(Evidence::Bundle(json)))
    }

    fn looked_at(document: &Document, trust: &TrustSnapshot) -> Examined {
        examine(document, &about(), trust, &setup(), &Limits::default(), NOW)
    }

    #[test]
    fn a_signature_is_kept_with_its_key_and_without_its_name() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let signature = bundle(&pair, &artifact(), COSIGN_SIGN_V1, &json!({}));
        let piece = looked_at(&signature, &trusting(&[&pair])).piece;
        let Signed::By { maker, .. } = &piece.signed else { panic!("{piece:?}") };
        assert_eq!(*maker, crate::supply_chain::verify::Maker::Key(pair.public().fingerprint()));
        assert_eq!((piece.kind, piece.trust_revision), (PieceKind::Signature, 7));
    }

    #[test]
    fn a_legacy_signature_counts_at_the_host_that_it_names_and_nowhere_where_no_host_is_known() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let reference = "registry.example/team/app".to_owned();
        let payload = Payload { reference, digest: artifact(), annotations: BTreeMap::new() }.to_bytes().unwrap();
        let signature = pair.sign(&payload).unwrap();
        let evidence = Evidence::Legacy(Legacy::signed(payload, &signature));
        let signed = document(SIMPLE_SIGNING, &[Kind::Signature], Content::Evidence(evidence));
        let at = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
            let about = About { hosts, ..about() };
            match examine(&signed, &about, &trusting(&[&pair]), &setup(), &Limits::default(), NOW).piece.signed {
                Signed::Refused { code, .. } => Some(code),
                _ => None,
            }
        };
        assert_eq!(at(&["registry.example"]), None);
        assert_eq!(at(&["mirror.example"]).as_deref(), Some("other_repository"));
        assert_eq!(at(&[]).as_deref(), Some("other_repository"));
    }

    #[test]
    fn what_was_attached_as_something_else_than_what_it_says_is_no_evidence() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let (signature, report) =
            ((COSIGN_SIGN_V1, json!({})), ("https://slsa.dev/provenance/v1", json!({"runDetails": {}})));
        let code = |(predicate_type, predicate): &(&str, Value), kinds: &[Kind]| {
            let mut document = bundle(&pair, &artifact(), predicate_type, predicate);
            document.carrier.kinds = kinds.to_vec();
            match looked_at(&document, &trusting(&[&pair])).piece.signed {
                Signed::Refused { code, is_final, .. } => Some((code, is_final)),
                _ => None,
            }
        };
        let refused = Some(("attached_as_other".to_owned(), true));
        assert_eq!(code(&signature, &[Kind::Attestation]), refused);
        assert_eq!(code(&signature, &[Kind::Sbom]), refused);
        assert_eq!(code(&report, &[Kind::Signature]), refused);
        assert_eq!(code(&signature, &[Kind::Signature]), None);
        assert_eq!(code(&report, &[Kind::Attestation]), None);
        assert_eq!(code(&report, &[Kind::Signature, Kind::Attestation]), None);
    }

    #[test]
    fn a_signature_of_a_stranger_may_count_later_and_one_about_something_else_never() {
        let (pair, other) =
            (KeyPair::generate(Algorithm::EcdsaP256).unwrap(), KeyPair::generate(Algorithm::Ed25519).unwrap());
        let refusal = |document: &Document, trust: &TrustSnapshot| match looked_at(document, trust).piece.signed {
            Signed::Refused { code, is_final, .. } => (code, is_final),
            other => panic!("{other:?}"),
        };
        let signature = bundle(&pair, &artifact(), COSIGN_SIGN_V1, &json!({}));
        assert_eq!(refusal(&signature, &trusting(&[&other])), ("no_trusted_key".into(), false));
        let elsewhere = bundle(&pair, &Digest::of(b"elsewhere"), COSIGN_SIGN_V1, &json!({}));
        assert_eq!(refusal(&elsewhere, &trusting(&[&pair])), ("other_artifact".into(), true));
    }

    #[test]
    fn a_provenance_of_a_stranger_names_no_builder() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let predicate = json!({"runDetails": {"builder": {"id": "https://b.example"}}});
        let built = bundle(&pair, &artifact(), "https://slsa.dev/provenance/v1", &predicate);
        let known = looked_at(&built, &trusting(&[&pair])).piece;
        assert_eq!((known.builder.as_deref(), known.kind), (Some("https://b.example"), PieceKind::Attestation));
        assert_eq!(looked_at(&built, &trusting(&[])).piece.builder, None);
    }

    #[test]
    fn a_bill_of_materials_is_found_however_it_is_carried_and_whoever_has_signed_it() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let predicate: Value = serde_json::from_str(SBOM).unwrap();
        let statement = Statement::new(vec![Subject::new("a", &artifact())], "https://cyclonedx.org/bom", &predicate);
        let unsigned = statement.unwrap().to_payload().unwrap();
        for (document, kind, manner) in [
            (
                document("application/vnd.cyclonedx+json", &[Kind::Sbom], Content::Other(SBOM.into())),
                PieceKind::Sbom,
                Manner::Referrer,
            ),
            (
                document("application/vnd.in-toto+json", &[Kind::Attestation], Content::Statement(unsigned)),
                PieceKind::Statement,
                Manner::Statement,
            ),
            (
                bundle(&pair, &artifact(), "https://cyclonedx.org/bom", &predicate),
                PieceKind::Attestation,
                Manner::Attestation,
            ),
        ] {
            let examined = looked_at(&document, &trusting(&[]));
            assert_eq!(examined.piece.kind, kind);
            assert_eq!(examined.piece.sbom, Some(SbomSummary { valid: true, components: 1, purls: 1 }));
            let found = examined.sbom.unwrap();
            assert_eq!((found.manner, found.reading.sbom.components.len()), (manner, 1));
        }
    }

    #[test]
    fn a_bill_of_materials_of_something_else_is_not_indexed_and_one_that_cannot_be_read_is_invalid() {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let predicate: Value = serde_json::from_str(SBOM).unwrap();
        let elsewhere = bundle(&pair, &Digest::of(b"elsewhere"), "https://cyclonedx.org/bom", &predicate);
        let examined = looked_at(&elsewhere, &trusting(&[]));
        assert!(examined.sbom.is_none() && examined.piece.sbom.is_none());
        let broken = document("application/vnd.cyclonedx+json", &[Kind::Sbom], Content::Other(b"{".to_vec()));
        let examined = looked_at(&broken, &trusting(&[]));
        assert_eq!(examined.piece.sbom, Some(SbomSummary { valid: false, components: 0, purls: 0 }));
        assert!(examined.sbom.is_none());
    }
}
