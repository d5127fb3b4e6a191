//! Documents that were cut, changed, or made to be too much.

use proptest::prelude::*;

use super::*;

#[test]
fn a_document_that_was_cut_is_refused_or_invalid() {
    for (name, text) in DOCUMENTS {
        // An XSD is compiled for each XML document, which takes its time in a debug build.
        let step = if name.ends_with(".xml") { 211 } else { 17 };
        for at in (0..text.len().saturating_sub(2)).step_by(step).filter(|&at| text.is_char_boundary(at)) {
            match read(&text.as_bytes()[..at], None, &Limits::default()) {
                // Lines may end anywhere; what is missing is missed only where something refers to it.
                Ok(reading) => assert!(!reading.report.is_valid() || name.ends_with(".spdx"), "{name} cut at {at}"),
                Err(Refusal::Fault(fault)) => panic!("{name} cut at {at}: {fault}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn more_than_the_limits_is_refused() {
    let too_much = |limits: Limits| {
        for (name, text) in DOCUMENTS {
            let refusal = read(text.as_bytes(), None, &limits).expect_err(name);
            assert!(matches!(refusal, Refusal::TooMuch { .. } | Refusal::Malformed { .. }), "{name}: {refusal}");
        }
    };
    too_much(Limits { bytes: 100, ..Limits::default() });
    too_much(Limits { components: 3, ..Limits::default() });
    too_much(Limits { edges: 1, ..Limits::default() });
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let shallow = Limits { depth: 2, ..Limits::default() };
    for name in ["cyclonedx-1.6.json", "cyclonedx-1.6.xml", "spdx-2.3.json", "spdx-3.0.1.json"] {
        assert!(read(document(name).as_bytes(), None, &shallow).is_err(), "{name}");
    }
}

/// Each level doubles what the published schema of SPDX 3 costs.
#[test]
fn elements_of_spdx_3_inside_of_one_another_are_refused_beyond_a_few() {
    let nested = |levels: usize| {
        let inner = (0..levels).fold("\"https://a.example/x\"".to_owned(), |inner, level| {
            format!(
                r#"{{"type":"Relationship","spdxId":"https://a.example/{level}","creationInfo":"_:c","from":{inner},"relationshipType":"other","to":["https://a.example/x"]}}"#
            )
        });
        format!(r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{inner}]}}"#)
    };
    assert!(read(nested(3).as_bytes(), None, &Limits::default()).is_ok());
    for levels in [7, 60] {
        let refusal = read(nested(levels).as_bytes(), None, &Limits::default()).unwrap_err();
        assert!(refusal.to_string().contains("nested too deeply"), "{refusal}");
    }
}

#[test]
fn one_large_element_is_refused_before_it_is_a_tree() {
    let large = "x".repeat(5000);
    let limits = Limits { element_bytes: 4000, ..Limits::default() };
    for (name, from) in [
        ("cyclonedx-1.6.json", "\"name\": \"lodash\""),
        ("cyclonedx-1.6.json", "\"name\": \"acme-shop\""),
        ("spdx-2.3.json", "\"name\": \"lodash\""),
        ("spdx-3.0.1.json", "\"name\": \"lodash\""),
    ] {
        let text = document(name).replacen(from, &format!("\"name\": \"{large}\""), 1);
        let refusal = read(text.as_bytes(), None, &limits).unwrap_err();
        assert!(matches!(refusal, Refusal::TooMuch { .. }), "{name}: {refusal}");
    }
    let text = document("spdx-2.3.spdx").replacen("PackageName: lodash", &format!("PackageName: {large}"), 1);
    assert!(matches!(read(text.as_bytes(), None, &limits), Err(Refusal::TooMuch { .. })));
    let text = document("cyclonedx-1.6.xml").replacen("<name>lodash", &format!("<name>{large}"), 1);
    assert!(matches!(read(text.as_bytes(), None, &limits), Err(Refusal::TooMuch { .. })));
}

#[test]
fn a_long_name_is_cut_and_remarked_on() {
    let large = "é".repeat(3000);
    for name in ["cyclonedx-1.6.json", "cyclonedx-1.6.xml", "spdx-2.3.spdx"] {
        let Reading { sbom, report } = reading(&document(name).replacen("lodash", &large, 3));
        assert!(report.findings().iter().any(|finding| finding.rule == Rule::TooLong), "{name}: {report:#?}");
        assert!(sbom.components.iter().all(|component| component.name.len() <= 4096), "{name}");
    }
}

#[test]
fn findings_are_bounded_and_reading_ends_when_there_are_too_many() {
    let components: Vec<String> = (0..2000).map(|i| format!("{{\"type\":\"nothing\",\"name\":\"{i}\"}}")).collect();
    let text = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{}]}}"#, components.join(","));
    let limits = Limits { findings: 5, counted_findings: 100, ..Limits::default() };
    let report = read(text.as_bytes(), None, &limits).unwrap().report;
    assert_eq!((report.findings().len(), report.errors()), (5, 100));
    assert!(report.is_full());
    let components: String =
        (0..2000).map(|i| format!("<component type=\"nothing\"><name>{i}</name></component>")).collect();
    let text =
        format!("<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\"><components>{components}</components></bom>");
    let report = read(text.as_bytes(), None, &limits).unwrap().report;
    assert_eq!((report.findings().len(), report.is_full()), (5, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A byte of a document becomes another one.
    #[test]
    fn a_document_with_a_changed_byte_is_read_or_refused(
        which in 0..DOCUMENTS.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = DOCUMENTS[which].1.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert!(!matches!(read(&bytes, None, &Limits::default()), Err(Refusal::Fault(_))));
    }

    /// A piece of a document stands where another one stood.
    #[test]
    fn a_document_with_a_moved_piece_is_read_or_refused(
        which in 0..DOCUMENTS.len(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 1_usize..200
    ) {
        let mut bytes = DOCUMENTS[which].1.as_bytes().to_vec();
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let piece = bytes[from..bytes.len().min(from + length)].to_vec();
        bytes.splice(to..to, piece);
        prop_assert!(!matches!(read(&bytes, None, &Limits::default()), Err(Refusal::Fault(_))));
    }
}
