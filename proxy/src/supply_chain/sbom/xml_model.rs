//! CycloneDX as XML: what the reader is told of, element by element, as a model.
//!
//! A stack says what each open element is to the model. Components inside of other things, as the ancestors of a pedigree, are
//! none of the document's.

use std::cell::{Cell, RefCell};

use xsd_schema::validation::{
    AttributeView, DoctypeView, ElementStartView, EndElementInfo, TextKind, ValidationEventHandler,
};

use super::collect::{expression, keep, purl, push};
use super::cyclonedx::BOM_LINK;
use super::finding::{Place, Report, excerpt};
use super::format::{CycloneDx, Format};
use super::limits::Limits;
use super::model::{Component, Hash, Licence, Sbom};
use super::references::{End, References};
use super::refusal::Refusal;

/// Where the namespaces of CycloneDX begin.
pub(super) const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

/// Most tools that are kept.
const MOST_TOOLS: usize = 64;

/// Why reading ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// So much is wrong that the rest is of no use.
    Full,
    /// It is not read.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What an open element is to the model.
#[derive(Debug, Clone)]
enum Level {
    Other,
    Bom,
    Metadata,
    Tools,
    Tool { name: String, version: String },
    Components,
    Component(usize),
    Supplier(usize),
    Hashes(usize),
    Hash { component: usize, algorithm: String },
    Licences(usize),
    Licence { component: usize, concluded: bool, licence: Option<Licence> },
    Expression { component: usize, concluded: bool, detailed: Option<String> },
    Dependencies,
    Dependency(usize),
    Field(Field),
}

/// A text that the model takes from an element that has nothing else.
#[derive(Debug, Clone, Copy)]
enum Field {
    Timestamp,
    ToolName,
    ToolVersion,
    Group(usize),
    Name(usize),
    Version(usize),
    Cpe(usize),
    Purl(usize),
    Supplier(usize),
    LicenceId,
    LicenceName,
}

/// The model in the making.
pub(super) struct XmlModel<'a> {
    text: &'a str,
    sbom: Sbom,
    references: References,
    stack: Vec<Level>,
    characters: String,
    /// Where each dependency begins.
    dependencies: Vec<usize>,
    /// How many edges the dependency has so far.
    nested: usize,
    /// What the element is to the dependency that it stands in.
    edge: Option<End>,
    limits: &'a Limits,
    offset: &'a Cell<usize>,
    report: &'a RefCell<Report>,
}

impl<'a> XmlModel<'a> {
    pub(super) fn new(
        text: &'a str,
        version: CycloneDx,
        limits: &'a Limits,
        offset: &'a Cell<usize>,
        report: &'a RefCell<Report>,
    ) -> Self {
        Self {
            text,
            sbom: Sbom::new(Format::CycloneDxXml(version)),
            references: References::new(limits),
            stack: Vec::new(),
            characters: String::new(),
            dependencies: Vec::new(),
            nested: 0,
            edge: None,
            limits,
            offset,
            report,
        }
    }

    pub(super) fn finish(mut self) -> Sbom {
        let mut report = self.report.borrow_mut();
        self.sbom.edges = self.references.finish(&mut report);
        report.locate(|path| {
            let index: usize = path.strip_prefix("/dependencies/")?.split('/').next()?.parse().ok()?;
            Place::of_offset(self.text.as_bytes(), *self.dependencies.get(index)?).position
        });
        drop(report);
        self.sbom
    }

    fn begin(&mut self, name: &str) -> Result<Level, Refusal> {
        use Level::{
            Bom, Component, Components, Dependencies, Dependency, Field as Text, Hashes, Licence, Licences, Metadata,
            Other, Supplier, Tool, Tools,
        };
        Ok(match (self.stack.last(), name) {
            (None, "bom") => Bom,
            (Some(Bom), "metadata") => Metadata,
            (Some(Bom | Component(_)), "components") => Components,
            (Some(Bom), "dependencies") => Dependencies,
            (Some(Metadata), "timestamp") => Text(Field::Timestamp),
            (Some(Metadata), "tools") => Tools,
            (Some(Tools), "components" | "services") => Tools,
            (Some(Tools), "tool" | "component" | "service") => Tool { name: String::new(), version: String::new() },
            (Some(Tool { .. }), "name") => Text(Field::ToolName),
            (Some(Tool { .. }), "version") => Text(Field::ToolVersion),
            (Some(Metadata), "component") => {
                let root = self.component()?;
                self.sbom.roots.push(root);
                Component(root)
            }
            (Some(Components), "component") => Component(self.component()?),
            (Some(Component(index)), name) => self.inside_component(*index, name),
            (Some(Supplier(index)), "name") => Text(Field::Supplier(*index)),
            (Some(Hashes(component)), "hash") => Level::Hash { component: *component, algorithm: String::new() },
            (Some(Licences(component)), "license") => {
                Licence { component: *component, concluded: false, licence: None }
            }
            (Some(Licences(component)), "expression" | "expression-detailed") => {
                Level::Expression { component: *component, concluded: false, detailed: None }
            }
            (Some(Licence { .. }), "id") => Text(Field::LicenceId),
            (Some(Licence { .. }), "name") => Text(Field::LicenceName),
            (Some(Dependencies), "dependency") => {
                self.nested = 0;
                self.dependencies.push(self.offset.get());
                Dependency(self.dependencies.len() - 1)
            }
            _ => Other,
        })
    }

