//! Signatures of the public instance of sigstore, checked offline with its trusted root.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use time::OffsetDateTime;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::PublicKey;
use zas_proxy::supply_chain::verify::{
    Accept, Expected, LogPolicy, Said, SignerName, TrustRoot, TrustRootOptions, TrustedIdentity, TrustedKey, Validity,
    Verified, Verifier,
};

use crate::support::{changed, code, expected, fixture, identity, outcome, text, trusted, with_root};

const CONDA: &str = "https://schemas.conda.org/attestations-publish-1.schema.json";

fn root(name: &str) -> TrustRoot {
    TrustRoot::from_json(&text(&format!("public-good/{name}.json")), TrustRootOptions::default()).unwrap()
}

fn knowing(identities: Vec<TrustedIdentity>) -> Verifier {
    with_root(Vec::new(), identities, Some(root("trusted_root")), LogPolicy::default())
}

fn person() -> TrustedIdentity {
    identity("author", "https://github.com/login/oauth", "*@gmail.com")
}

fn package() -> [Digest; 1] {
    ["sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f".parse().unwrap()]
}

fn blob() -> [Digest; 1] {
    [Digest::of(&fixture("public-good/blob.txt"))]
}

#[test]
fn a_blob_that_cosign_3_signed_for_a_person_is_verified_by_the_name_that_the_person_has_here() {
    let bundle = fixture("public-good/blob.sigstore.json");
    let verified = outcome(&knowing(vec![person()]), &bundle, &expected(&blob(), Accept::Signature)).unwrap();
    assert_eq!(verified.signer, SignerName::Identity("author".into()));
    let (issuer, subject) = verified.identity.unwrap();
    assert_eq!(issuer, "https://github.com/login/oauth");
    assert!(subject.ends_with("@gmail.com"));
    assert!(verified.is_logged && verified.times.len() == 2 && verified.key.is_none());
    assert!(matches!(verified.said, Said::Signature));
}

#[test]
fn a_good_signature_of_somebody_else_is_refused_with_their_name() {
    let bundle = fixture("public-good/blob.sigstore.json");
    for other in [
        identity("author", "https://accounts.google.com", "*"),
        identity("author", "https://github.com/login/oauth", "*@example.com"),
        identity("author", "https://github.com/login/oauth", ""),
    ] {
        assert_eq!(
            code(outcome(&knowing(vec![other]), &bundle, &expected(&blob(), Accept::Signature))),
            "unknown_identity"
        );
    }
    let nobody = outcome(&knowing(Vec::new()), &bundle, &expected(&blob(), Accept::Signature)).unwrap_err();
    assert!(nobody.to_string().contains("https://github.com/login/oauth"), "{nobody}");
}

#[test]
fn an_identity_is_believed_for_the_time_that_its_logs_and_clocks_give() {
    let bundle = fixture("public-good/blob.sigstore.json");
    let signed_at = outcome(&knowing(vec![person()]), &bundle, &expected(&blob(), Accept::Signature)).unwrap().times;
    let (first, last) = (*signed_at.iter().min().unwrap(), *signed_at.iter().max().unwrap());
    let minute = time::Duration::minutes(2);
    for (from, to, refused) in [
        (Some(first - minute), Some(last + minute), None),
        (None, Some(last - time::Duration::SECOND), Some("signer_expired")),
        (Some(last + minute), None, Some("signer_not_yet_valid")),
    ] {
        let known = TrustedIdentity { validity: Validity { from, to, withdrawn: None }, ..person() };
        let outcome = outcome(&knowing(vec![known]), &bundle, &expected(&blob(), Accept::Signature));
        assert_eq!(outcome.err().map(|refusal| refusal.code()), refused);
    }
}

#[test]
fn attestations_of_both_generations_of_the_log_are_verified() {
    let signers = vec![
        identity("ci", "https://token.actions.githubusercontent.com", "https://github.com/*"),
        identity("author", "https://github.com/login/oauth", "*@*"),
    ];
    for (name, root_name) in [("attestation", "trusted_root"), ("attestation-rekor2", "staging_root")] {
        let verifier = with_root(Vec::new(), signers.clone(), Some(root(root_name)), LogPolicy::default());
        let bundle = fixture(&format!("public-good/{name}.sigstore.json"));
        let verified = outcome(&verifier, &bundle, &expected(&package(), Accept::Statements(&[CONDA]))).unwrap();
        assert_eq!((verified.predicate_type(), verified.is_logged), (Some(CONDA), true), "{name}");
        assert_eq!(code(outcome(&verifier, &bundle, &expected(&package(), Accept::Signature))), "other_predicate");
        assert_eq!(code(outcome(&verifier, &bundle, &expected(&blob(), Accept::Anything))), "other_artifact");
    }
}

