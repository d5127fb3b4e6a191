//! `POST /sbom/validate`: what is wrong with a bill of materials, without attaching it. And how one is shown.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use zas_policy::Action;

use crate::admin::answer::Answer;
use crate::admin::idempotency::PostedDocument;
use crate::admin::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::supply_chain::sbom::{self, Reading};
use crate::supply_chain::sboms;

/// Asks what is wrong with a document.
pub(super) struct ValidateSbom;

impl Asks for ValidateSbom {
    const NAME: &'static str = "ValidateSbom";
    const ACTION: Option<Action> = None;
    const ONLY_READS: bool = true;
}

/// What a document is, and what is wrong with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidatedSbom {
    /// Whether it is valid.
    valid: bool,
    /// `cyclonedx` or `spdx`.
    #[schema(example = "cyclonedx")]
    format: &'static str,
    /// The version of the specification.
    #[schema(example = "1.6")]
    version: &'static str,
    /// How it is written: `json`, `xml`, `tag-value` or `json-ld`.
    #[schema(example = "json")]
    encoding: &'static str,
    /// Its own name in the world.
    serial: Option<String>,
    /// The name that it gives itself.
    name: Option<String>,
    /// How many components it lists.
    components: usize,
    /// How many of them have a package URL.
    purls: usize,
    /// How many edges it has.
    edges: u64,
    /// How many errors there are; after 10,000 findings no more are looked for.
    errors: u64,
    /// How many remarks there are, which leave it valid.
    remarks: u64,
    /// The first 100 errors and remarks.
    findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SbomFinding)]
pub(super) struct Finding {
    /// Which rule it breaks (docs/sbom.md).
    #[schema(example = "package_url")]
    rule: &'static str,
    /// Whether it is an error; otherwise a remark.
    is_error: bool,
    /// Where: a JSON pointer, the path of an element, a tag; empty for the document as a whole.
    #[schema(example = "/components/0/purl")]
    field: String,
    /// The line, from 1, of XML and of lines of tags.
    line: Option<u64>,
    /// The column, from 1.
    column: Option<u64>,
    /// What is wrong, for people.
    message: String,
}

impl From<&Reading> for ValidatedSbom {
    fn from(reading: &Reading) -> Self {
        let (sbom, report) = (&reading.sbom, &reading.report);
        Self {
            valid: report.is_valid(),
            format: sbom.format.family(),
            version: sbom.format.version(),
            encoding: sbom.format.encoding(),
            serial: sbom.serial.clone(),
            name: sbom.name.clone(),
            components: sbom.components.len(),
            purls: sbom.components.iter().filter(|component| component.purl.is_some()).count(),
            edges: sbom.edges.count,
            errors: report.errors(),
            remarks: report.remarks(),
            findings: report.findings().iter().map(Finding::from).collect(),
        }
    }
}

impl From<&sbom::Finding> for Finding {
    fn from(finding: &sbom::Finding) -> Self {
        let place = finding.place.position;
        Self {
            rule: finding.rule.as_str(),
            is_error: finding.rule.is_error(),
            field: finding.place.path.clone(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: finding.text.clone(),
        }
    }
}

/// Find out what is wrong with a bill of materials, without attaching it.
///
/// The bytes say what it is: CycloneDX 1.2 to 1.7 as JSON or XML, SPDX 2.2 and 2.3 as JSON or lines of tags, SPDX 3.0.1 as JSON-LD. For everybody who is known.
#[utoipa::path(post, path = "/sbom/validate", tag = "artifacts",
    request_body(content((String = "application/vnd.cyclonedx+json"), (String = "application/vnd.cyclonedx+xml"),
        (String = "application/spdx+json"), (String = "text/spdx")), description = "The document."),
    responses((status = 200, body = ValidatedSbom),
        (status = 413, description = "The document, or something in it, is larger than what is read."),
        (status = 415, description = "It is in no format that is read here.")))]
pub(super) async fn validate_sbom(
    State(app): State<Arc<App>>,
    permitted: Permitted<ValidateSbom>,
    PostedDocument { bytes, media_type, once }: PostedDocument,
) -> Result<Answer, Refusal> {
    let read = sboms::examine(bytes, media_type).await?;
    let validated = ValidatedSbom::from(&read.reading);
    once.carry_out(&app, &permitted.permit, async |_| Answer::json(StatusCode::OK, &validated)).await
}
