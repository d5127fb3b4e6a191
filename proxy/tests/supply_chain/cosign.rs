//! What cosign 3 has signed, without a network.

use std::collections::BTreeMap;

use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::dsse;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
use zas_proxy::supply_chain::legacy::{Layer, Repository};
use zas_proxy::supply_chain::manifest::{bundle_layer, legacy_layers};
use zas_proxy::supply_chain::statement::COSIGN_SIGN_V1;
use zas_proxy::supply_chain::verify::{Accept, Evidence, Expected, Said, SignerName, Verifier};

use crate::support::{at, believing, code, expected, fixture, outcome, text, trusted};

const PREDICATE: &str = "https://example.com/p/v1";
const REPOSITORY: Repository<'_> = Repository { name: "team/app", hosts: &[] };

fn verifier() -> Verifier {
    believing(vec![trusted("cosign", &PublicKey::from_pem(&text("cosign/cosign.pub")).unwrap())])
}

fn object() -> [Digest; 1] {
    [Digest::of(&fixture("cosign/object.txt"))]
}

fn image() -> [Digest; 1] {
    [Digest::of(&fixture("cosign/image.json"))]
}

/// The one layer of a legacy manifest with its bytes.
fn layer(manifest: &str, bytes: &str) -> Layer {
    let layers = legacy_layers(&fixture(manifest)).unwrap();
    let [descriptor] = layers.try_into().unwrap();
    let bytes = fixture(bytes);
    assert_eq!(Digest::of(&bytes), descriptor.digest);
    Layer { media_type: descriptor.media_type, bytes, annotations: descriptor.annotations }
}

#[test]
fn a_signed_blob_is_verified() {
    let bundle = fixture("cosign/blob.sigstore.json");
    let verified = outcome(&verifier(), &bundle, &expected(&object(), Accept::Signature)).unwrap();
    assert_eq!(verified.signer, SignerName::Key("cosign".into()));
    assert!(matches!(verified.said, Said::Signature));
    assert_eq!(code(outcome(&verifier(), &bundle, &expected(&image(), Accept::Signature))), "other_artifact");
}

#[test]
fn an_attestation_of_a_blob_is_verified() {
    let bundle = fixture("cosign/attestation.sigstore.json");
    let verified = outcome(&verifier(), &bundle, &expected(&object(), Accept::Statements(&[PREDICATE]))).unwrap();
    let Said::Statement(statement) = verified.said else { panic!("a statement") };
    assert_eq!((statement.subjects[0].name.as_str(), statement.predicate.get()), ("object.txt", r#"{"a":1}"#));
    assert_eq!(code(outcome(&verifier(), &bundle, &expected(&object(), Accept::Signature))), "other_predicate");
}

#[test]
fn a_signed_image_is_found_in_its_referrer_and_verified() {
    let bundle = fixture("cosign/image.sigstore.json");
    let layer = bundle_layer(&fixture("cosign/referrer.manifest.json")).unwrap();
    assert_eq!((layer.digest, layer.size), (Digest::of(&bundle), bundle.len() as u64));
    let verified = outcome(&verifier(), &bundle, &expected(&image(), Accept::Signature)).unwrap();
    assert_eq!(verified.predicate_type(), Some(COSIGN_SIGN_V1));
}

#[test]
fn a_legacy_signature_is_verified_for_its_repository_alone() {
    let evidence = Evidence::Legacy(layer("cosign/sig.manifest.json", "cosign/sig.payload.json"));
    let image = image();
    let expected = expected(&image, Accept::Signature);
    let verified = verifier().verify(&evidence, &at(expected, REPOSITORY)).unwrap();
    let Said::Image(reference) = verified.said else { panic!("an image") };
    assert_eq!(reference, "127.0.0.1:15055/team/app");
    let other = Repository { name: "team/other", hosts: &[] };
    assert_eq!(code(verifier().verify(&evidence, &at(expected, other))), "other_repository");
    let hosts = ["registry.example".to_owned()];
    let elsewhere = Repository { name: "team/app", hosts: &hosts };
    assert_eq!(code(verifier().verify(&evidence, &at(expected, elsewhere))), "other_repository");
    assert_eq!(code(verifier().verify(&evidence, &expected)), "other_repository", "where it lies must be known");
    let object = object();
    let another = Expected { artifacts: &object, ..at(expected, REPOSITORY) };
    assert_eq!(code(verifier().verify(&evidence, &another)), "other_artifact");
}

#[test]
fn a_legacy_attestation_is_verified() {
    let layer = layer("cosign/att.manifest.json", "cosign/att.envelope.json");
    assert_eq!(layer.media_type, dsse::MEDIA_TYPE);
    let verified = verifier().verify(&Evidence::Legacy(layer), &expected(&image(), Accept::Statements(&[PREDICATE])));
    assert_eq!(verified.unwrap().predicate_type(), Some(PREDICATE));
}

#[test]
fn attestations_of_every_algorithm_are_verified_but_for_the_prehashed_ed25519_that_cosign_does_not_verify_either() {
    for algorithm in [Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Rsa, Algorithm::Ed25519] {
        let key = PublicKey::from_pem(&text(&format!("keys/{}.pub", algorithm.as_str()))).unwrap();
        let bundle = fixture(&format!("cosign/{}.attestation.sigstore.json", algorithm.as_str()));
        let verifier = believing(vec![trusted("key", &key)]);
        let outcome = outcome(&verifier, &bundle, &expected(&object(), Accept::Statements(&[PREDICATE])));
        match algorithm {
            Algorithm::Ed25519 => assert_eq!(code(outcome), "no_trusted_key"),
            _ => assert!(outcome.is_ok(), "{algorithm:?}"),
        }
    }
}

#[test]
fn a_key_that_cosign_made_signs_here_what_its_public_half_checks() {
    let pair = KeyPair::from_pem(&text("cosign/cosign.key"), b"cosign password").unwrap();
    let public = PublicKey::from_pem(&text("cosign/cosign.pub")).unwrap();
    assert!(public.has_signed(b"m", &pair.sign(b"m").unwrap()));
}

#[test]
fn layers_of_other_types_are_no_signatures() {
    let evidence = |layer: Layer| Evidence::Legacy(layer);
    let good = layer("cosign/sig.manifest.json", "cosign/sig.payload.json");
    let image = image();
    let expected = at(expected(&image, Accept::Signature), REPOSITORY);
    let other = Layer { media_type: "text/plain".to_owned(), ..good.clone() };
    assert_eq!(code(verifier().verify(&evidence(other), &expected)), "unsupported");
    let unsigned = Layer { annotations: BTreeMap::new(), ..good.clone() };
    assert_eq!(code(verifier().verify(&evidence(unsigned), &expected)), "malformed");
    let cut = Layer { bytes: good.bytes[..100].to_vec(), ..good };
    assert_eq!(code(verifier().verify(&evidence(cut), &expected)), "no_trusted_key");
}