#[test]
fn a_signature_of_another_instance_or_without_a_root_is_refused() {
    let bundle = fixture("public-good/blob.sigstore.json");
    let staging = with_root(Vec::new(), vec![person()], Some(root("staging_root")), LogPolicy::default());
    assert_eq!(code(outcome(&staging, &bundle, &expected(&blob(), Accept::Signature))), "time_unproven");
    let rootless = with_root(Vec::new(), vec![person()], None, LogPolicy::default());
    assert_eq!(code(outcome(&rootless, &bundle, &expected(&blob(), Accept::Signature))), "no_trusted_root");
}

fn managed() -> (TrustedKey, [Digest; 1], Vec<u8>) {
    let key = PublicKey::from_pem(&text("public-good/managed-key.pub")).unwrap();
    let artifact = [Digest::of(&fixture("public-good/managed-key.txt"))];
    (trusted("ci", &key), artifact, fixture("public-good/managed-key.sigstore.json"))
}

#[test]
fn a_signature_of_a_key_with_a_log_entry_and_a_timestamp_is_verified_with_both() {
    let (key, artifact, bundle) = managed();
    let verifier = with_root(vec![key.clone()], Vec::new(), Some(root("trusted_root")), LogPolicy::Required);
    let verified = outcome(&verifier, &bundle, &expected(&artifact, Accept::Signature)).unwrap();
    assert!(verified.is_logged);
    assert_eq!(verified.times.len(), 2);
    // The key has expired since, and was good when it signed.
    let to = verified.times.iter().max().copied().unwrap() + time::Duration::DAY;
    assert!(to < OffsetDateTime::now_utc());
    let expired = TrustedKey { validity: Validity { to: Some(to), ..Validity::default() }, ..key };
    let verifier = with_root(vec![expired], Vec::new(), Some(root("trusted_root")), LogPolicy::default());
    assert!(outcome(&verifier, &bundle, &expected(&artifact, Accept::Signature)).is_ok());
}

#[test]
fn a_log_entry_that_cannot_be_checked_does_not_count_unless_it_is_waived() {
    let (key, artifact, bundle) = managed();
    let ask = |log, now| {
        let verifier = with_root(vec![key.clone()], Vec::new(), None, log);
        outcome(&verifier, &bundle, &Expected { now, ..expected(&artifact, Accept::Signature) })
    };
    let now = OffsetDateTime::now_utc();
    assert_eq!(code(ask(LogPolicy::WhenPresent, now)), "no_trusted_root");
    let waived = ask(LogPolicy::Waived, now).unwrap();
    assert!(!waived.is_logged && waived.times.is_empty(), "what is waived proves nothing");
}

#[test]
fn a_log_entry_of_another_signature_is_refused_even_where_logs_are_waived() {
    let (key, artifact, bundle) = managed();
    let blob_bundle: serde_json::Value = serde_json::from_slice(&fixture("public-good/blob.sigstore.json")).unwrap();
    let stolen = changed(&bundle, |bundle| {
        bundle["verificationMaterial"]["tlogEntries"] = blob_bundle["verificationMaterial"]["tlogEntries"].clone();
    });
    for log in [LogPolicy::Required, LogPolicy::WhenPresent, LogPolicy::Waived] {
        let verifier = with_root(vec![key.clone()], Vec::new(), Some(root("trusted_root")), log);
        let refused = code(outcome(&verifier, &stolen, &expected(&artifact, Accept::Signature)));
        assert_eq!(refused, "log_entry_of_another", "{log:?}");
    }
}

