//! Which format and version some bytes are.

use super::finding::{Place, excerpt};
use super::format::{CycloneDx, Spdx2};
use super::json::Top;
use super::limits::Limits;
use super::refusal::Refusal;
use super::xml_model::NAMESPACE;

/// How far the root element of XML is looked for, in bytes.
const XML_HEAD: usize = 64 << 10;

/// How many lines may stand before the one that names the version of a tag-value document.
const TAG_VALUE_HEAD: usize = 1000;

/// Where the contexts of SPDX 3 begin.
const SPDX3_CONTEXT: &str = "https://spdx.org/rdf/3.";

/// A format, and the bytes as far as they had to be looked at.
pub(super) enum Detected<'a> {
    /// CycloneDX as JSON.
    CycloneDxJson(Top<'a>, CycloneDx),
    /// CycloneDX as XML.
    CycloneDxXml(&'a str, CycloneDx),
    /// SPDX 2 as JSON.
    Spdx2Json(Top<'a>, Spdx2),
    /// SPDX 2 as tags and values.
    Spdx2TagValue(&'a str, Spdx2),
    /// SPDX 3.0.1 as JSON-LD.
    Spdx3Json(Top<'a>),
}

/// Looks at the bytes.
/// # Errors
/// They are too many, no UTF-8, broken JSON, or in no format that is read.
pub(super) fn detect<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Detected<'a>, Refusal> {
    if bytes.len() > limits.bytes {
        return Err(Refusal::TooMuch { what: "bytes", limit: limits.bytes });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| Refusal::Malformed {
        place: Place::of_offset(bytes, error.valid_up_to()),
        text: "is not UTF-8".into(),
    })?;
    match text.trim_start().chars().next() {
        Some('{') => json(text),
        Some('<') => xml(text),
        _ => tag_value(text),
    }
}

/// The family of formats that a media type names.
pub(super) fn family(media_type: &str) -> Option<&'static str> {
    let media_type = media_type.to_ascii_lowercase();
    ["cyclonedx", "spdx"].into_iter().find(|family| media_type.contains(family))
}

fn json(text: &str) -> Result<Detected<'_>, Refusal> {
    let top = Top::read(text)?;
    if top.string("bomFormat").is_some_and(|format| format == "CycloneDX") {
        let version = top.string("specVersion").unwrap_or_default();
        return match CycloneDx::parse(&version) {
            Some(version) => Ok(Detected::CycloneDxJson(top, version)),
            None => Err(unsupported("CycloneDX", &version, "JSON")),
        };
    }
    if let Some(version) = top.string("spdxVersion") {
        return match Spdx2::parse(&version) {
            Some(version) => Ok(Detected::Spdx2Json(top, version)),
            None => Err(unsupported("SPDX", version.trim_start_matches("SPDX-"), "JSON")),
        };
    }
    if let Some(context) = top.string("@context").filter(|context| context.starts_with(SPDX3_CONTEXT)) {
        let version =
            context.trim_start_matches("https://spdx.org/rdf/").split('/').next().unwrap_or_default().to_owned();
        return if version == "3.0.1" {
            Ok(Detected::Spdx3Json(top))
        } else {
            Err(unsupported("SPDX", &version, "JSON-LD"))
        };
    }
    // What other tools write by default, so that their users read a name instead of a riddle.
    if top.has("artifacts") && top.has("descriptor") {
        return Err(Refusal::Unsupported("Syft's own JSON".into()));
    }
    if top.has("SchemaVersion") && top.has("Results") {
        return Err(Refusal::Unsupported("Trivy's own JSON".into()));
    }
    Err(Refusal::Unrecognised)
}

fn unsupported(family: &str, version: &str, encoding: &str) -> Refusal {
    let version = if version.is_empty() { "without a version".to_owned() } else { excerpt(version) };
    Refusal::Unsupported(format!("{family} {version} as {encoding}"))
}

fn tag_value(text: &str) -> Result<Detected<'_>, Refusal> {
    for line in text.lines().take(TAG_VALUE_HEAD).map(str::trim_start) {
        if let Some(version) = line.strip_prefix("SPDXVersion:") {
            let version = version.trim();
            return match Spdx2::parse(version) {
                Some(version) => Ok(Detected::Spdx2TagValue(text, version)),
                None => Err(unsupported("SPDX", version.trim_start_matches("SPDX-"), "tag-value")),
            };
        }
        if line.starts_with("spdxVersion:") {
            return Err(Refusal::Unsupported("SPDX as YAML".into()));
        }
    }
    Err(Refusal::Unrecognised)
}