    fn inside_component(&self, component: usize, name: &str) -> Level {
        match name {
            "group" => Level::Field(Field::Group(component)),
            "name" => Level::Field(Field::Name(component)),
            "version" => Level::Field(Field::Version(component)),
            "cpe" => Level::Field(Field::Cpe(component)),
            "purl" => Level::Field(Field::Purl(component)),
            "supplier" => Level::Supplier(component),
            "hashes" => Level::Hashes(component),
            "licenses" => Level::Licences(component),
            _ => Level::Other,
        }
    }

    fn component(&mut self) -> Result<usize, Refusal> {
        push(&mut self.sbom, Component::default(), self.limits)
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if name == "bom-ref" {
            // That no two are equal is in the schema.
            self.references.define(value);
        }
        let kept = self.keep(value);
        match (self.stack.last_mut(), name) {
            (Some(Level::Bom), "serialNumber") => self.sbom.serial = Some(kept),
            (Some(Level::Bom), "version") => self.sbom.edition = value.trim().parse().ok(),
            (Some(Level::Component(index)), "bom-ref" | "type") => {
                if let Some(component) = self.sbom.components.get_mut(*index) {
                    if name == "type" { &mut component.kind } else { &mut component.reference }.replace(kept);
                }
            }
            (Some(Level::Hash { algorithm, .. }), "alg") => *algorithm = kept,
            (Some(Level::Licence { concluded, .. } | Level::Expression { concluded, .. }), "acknowledgement") => {
                *concluded = value == "concluded";
            }
            (Some(Level::Expression { detailed, .. }), "expression") => *detailed = Some(kept),
            (Some(Level::Dependency(index)), "ref") => {
                let index = *index;
                return self.refer(value, End::Dependent, index, 0);
            }
            _ => {}
        }
        Ok(())
    }

    /// `<dependency ref="…"/>` and `<provides ref="…"/>` inside of a dependency.
    fn edge(&mut self, end: End, to: &str) -> Result<(), Refusal> {
        let index = self.dependencies.len().saturating_sub(1);
        let sub = self.nested;
        self.nested += 1;
        self.refer(to, end, index, sub)
    }

    fn refer(&mut self, to: &str, end: End, index: usize, sub: usize) -> Result<(), Refusal> {
        if to.starts_with(BOM_LINK) {
            if end != End::Dependent {
                self.references.count_edge();
            }
            return Ok(());
        }
        self.references.refer(to, end, index, sub)
    }

    fn end(&mut self, level: Level) {
        let text = std::mem::take(&mut self.characters);
        match level {
            Level::Field(field) => self.field(field, text.trim()),
            Level::Tool { name, version } if !name.is_empty() && self.sbom.tools.len() < MOST_TOOLS => {
                self.sbom.tools.push(excerpt(format!("{name} {version}").trim_end()));
            }
            Level::Hash { component, algorithm } => {
                if let Some(component) = self.sbom.components.get_mut(component) {
                    component.hashes.push(Hash::new(&algorithm, text.trim()));
                }
            }
            Level::Licence { component, concluded, licence: Some(licence) } => {
                self.licence(component, concluded, licence);
            }
            Level::Expression { component, concluded, detailed } => {
                let place = || self.here("expression");
                let text = detailed.unwrap_or(text);
                let licence = expression(text.trim(), place, self.limits, &mut self.report.borrow_mut());
                self.licence(component, concluded, licence);
            }
            _ => {}
        }
    }