#[test]
fn nothing_that_vouches_for_a_signature_can_be_changed_or_left_out() {
    let (key, artifact, bundle) = managed();
    let verifier = with_root(vec![key], Vec::new(), Some(root("trusted_root")), LogPolicy::default());
    let entry = "/verificationMaterial/tlogEntries/0";
    for (pointer, new) in [
        ("/integratedTime", json!("1766077478")),
        ("/logIndex", json!("771488336")),
        (
            "/inclusionPromise/signedEntryTimestamp",
            json!("MEQCIDCmqrzKHm8Y9CvXE/AzDdOfHGBUyWV9Pw0/qN2CJp2sAiAbgHsHGonTsf+F2DH1RYaTibMDseyHs40JpXEILqOmnQ=="),
        ),
        ("/inclusionProof/rootHash", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("/inclusionProof/logIndex", json!("649584074")),
        ("/inclusionProof/hashes/0", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("/logId/keyId", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
    ] {
        let forged = changed(&bundle, |bundle| *bundle.pointer_mut(&format!("{entry}{pointer}")).unwrap() = new);
        let refused = code(outcome(&verifier, &forged, &expected(&artifact, Accept::Signature)));
        assert_eq!(refused, "log_entry_unproven", "{pointer}");
    }
    let unproven = changed(&bundle, |bundle| {
        let entry = bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap();
        entry.remove("inclusionProof");
    });
    assert_eq!(code(outcome(&verifier, &unproven, &expected(&artifact, Accept::Signature))), "not_logged");
    let stamp = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    let stamped = changed(&bundle, |bundle| {
        let stamp = bundle.pointer_mut(stamp).unwrap();
        *stamp = json!(stamp.as_str().unwrap().replacen('A', "B", 30));
    });
    assert_eq!(code(outcome(&verifier, &stamped, &expected(&artifact, Accept::Signature))), "time_unproven");
}

#[test]
fn two_signatures_in_an_envelope_are_refused_as_are_older_versions() {
    let verifier = knowing(vec![person()]);
    let bundle = fixture("public-good/two-signatures.sigstore.json");
    assert_eq!(code(outcome(&verifier, &bundle, &expected(&package(), Accept::Anything))), "unsupported");
    let newer = changed(&bundle, |bundle| {
        bundle["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.3+json");
        bundle["verificationMaterial"] = json!({"publicKey": {"hint": ""}});
    });
    assert_eq!(code(outcome(&verifier, &newer, &expected(&package(), Accept::Anything))), "signature_count");
}

#[test]
fn a_trusted_root_that_cannot_be_used_is_refused_before_anything_is_checked_with_it() {
    let whole: serde_json::Value = serde_json::from_str(&text("public-good/trusted_root.json")).unwrap();
    let read = |value: &serde_json::Value| TrustRoot::from_json(&value.to_string(), TrustRootOptions::default());
    assert!(read(&whole).is_ok());
    for (pointer, new) in [
        ("/tlogs/0/publicKey/rawBytes", json!("AAAA")),
        ("/certificateAuthorities/0/certChain/certificates", json!([])),
        ("/certificateAuthorities/0/certChain/certificates/0/rawBytes", json!("AAAA")),
        ("/tlogs/0/publicKey/validFor", json!({"start": "2022-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"})),
    ] {
        let mut root = whole.clone();
        *root.pointer_mut(pointer).unwrap() = new;
        assert!(read(&root).is_err(), "{pointer}");
    }
    assert!(TrustRoot::from_json("{}", TrustRootOptions::default()).is_err());
}

/// What a bundle that somebody has changed may say at the most: what the whole one says. A promise or a timestamp may be left out by
/// whoever passes a bundle on, and what is left still has to prove a time.
fn check_changed(bundle: &[u8]) -> Result<(), TestCaseError> {
    static WHOLE: LazyLock<(Verifier, Verified)> = LazyLock::new(|| {
        let verifier = knowing(vec![person()]);
        let bundle = fixture("public-good/blob.sigstore.json");
        let said = outcome(&verifier, &bundle, &expected(&blob(), Accept::Signature)).unwrap();
        (verifier, said)
    });
    let (verifier, said) = &*WHOLE;
    if let Ok(verified) = outcome(verifier, bundle, &expected(&blob(), Accept::Signature)) {
        prop_assert_eq!((&verified.signer, &verified.identity), (&said.signer, &said.identity));
        prop_assert!(verified.is_logged && !verified.times.is_empty());
        prop_assert!(verified.times.iter().all(|time| said.times.contains(time)), "{:?}", verified.times);
    }
    Ok(())
}

/// Where a bundle has bytes in base64.
const BYTES: [&str; 7] = [
    "/verificationMaterial/certificate/rawBytes",
    "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
    "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
    "/verificationMaterial/tlogEntries/0/logId/keyId",
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
    "/messageSignature/signature",
];

proptest! {
    #[test]
    fn a_real_bundle_that_is_changed_anywhere_is_refused_or_says_the_same(at in any::<Index>(), byte in any::<u8>()) {
        let mut bundle = fixture("public-good/blob.sigstore.json");
        let at = at.index(bundle.len());
        bundle[at] = byte;
        check_changed(&bundle)?;
    }

    #[test]
    fn what_a_real_bundle_carries_can_be_changed_or_cut_without_breaking_its_readers(
        pointer in 0..BYTES.len(), at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let bundle = changed(&fixture("public-good/blob.sigstore.json"), |bundle| {
            let text = bundle.pointer_mut(BYTES[pointer]).unwrap();
            let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] = byte;
            }
            *text = json!(STANDARD.encode(bytes));
        });
        check_changed(&bundle)?;
    }
}
