//! Bills of materials: read, validated against the published schemas and the rules that no schema can say, and made into one
//! model.
//!
//! [`read`] is a function of bytes: no I/O, no clock, and bounded in every direction. What cannot be read is a [`Refusal`];
//! what is read and wrong is a finding of the [`Report`], with its place. [`carried`] takes a document out of what brings it
//! along: an in-toto statement, a DSSE envelope, a Sigstore bundle. docs/sbom.md lists formats, rules and gaps.

pub mod carried;
mod collect;
mod cyclonedx;
mod detect;
mod document;
mod finding;
mod format;
mod json;
mod limits;
mod model;
mod pointer;
mod purl;
mod references;
mod refusal;
mod schema;
mod schema_error;
mod spdx2;
mod spdx2_document;
mod spdx3;
mod spdx3_names;
mod tag_value;
mod tag_value_forms;
mod tag_value_lines;
mod tag_value_tags;
mod unique;
mod version_key;
mod xml;
mod xml_model;

pub(super) use finding::excerpt;
pub use finding::{Finding, Place, Report, Rule};
pub use format::{CycloneDx, Format, Spdx2};
pub use limits::Limits;
pub use model::{Component, Edges, Hash, Licence, Sbom};
pub use purl::{ParsePurlError, Purl};
pub use refusal::Refusal;
pub use version_key::{VersionRange, version_key};

use self::cyclonedx::CycloneDxDocument;
use self::detect::Detected;
use self::document::Document;
use self::schema::Schema;
use self::spdx2::Spdx2Document;
use self::spdx3::Spdx3Document;
use crate::error::{Code, Error, Problem};

/// A document that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What it says.
    pub sbom: Sbom,
    /// What is wrong with it.
    pub report: Report,
}

impl Reading {
    /// Makes sure that the document is valid.
    /// # Errors
    /// `SbomInvalid`, with the number of errors, and the first of them place by place.
    pub fn check(&self) -> Result<(), Error> {
        let errors = || self.report.findings().iter().filter(|finding| finding.rule.is_error());
        if self.report.is_valid() {
            return Ok(());
        }
        let first = errors().next().map(ToString::to_string).unwrap_or_default();
        let text = format!("The {} document is not valid: {first}", self.sbom.format);
        let error = Error::new(Code::SbomInvalid, text).with("errors", self.report.errors());
        Err(errors().fold(error, |error, finding| {
            let (field, rule, message) = (finding.place.to_string(), finding.rule.as_str(), finding.text.clone());
            error.problem(Problem { field, rule, message })
        }))
    }

    /// The model of a valid document.
    /// # Errors
    /// As [`check`](Self::check).
    pub fn valid(self) -> Result<Sbom, Error> {
        self.check().map(|()| self.sbom)
    }
}

/// Reads a document. The bytes say what it is; `media_type` is what it was stored under, and a remark says so where that is
/// another family of formats.
/// # Errors
/// The bytes are no document that is read here, or more than the limits let through.
pub fn read(bytes: &[u8], media_type: Option<&str>, limits: &Limits) -> Result<Reading, Refusal> {
    let mut report = Report::new(limits.findings, limits.counted_findings);
    let report_to = &mut report;
    let sbom = match detect::detect(bytes, limits)? {
        Detected::CycloneDxJson(top, version) => {
            let model = CycloneDxDocument::new(Format::CycloneDxJson(version), limits);
            Document::new(Schema::cyclonedx(version)?, model).read(&top, limits, report_to)?
        }
        Detected::CycloneDxXml(text, version) => xml::read(text, version, limits, report_to)?,
        Detected::Spdx2Json(top, version) => {
            let model = Spdx2Document::new(Format::Spdx2Json(version), limits);
            Document::new(Schema::spdx2(version)?, model).read(&top, limits, report_to)?
        }
        Detected::Spdx2TagValue(text, version) => {
            let model = Spdx2Document::new(Format::Spdx2TagValue(version), limits);
            tag_value::read(text, Document::new(Schema::spdx2(version)?, model), limits, report_to)?
        }
        Detected::Spdx3Json(top) => {
            Document::new(Schema::spdx3()?, Spdx3Document::new(limits)).read(&top, limits, report_to)?
        }
    };
    if let Some(said) = media_type.and_then(detect::family).filter(|said| *said != sbom.format.family()) {
        report.add(Rule::MediaType, Place::default, || format!("is {}, and was stored as {said}", sbom.format));
    }
    Ok(Reading { sbom, report })
}

#[cfg(test)]
mod tests;
