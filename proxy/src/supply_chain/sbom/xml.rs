//! CycloneDX as XML: validated against the published XSD while it is read, in one pass and without a tree.
//!
//! What the reader is told of goes into the model (`xml_model`). A document type declaration is refused, so that there are no
//! entities but XML's own five; nothing outside of the document is ever read. The schema set is made anew for each document:
//! it keeps every name that a document has, for as long as it lives.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use xsd_schema::validation::{
    DriveWithError, SchemaValidator, ValidationError, ValidationFlags, ValidationSink, ValidationWarning,
    drive_quick_xml_with,
};
use xsd_schema::xml::ParseLimits;
use xsd_schema::{SchemaSet, SchemaSetBuilder};

use super::finding::{Place, Report, Rule, excerpt};
use super::format::CycloneDx;
use super::limits::Limits;
use super::model::Sbom;
use super::refusal::Refusal;
use super::xml_model::{Stop, XmlModel};

/// Longest name of an element or attribute, in bytes; the published ones have up to 40.
const NAME_BYTES: usize = 256;
/// Most attributes of an element; the published ones have up to 6.
const ATTRIBUTES: usize = 64;
/// Longest value of an attribute, in bytes.
const ATTRIBUTE_BYTES: usize = 1 << 20;
/// Longest name of a namespace, and most of them at a time.
const NAMESPACE_BYTES: usize = 1024;
const NAMESPACES: usize = 64;

/// Reads a document and its findings.
/// # Errors
/// It is not well-formed, has a document type declaration, is no UTF-8, or is more than the limits let through.
pub(super) fn read(text: &str, version: CycloneDx, limits: &Limits, report: &mut Report) -> Result<Sbom, Refusal> {
    let shared = RefCell::new(std::mem::replace(report, Report::new(0, 0)));
    // The validator is large and of another house: what goes wrong in it must not take more than this document along.
    let outcome = catch_unwind(AssertUnwindSafe(|| drive(text, version, limits, &shared)));
    *report = shared.into_inner();
    outcome.unwrap_or_else(|_| Err(Refusal::Fault("the XML validator panicked".into())))
}

fn drive(text: &str, version: CycloneDx, limits: &Limits, report: &RefCell<Report>) -> Result<Sbom, Refusal> {
    let set = schema_set(version).map_err(|error| Refusal::Fault(format!("an XSD does not compile: {error}")))?;
    let validator = SchemaValidator::new(&set, ValidationFlags::default() & !ValidationFlags::BUILD_PSVI_TYPED_VALUES);
    let offset = Cell::new(0);
    let mut runtime = validator.start_run(Findings { text, offset: &offset, report });
    runtime.set_parse_limits(parse_limits(limits));
    let mut model = XmlModel::new(text, version, limits, &offset, report);
    let driven = drive_quick_xml_with(text.as_bytes(), &mut runtime, &set, &mut model);
    match driven {
        Ok(_) => {
            runtime.end_validation().map_err(|error| Refusal::Fault(error.to_string()))?;
        }
        Err(DriveWithError::Hook(Stop::Full)) => {}
        Err(error) => return Err(refusal(text, error)),
    }
    Ok(model.finish())
}

fn schema_set(version: CycloneDx) -> Result<SchemaSet, xsd_schema::SchemaError> {
    const SPDX: &str = include_str!("../../../schemas/sbom/cyclonedx/spdx.SNAPSHOT.xsd");
    let bom = match version {
        CycloneDx::V1_2 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.2.SNAPSHOT.xsd"),
        CycloneDx::V1_3 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.3.SNAPSHOT.xsd"),
        CycloneDx::V1_4 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.4.SNAPSHOT.xsd"),
        CycloneDx::V1_5 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.5.SNAPSHOT.xsd"),
        CycloneDx::V1_6 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.6.SNAPSHOT.xsd"),
        CycloneDx::V1_7 => include_str!("../../../schemas/sbom/cyclonedx/bom-1.7.SNAPSHOT.xsd"),
    };
    let builder = SchemaSetBuilder::with_loader(Box::new(NoLoader));
    let builder = builder.add_source(SPDX, "memory:/spdx.SNAPSHOT.xsd")?.add_source(bom, "memory:/bom.xsd")?;
    let compiled = builder.compile()?;
    match compiled.directive_failures().first() {
        Some(missing) => Err(xsd_schema::SchemaError::ResolutionError { message: format!("{missing:?}") }),
        None => Ok(compiled.into_schema_set()),
    }
}

/// Schemas name others by their places; all that are needed are given beforehand.
#[derive(Debug)]
struct NoLoader;

impl xsd_schema::SchemaLoader for NoLoader {
    fn load(&self, location: &str) -> xsd_schema::SchemaResult<String> {
        Err(xsd_schema::SchemaError::ResolutionError { message: format!("{location} is not given") })
    }

    fn can_load(&self, _: &str) -> bool {
        false
    }
}

fn parse_limits(limits: &Limits) -> ParseLimits {
    ParseLimits::none()
        .with_max_depth(limits.depth)
        .with_max_name_bytes(NAME_BYTES)
        .with_max_attributes(ATTRIBUTES)
        .with_max_attribute_value_bytes(ATTRIBUTE_BYTES)
        .with_max_namespace_uri_bytes(NAMESPACE_BYTES)
        .with_max_namespaces_in_scope(NAMESPACES)
        .with_max_text_bytes(limits.element_bytes)
}

fn refusal(text: &str, error: DriveWithError<Stop>) -> Refusal {
    let at = |position: u64| Place::of_offset(text.as_bytes(), usize::try_from(position).unwrap_or(usize::MAX));
    match error {
        DriveWithError::Hook(Stop::Refused(refusal)) => refusal,
        DriveWithError::NotWellFormed(error) => {
            Refusal::Malformed { place: at(error.position()), text: excerpt(error.message()) }
        }
        DriveWithError::LimitExceeded(error) => {
            Refusal::TooMuch { what: error.limit().description(), limit: error.max() }
        }
        error => Refusal::Fault(error.to_string()),
    }
}

/// Takes what the validator finds.
struct Findings<'a> {
    text: &'a str,
    offset: &'a Cell<usize>,
    report: &'a RefCell<Report>,
}

impl ValidationSink for Findings<'_> {
    fn on_error(&mut self, error: ValidationError) {
        let place = || {
            let path = error.instance_path().map(|path| short_path(&path.to_string())).unwrap_or_default();
            Place { path, ..Place::of_offset(self.text.as_bytes(), self.offset.get()) }
        };
        self.report.borrow_mut().add(Rule::Schema, place, || excerpt_long(&error.message));
    }

    fn on_warning(&mut self, _: ValidationWarning) {}
}

/// `/Q{http://cyclonedx.org/schema/bom/1.6}bom[1]/…` without the namespaces.
fn short_path(path: &str) -> String {
    let mut out = String::new();
    for part in path.split("Q{") {
        out.push_str(part.split_once('}').map_or(part, |(_, name)| name));
    }
    excerpt_long(&out)
}

fn excerpt_long(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
