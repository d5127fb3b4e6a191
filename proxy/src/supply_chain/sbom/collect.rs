//! What all formats share in making a model: reading texts within bounds, licences, package URLs.

use serde_json::Value;

use super::finding::{Place, Report, Rule, excerpt};
use super::limits::Limits;
use super::model::{Component, Licence, Sbom};
use super::pointer::Pointer;
use super::purl::Purl;
use super::refusal::Refusal;
use crate::supply_chain::licence;

/// Takes a JSON document in pieces, in the order in which they stand, and makes a model of them.
pub(super) trait Collect {
    /// One element of a large list.
    /// # Errors
    /// More than the limits let through.
    fn element(&mut self, list: &str, index: usize, element: &Value, report: &mut Report) -> Result<(), Refusal>;

    /// All the rest, with the large lists empty; comes behind all elements.
    /// # Errors
    /// More than the limits let through.
    fn rest(&mut self, document: &Value, report: &mut Report) -> Result<(), Refusal>;

    /// The model, after what could only be checked at the end.
    fn finish(self, report: &mut Report) -> Sbom;
}

/// A text of the document for the model, cut at the limit.
pub(super) fn keep(text: &str, place: impl FnOnce() -> Place, limits: &Limits, report: &mut Report) -> String {
    if text.len() <= limits.text_bytes {
        return text.to_owned();
    }
    report.add(Rule::TooLong, place, || format!("only the first {} bytes are kept", limits.text_bytes));
    let end = (0..=limits.text_bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned()
}

/// The text of a member, where it is one and not empty.
pub(super) fn member(
    value: &Value,
    name: &str,
    at: &Pointer<'_>,
    limits: &Limits,
    report: &mut Report,
) -> Option<String> {
    let text = value.get(name)?.as_str().filter(|text| !text.is_empty())?;
    Some(keep(text, || at.member(name).place(), limits, report))
}

/// The elements of a member that is a list; none where it is not.
pub(super) fn elements<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    value.get(name).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// A package URL; a finding where it cannot be read.
pub(super) fn purl(text: &str, place: impl FnOnce() -> Place, report: &mut Report) -> Option<Purl> {
    match text.parse() {
        Ok(purl) => Some(purl),
        Err(error) => {
            report.add(Rule::PackageUrl, place, || format!("`{}`: {error}", excerpt(text)));
            None
        }
    }
}

/// A licence expression; a finding where its syntax is wrong, and then it is kept as a name.
pub(super) fn expression(text: &str, place: impl FnOnce() -> Place, limits: &Limits, report: &mut Report) -> Licence {
    let read = Licence::expression(text);
    let Licence::Expression(expression) = &read else { return read };
    match licence::parse(expression) {
        Ok(_) => read,
        Err(error) => {
            report.add(Rule::LicenceExpression, place, || format!("`{}`: {error}", excerpt(text)));
            Licence::Named(keep(text, Place::default, limits, report))
        }
    }
}

/// Adds a component.
/// # Errors
/// There are as many as may be.
pub(super) fn push(sbom: &mut Sbom, component: Component, limits: &Limits) -> Result<usize, Refusal> {
    let index = sbom.components.len();
    if index == limits.components {
        return Err(Refusal::TooMuch { what: "components", limit: limits.components });
    }
    sbom.components.push(component);
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_remarked_on() {
        let limits = Limits { text_bytes: 3, ..Limits::default() };
        let mut report = Report::new(10, 100);
        assert_eq!(keep("éé", Place::default, &limits, &mut report), "é");
        assert_eq!((report.remarks(), report.is_valid()), (1, true));
    }
}