fn xml(text: &str) -> Result<Detected<'_>, Refusal> {
    let root = root_tag(text)?;
    let namespaces = || root.split(['"', '\'']).skip(1).step_by(2);
    if let Some(version) = namespaces().find_map(|namespace| namespace.strip_prefix(NAMESPACE)) {
        return match CycloneDx::parse(version) {
            Some(version) => Ok(Detected::CycloneDxXml(text, version)),
            None => Err(unsupported("CycloneDX", version, "XML")),
        };
    }
    if namespaces().any(|namespace| namespace.starts_with("http://spdx.org/rdf")) {
        return Err(Refusal::Unsupported("SPDX as RDF/XML".into()));
    }
    Err(Refusal::Unrecognised)
}

/// The text of the root element's start tag. What stands before it is passed over; a document type declaration is refused.
fn root_tag(text: &str) -> Result<&str, Refusal> {
    let mut rest = text.trim_start();
    while text.len() - rest.len() < XML_HEAD {
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!") {
            let place = Place::of_offset(text.as_bytes(), text.len() - rest.len());
            return Err(Refusal::Malformed { place, text: "a document type declaration is not read".into() });
        } else {
            let head: &str = rest.get(..XML_HEAD.min(rest.len())).unwrap_or(rest);
            return Ok(head.split_once('>').map_or(head, |(tag, _)| tag));
        };
        let Some((_, behind)) = rest.split_once(end) else { break };
        rest = behind.trim_start();
    }
    Err(Refusal::Unrecognised)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> String {
        match detect(text.as_bytes(), &Limits::default()) {
            Ok(Detected::CycloneDxJson(_, version)) => format!("cyclonedx json {}", version.as_str()),
            Ok(Detected::CycloneDxXml(_, version)) => format!("cyclonedx xml {}", version.as_str()),
            Ok(Detected::Spdx2Json(_, version)) => format!("spdx json {}", version.as_str()),
            Ok(Detected::Spdx2TagValue(_, version)) => format!("spdx tag-value {}", version.as_str()),
            Ok(Detected::Spdx3Json(_)) => "spdx json-ld".into(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn the_bytes_say_what_they_are() {
        for (text, expected) in [
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#, "cyclonedx json 1.6"),
            ("\u{feff}\n {\"specVersion\":\"1.2\",\"bomFormat\":\"CycloneDX\"}", "cyclonedx json 1.2"),
            (r#"{"spdxVersion":"SPDX-2.3"}"#, "spdx json 2.3"),
            (r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#, "spdx json-ld"),
            ("# made by hand\nSPDXVersion: SPDX-2.2\n", "spdx tag-value 2.2"),
            (
                "<?xml version='1.0'?><!-- x > y --><b:bom xmlns:b='http://cyclonedx.org/schema/bom/1.4'/>",
                "cyclonedx xml 1.4",
            ),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_known_and_not_read_is_named() {
        for (text, expected) in [
            (r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#, "CycloneDX 2.0 as JSON is not read"),
            (r#"{"bomFormat":"CycloneDX"}"#, "CycloneDX without a version as JSON is not read"),
            (r#"{"spdxVersion":"SPDX-2.1"}"#, "SPDX 2.1 as JSON is not read"),
            (r#"{"@context":"https://spdx.org/rdf/3.0.0/spdx-context.jsonld"}"#, "SPDX 3.0.0 as JSON-LD is not read"),
            ("<bom xmlns=\"http://cyclonedx.org/schema/bom/1.1\"/>", "CycloneDX 1.1 as XML is not read"),
            ("<rdf:RDF xmlns:spdx=\"http://spdx.org/rdf/terms#\"/>", "SPDX as RDF/XML is not read"),
            ("spdxVersion: SPDX-2.3\n", "SPDX as YAML is not read"),
            (r#"{"artifacts":[],"descriptor":{}}"#, "Syft's own JSON is not read"),
            (r#"{"SchemaVersion":2,"Results":[]}"#, "Trivy's own JSON is not read"),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for text in ["", "{}", "hello", "<a/>", "<!-- x", "[]", "null"] {
            assert_eq!(found(text), Refusal::Unrecognised.to_string(), "{text}");
        }
        assert!(found("<!DOCTYPE bom><bom/>").contains("document type declaration"));
        assert!(matches!(detect(b"{\"a\": \"\xff\"}", &Limits::default()), Err(Refusal::Malformed { .. })));
        let small = Limits { bytes: 3, ..Limits::default() };
        assert!(matches!(detect(b"{   }", &small), Err(Refusal::TooMuch { .. })));
    }

    proptest! {
        #[test]
        fn any_text_is_known_or_refused(text in "([ -~é\n]|<\\?|<!--|-->|\\?>){0,60}") {
            found(&text);
        }
    }
}
