//! Documents in their carriers, as tools write them.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const DOCUMENT: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#;
const SUBJECT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const STATEMENT: Layer<'_> =
    Layer { media_type: "application/vnd.in-toto+json", artifact_type: "", predicate_type: None };
const ENVELOPE: Layer<'_> =
    Layer { media_type: "application/vnd.dsse.envelope.v1+json", artifact_type: "", predicate_type: None };
const BUNDLE: Layer<'_> =
    Layer { media_type: "application/vnd.dev.sigstore.bundle.v0.3+json", artifact_type: "", predicate_type: None };

fn statement(predicate_type: &str, predicate: Value) -> String {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate_type,
        "subject": [{"name": "app", "digest": {"sha256": SUBJECT}}, {"name": "other", "digest": {"sha512": "00"}}],
        "predicate": predicate,
    })
    .to_string()
}

fn envelope(statement: &str) -> Value {
    json!({"payloadType": "application/vnd.in-toto+json", "payload": BASE64_STANDARD.encode(statement), "signatures": [{"sig": "AA=="}]})
}

fn taken(bytes: &str, layer: &Layer<'_>) -> Option<(String, Manner)> {
    let carried = take(bytes.as_bytes(), layer, &Limits::default()).unwrap()?;
    Some((String::from_utf8(carried.document.into_owned()).unwrap(), carried.manner))
}

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

#[test]
fn a_plain_layer_is_the_document() {
    let layer = Layer { media_type: "application/vnd.cyclonedx+json", ..Layer::default() };
    assert_eq!(taken(DOCUMENT, &layer), Some((DOCUMENT.to_owned(), Manner::Referrer)));
}

#[test]
fn the_predicate_of_a_statement_is_the_document_byte_for_byte() {
    let spaced = r#"{ "bomFormat" : "CycloneDX" }"#;
    let text = statement("https://cyclonedx.org/bom/v1.6", json!("PREDICATE")).replace("\"PREDICATE\"", spaced);
    assert_eq!(taken(&text, &STATEMENT), Some((spaced.to_owned(), Manner::Statement)));
}

#[test]
fn lines_of_tags_and_values_are_a_string_in_a_statement() {
    let lines = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n";
    let text = statement("https://spdx.dev/Document", json!(lines));
    assert_eq!(taken(&text, &STATEMENT), Some((lines.to_owned(), Manner::Statement)));
}

#[test]
fn what_old_cosign_wrapped_is_unwrapped() {
    for data in [json!(DOCUMENT), document()] {
        let text = statement("https://cyclonedx.org/bom", json!({"Data": data, "Timestamp": "2026-01-01T00:00:00Z"}));
        let (taken, _) = taken(&text, &STATEMENT).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&taken).unwrap(), document());
    }
}

#[test]
fn an_envelope_and_a_bundle_are_opened() {
    let text = statement("https://cyclonedx.org/bom", document());
    let bundle = json!({"mediaType": BUNDLE.media_type, "verificationMaterial": {}, "dsseEnvelope": envelope(&text)});
    for (bytes, layer) in [(envelope(&text), ENVELOPE), (bundle, BUNDLE)] {
        let (taken, manner) = taken(&bytes.to_string(), &layer).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&taken).unwrap(), document());
        assert_eq!(manner, Manner::Attestation);
    }
}

#[test]
fn both_alphabets_of_base64_are_read() {
    // Long enough to have a `-` or `_` in it.
    let text = statement("https://cyclonedx.org/bom", json!({"name": "ÿÿÿ???>>>ÿþý~~~"}));
    let payload = BASE64_URL_SAFE_NO_PAD.encode(&text);
    assert!(payload.contains(['-', '_']));
    let bytes = json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []});
    assert!(taken(&bytes.to_string(), &ENVELOPE).is_some());
}

#[test]
fn a_statement_is_about_its_subjects() {
    let text = statement("https://cyclonedx.org/bom", document());
    let carried = take(text.as_bytes(), &STATEMENT, &Limits::default()).unwrap().unwrap();
    assert!(carried.is_about(&Digest::of(b"")));
    assert!(!carried.is_about(&Digest::of(b"x")));
    assert_eq!(carried.subjects.len(), 2);
}

#[test]
fn other_predicates_payloads_and_bundles_carry_no_document() {
    assert_eq!(taken(&statement("https://slsa.dev/provenance/v1", json!({})), &STATEMENT), None);
    let other_type = statement("https://cyclonedx.org/bom", json!({})).replace("Statement/v0.1", "Statement/v9");
    assert_eq!(taken(&other_type, &STATEMENT), None);
    assert_eq!(taken(r#"{"payloadType":"text/plain","payload":"AAAA","signatures":[]}"#, &ENVELOPE), None);
    assert_eq!(taken(r#"{"mediaType":"x","messageSignature":{"signature":"AA=="}}"#, &BUNDLE), None);
}

#[test]
fn what_cannot_be_read_as_what_it_says_to_be_is_refused() {
    for (bytes, layer) in [
        ("{", STATEMENT),
        ("{}", STATEMENT),
        ("[]", ENVELOPE),
        (r#"{"payloadType":"application/vnd.in-toto+json","payload":"$$"}"#, ENVELOPE),
        (r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://cyclonedx.org/bom"}"#, STATEMENT),
    ] {
        let taken = take(bytes.as_bytes(), &layer, &Limits::default());
        assert!(matches!(taken, Err(Refusal::Malformed { .. })), "{bytes}: {taken:?}");
    }
    let small = Limits { bytes: 2, ..Limits::default() };
    assert!(matches!(take(b"{     }", &STATEMENT, &small), Err(Refusal::TooMuch { .. })));
}

proptest! {
    #[test]
    fn a_carrier_that_was_cut_is_refused_or_is_none(cut in 0_usize..400) {
        let text = statement("https://cyclonedx.org/bom", document());
        let bundle = json!({"dsseEnvelope": envelope(&text)}).to_string();
        for (bytes, layer) in [(text.as_str(), STATEMENT), (bundle.as_str(), BUNDLE)] {
            if let Some(cut) = bytes.get(..cut).filter(|cut| cut.len() < bytes.len()) {
                prop_assert!(take(cut.as_bytes(), &layer, &Limits::default()).is_err());
            }
        }
    }
}