    fn licence(&mut self, component: usize, concluded: bool, licence: Licence) {
        if let Some(component) = self.sbom.components.get_mut(component) {
            if concluded { &mut component.concluded } else { &mut component.declared }.push(licence);
        }
    }

    fn field(&mut self, field: Field, text: &str) {
        if text.is_empty() {
            return;
        }
        let kept = self.keep(text);
        match field {
            Field::Timestamp => self.sbom.created = Some(kept),
            Field::ToolName | Field::ToolVersion => {
                if let Some(Level::Tool { name, version }) = self.stack.last_mut() {
                    *(if matches!(field, Field::ToolName) { name } else { version }) = kept;
                }
            }
            Field::LicenceId | Field::LicenceName => {
                let by_id = matches!(field, Field::LicenceId);
                if let Some(Level::Licence { licence, .. }) = self.stack.last_mut() {
                    *licence = Some(if by_id { Licence::Expression(kept) } else { Licence::Named(kept) });
                }
            }
            Field::Purl(component) => {
                let read = purl(text, || self.here("purl"), &mut self.report.borrow_mut());
                self.change(component, |component| component.purl = read);
            }
            Field::Group(component) => self.change(component, |component| component.group = Some(kept)),
            Field::Name(component) => self.change(component, |component| component.name = kept),
            Field::Version(component) => self.change(component, |component| component.version = Some(kept)),
            Field::Cpe(component) => self.change(component, |component| component.cpe = Some(kept)),
            Field::Supplier(component) => self.change(component, |component| component.supplier = Some(kept)),
        }
    }

    fn change(&mut self, component: usize, change: impl FnOnce(&mut Component)) {
        if let Some(component) = self.sbom.components.get_mut(component) {
            change(component);
        }
    }

    fn keep(&self, text: &str) -> String {
        keep(text, || self.here(""), self.limits, &mut self.report.borrow_mut())
    }

    /// Where the reader is: the beginning of the element.
    fn here(&self, name: &str) -> Place {
        Place { path: name.to_owned(), ..Place::of_offset(self.text.as_bytes(), self.offset.get()) }
    }

    fn wants_text(&self) -> bool {
        matches!(self.stack.last(), Some(Level::Field(_) | Level::Hash { .. } | Level::Expression { .. }))
    }
}

impl ValidationEventHandler for XmlModel<'_> {
    type Error = Stop;

    fn on_element_start_offset(&mut self, offset: usize) -> Result<(), Stop> {
        self.offset.set(offset);
        Ok(())
    }

    fn before_element(&mut self, view: ElementStartView<'_>) -> Result<(), Stop> {
        if self.report.borrow().is_full() {
            return Err(Stop::Full);
        }
        let known = view.namespace_uri.starts_with(NAMESPACE);
        let level = if known { self.begin(view.local_name)? } else { Level::Other };
        self.edge = match (self.stack.last(), view.local_name) {
            (Some(Level::Dependency(_)), "dependency") if known => Some(End::DependsOn),
            (Some(Level::Dependency(_)), "provides") if known => Some(End::Provides),
            _ => None,
        };
        self.characters.clear();
        self.stack.push(level);
        Ok(())
    }

    fn before_attribute(&mut self, view: AttributeView<'_>) -> Result<(), Stop> {
        if let Some(end) = self.edge.filter(|_| view.local_name == "ref") {
            self.edge(end, view.value)?;
        }
        Ok(self.attribute(view.local_name, view.value)?)
    }

    fn on_text(&mut self, _: TextKind, text: &str) -> Result<(), Stop> {
        if self.wants_text() {
            self.characters.push_str(text);
        }
        Ok(())
    }

    fn after_end_element(&mut self, _: &EndElementInfo, _: usize) -> Result<(), Stop> {
        if let Some(level) = self.stack.pop() {
            self.end(level);
        }
        Ok(())
    }

    fn on_doctype(&mut self, doctype: DoctypeView<'_>) -> Result<(), Stop> {
        let place = Place::of_offset(self.text.as_bytes(), doctype.byte_pos);
        Err(Refusal::Malformed { place, text: "a document type declaration is not read".into() }.into())
    }

    fn on_xml_declaration(&mut self, declaration: &xsd_schema::xml::XmlDeclaration) -> Result<(), Stop> {
        match &declaration.encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case("utf-8") && !encoding.eq_ignore_ascii_case("us-ascii") => {
                Err(Refusal::Unsupported(format!("XML in the encoding {}", excerpt(encoding))).into())
            }
            _ => Ok(()),
        }
    }
}
