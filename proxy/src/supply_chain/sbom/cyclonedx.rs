//! CycloneDX as JSON: the model, and the rules that its schema cannot say.
//!
//! A `bom-ref` stands for one thing; what refers to a `bom-ref` finds it in the document, unless it is a BOM-Link
//! (CycloneDX, "BOM-Link": `urn:cdx:`), which leads elsewhere.

use serde_json::Value;

use super::collect::{Collect, elements, expression, member, purl, push};
use super::finding::{Report, Rule, excerpt};
use super::format::Format;
use super::limits::Limits;
use super::model::{Component, Hash, Licence, Sbom};
use super::pointer::Pointer;
use super::references::{End, References};
use super::refusal::Refusal;

/// Where a reference out of the document begins.
pub(super) const BOM_LINK: &str = "urn:cdx:";

/// Most tools that are kept.
const MOST_TOOLS: usize = 64;

/// A document in the making.
pub(super) struct CycloneDxDocument<'l> {
    sbom: Sbom,
    references: References,
    in_formulation: bool,
    limits: &'l Limits,
}

impl<'l> CycloneDxDocument<'l> {
    pub(super) fn new(format: Format, limits: &'l Limits) -> Self {
        Self { sbom: Sbom::new(format), references: References::new(limits), in_formulation: false, limits }
    }

    fn component(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<usize, Refusal> {
        let component = self.read_component(value, at, report);
        let index = push(&mut self.sbom, component, self.limits)?;
        let inside = at.member("components");
        for (nested, value) in elements(value, "components") {
            self.component(value, &inside.element(nested), report)?;
        }
        Ok(index)
    }

    fn read_component(&self, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Component {
        let limits = self.limits;
        let mut text = |name: &str| member(value, name, at, limits, report);
        let mut component = Component {
            reference: text("bom-ref"),
            kind: text("type"),
            group: text("group"),
            name: text("name").unwrap_or_default(),
            version: text("version"),
            cpe: text("cpe"),
            ..Component::default()
        };
        if let Some(supplier) = value.get("supplier") {
            component.supplier = member(supplier, "name", &at.member("supplier"), limits, report);
        }
        if let Some(text) = value.get("purl").and_then(Value::as_str) {
            component.purl = purl(text, || at.member("purl").place(), report);
        }
        component.hashes = hashes(value).collect();
        self.licences(&mut component, value, at, report);
        component
    }

    /// Every choice of `licenses` is one more licence; where nothing says otherwise it is declared (CycloneDX 1.6,
    /// `acknowledgement`).
    fn licences(&self, component: &mut Component, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        let list = at.member("licenses");
        for (index, choice) in elements(value, "licenses") {
            let at = list.element(index);
            let Some((licence, said)) = self.licence(choice, &at, report) else { continue };
            let concluded = said.get("acknowledgement").and_then(Value::as_str) == Some("concluded");
            if concluded { &mut component.concluded } else { &mut component.declared }.push(licence);
        }
    }

    /// A licence, and the object that may say whether it is concluded.
    fn licence<'v>(&self, choice: &'v Value, at: &Pointer<'_>, report: &mut Report) -> Option<(Licence, &'v Value)> {
        if let Some(text) = choice.get("expression").and_then(Value::as_str) {
            return Some((expression(text, || at.member("expression").place(), self.limits, report), choice));
        }
        let licence = choice.get("license")?;
        let at = at.member("license");
        if let Some(id) = member(licence, "id", &at, self.limits, report) {
            // The schema has the list of identifiers; ours may be of another day.
            return Some((Licence::Expression(id), licence));
        }
        Some((Licence::Named(member(licence, "name", &at, self.limits, report)?), licence))
    }

    fn dependency(&mut self, index: usize, value: &Value) -> Result<(), Refusal> {
        if let Some(dependent) = value.get("ref").and_then(Value::as_str) {
            self.refer(dependent, End::Dependent, index, 0)?;
        }
        for (list, end) in [("dependsOn", End::DependsOn), ("provides", End::Provides)] {
            for (sub, to) in elements(value, list) {
                if let Some(to) = to.as_str() {
                    self.refer(to, end, index, sub)?;
                }
            }
        }
        Ok(())
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

    fn metadata(&mut self, metadata: &Value, report: &mut Report) -> Result<(), Refusal> {
        let at = Pointer::Root.member("metadata");
        self.sbom.created = member(metadata, "timestamp", &at, self.limits, report);
        self.sbom.tools = tools(metadata).take(MOST_TOOLS).map(|tool| excerpt(&tool)).collect();
        if let Some(component) = metadata.get("component") {
            let root = self.component(component, &at.member("component"), report)?;
            self.sbom.roots.push(root);
        }
        Ok(())
    }

    /// Notes every `bom-ref`, at any depth.
    fn define(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(id) if name == "bom-ref" => self.define_one(id, &at.member(name), report),
                        Value::Object(_) | Value::Array(_) => self.define(value, &at.member(name), report),
                        _ => {}
                    }
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.define(value, &at.element(index), report);
                }
            }
            _ => {}
        }
    }

    fn define_one(&mut self, id: &str, at: &Pointer<'_>, report: &mut Report) {
        // The published examples tell of one workflow and workspace in several places of a formulation.
        if !self.references.define(id) && !self.in_formulation {
            let say = || format!("`{}` stands for something else already", excerpt(id));
            report.add(Rule::DuplicateId, || at.place(), say);
        }
    }
}

impl Collect for CycloneDxDocument<'_> {
    fn element(&mut self, list: &str, index: usize, element: &Value, report: &mut Report) -> Result<(), Refusal> {
        let of = Pointer::Root.member(list);
        let at = of.element(index);
        self.in_formulation = list == "formulation";
        self.define(element, &at, report);
        match list {
            "components" => self.component(element, &at, report).map(drop),
            "dependencies" => self.dependency(index, element),
            _ => Ok(()),
        }
    }

    fn rest(&mut self, document: &Value, report: &mut Report) -> Result<(), Refusal> {
        self.in_formulation = false;
        self.define(document, &Pointer::Root, report);
        self.sbom.serial = member(document, "serialNumber", &Pointer::Root, self.limits, report);
        self.sbom.edition = document.get("version").and_then(Value::as_u64);
        document.get("metadata").map_or(Ok(()), |metadata| self.metadata(metadata, report))
    }

    fn finish(mut self, report: &mut Report) -> Sbom {
        self.sbom.edges = self.references.finish(report);
        self.sbom
    }
}

fn hashes(value: &Value) -> impl Iterator<Item = Hash> {
    elements(value, "hashes").filter_map(|(_, hash)| {
        let algorithm = hash.get("alg").and_then(Value::as_str)?;
        let content = hash.get("content").and_then(Value::as_str)?;
        Some(Hash::new(algorithm, content))
    })
}

/// The tools, as 1.2 to 1.4 list them or as the components and services that they are since 1.5.
fn tools(metadata: &Value) -> impl Iterator<Item = String> {
    let old = elements(metadata, "tools");
    let new = metadata
        .get("tools")
        .into_iter()
        .flat_map(|tools| elements(tools, "components").chain(elements(tools, "services")));
    old.chain(new).filter_map(|(_, tool)| {
        let name = tool.get("name").and_then(Value::as_str)?;
        Some(match tool.get("version").and_then(Value::as_str) {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        })
    })
}
