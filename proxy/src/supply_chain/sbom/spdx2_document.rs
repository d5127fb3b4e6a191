//! SPDX 2: the document's own section (SPDX 2.3, clause 6) and the grammar of identifiers.

use serde_json::Value;

use super::collect::{elements, member};
use super::finding::{Report, Rule, excerpt};
use super::pointer::Pointer;
use super::spdx2::{DOCUMENT, Spdx2Document};

/// What a creator's name begins with, and the tools among them.
const TOOL: &str = "Tool:";
const CREATORS: [&str; 3] = [TOOL, "Organization:", "Person:"];

/// Most tools that are kept.
const MOST_TOOLS: usize = 64;

/// Reads and checks what stands outside of the lists.
pub(super) fn check(into: &mut Spdx2Document<'_>, document: &Value, report: &mut Report) {
    let limits = into.limits;
    let at = Pointer::Root;
    into.sbom.name = member(document, "name", &at, limits, report);
    into.sbom.serial = member(document, "documentNamespace", &at, limits, report);
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if let Some(id) = text("SPDXID").filter(|id| *id != DOCUMENT) {
        let say = || format!("is `{}` and must be {DOCUMENT}", excerpt(id));
        report.add(Rule::InvalidId, || at.member("SPDXID").place(), say);
    }
    if let Some(licence) = text("dataLicense").filter(|licence| *licence != "CC0-1.0") {
        let say = || format!("is `{}` and must be CC0-1.0", excerpt(licence));
        report.add(Rule::Value, || at.member("dataLicense").place(), say);
    }
    namespace(text("documentNamespace"), report);
    if let Some(info) = document.get("creationInfo") {
        creation(into, info, report);
    }
}

/// A URI without a fragment (SPDX 2.3, 6.5).
fn namespace(namespace: Option<&str>, report: &mut Report) {
    let fault = match namespace {
        None => "is missing".to_owned(),
        Some(text) if text.contains('#') => "must have no `#`".to_owned(),
        Some(text) if url::Url::parse(text).is_err() => format!("`{}` is no URI", excerpt(text)),
        Some(_) => return,
    };
    report.add(Rule::Value, || Pointer::Root.member("documentNamespace").place(), || fault);
}

fn creation(into: &mut Spdx2Document<'_>, info: &Value, report: &mut Report) {
    let at = Pointer::Root.member("creationInfo");
    into.sbom.created = member(info, "created", &at, into.limits, report);
    if let Some(created) = info.get("created").and_then(Value::as_str).filter(|created| !is_time(created)) {
        let rule = if is_finer_time(created) { Rule::Tolerated } else { Rule::Value };
        let say = || format!("`{}` is no time of the form YYYY-MM-DDThh:mm:ssZ", excerpt(created));
        report.add(rule, || at.member("created").place(), say);
    }
    let list = at.member("creators");
    for (index, creator) in elements(info, "creators") {
        let Some(creator) = creator.as_str() else { continue };
        if !CREATORS.iter().any(|kind| creator.starts_with(kind)) {
            let say = || format!("`{}` is no Tool:, Organization: or Person:", excerpt(creator));
            report.add(Rule::Value, || list.element(index).place(), say);
        }
        if let Some(tool) = creator.strip_prefix(TOOL).filter(|_| into.sbom.tools.len() < MOST_TOOLS) {
            into.sbom.tools.push(excerpt(tool.trim()));
        }
    }
}

/// `SPDXRef-` and letters, digits, dots and dashes (SPDX 2.3, 6.3).
pub(super) fn is_spdx_id(id: &str) -> bool {
    id.strip_prefix("SPDXRef-").is_some_and(is_id_string)
}

/// Letters, digits, dots and dashes, at least one.
pub(super) fn is_id_string(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// `YYYY-MM-DDThh:mm:ssZ` (SPDX 2.3, 6.9).
fn is_time(text: &str) -> bool {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time::PrimitiveDateTime::parse(text, FORMAT).is_ok()
}

/// With a fraction of a second, as `npm sbom` has it.
fn is_finer_time(text: &str) -> bool {
    let fraction = text.split_once('.').and_then(|(time, rest)| Some((time, rest.strip_suffix('Z')?)));
    fraction.is_some_and(|(time, digits)| {
        is_time(&format!("{time}Z")) && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_its_prefix_and_plain_characters() {
        for (id, good) in [
            ("SPDXRef-a", true),
            ("SPDXRef-A.b-1", true),
            ("SPDXRef-", false),
            ("SPDXRef-a_b", false),
            ("SPDXRef-é", false),
            ("a", false),
        ] {
            assert_eq!(is_spdx_id(id), good, "{id}");
        }
    }

    #[test]
    fn a_time_has_no_zone_but_utc() {
        for (text, good) in
            [("2026-01-29T18:30:22Z", true), ("2026-01-29T18:30:22+01:00", false), ("2026-13-29T18:30:22Z", false)]
        {
            assert_eq!(is_time(text), good, "{text}");
        }
        for (text, finer) in
            [("2026-01-29T18:30:22.098Z", true), ("2026-01-29T18:30:22.Z", false), ("then.098Z", false)]
        {
            assert_eq!(is_finer_time(text), finer, "{text}");
        }
    }
}
