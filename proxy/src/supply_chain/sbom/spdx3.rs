//! SPDX 3.0.1 as JSON-LD: the model, and the rules that the schema cannot say.
//!
//! An element may stand in `@graph` or inside of another one; both are found. Licences are relationships here, so that they
//! are put to their packages when all has been read.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::collect::{Collect, elements, expression, keep, member, purl, push};
use super::finding::{Report, Rule, excerpt};
use super::format::Format;
use super::limits::Limits;
use super::model::{Component, Hash, Licence, Sbom};
use super::pointer::Pointer;
use super::references::{End, References};
use super::refusal::Refusal;
use super::spdx3_names::{Said, is_package, licence_of_name};

/// A document in the making.
pub(super) struct Spdx3Document<'l> {
    sbom: Sbom,
    references: References,
    /// Packages by the hash of their `spdxId`.
    packages: HashMap<u64, usize>,
    /// Names of agents and tools, licences: by the hash of their `spdxId`.
    names: HashMap<u64, String>,
    licences: HashMap<u64, Licence>,
    /// Package, licence, and how it was said.
    licensed: Vec<(u64, u64, Said)>,
    /// Package and supplier.
    supplied: Vec<(usize, u64)>,
    tools: Vec<u64>,
    described: HashSet<u64>,
    documents: u64,
    limits: &'l Limits,
}

impl<'l> Spdx3Document<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self {
            sbom: Sbom::new(Format::Spdx3Json),
            references: References::new(limits),
            packages: HashMap::new(),
            names: HashMap::new(),
            licences: HashMap::new(),
            licensed: Vec::new(),
            supplied: Vec::new(),
            tools: Vec::new(),
            described: HashSet::new(),
            documents: 0,
            limits,
        }
    }

    /// Reads an element and those inside of it; `index` is that of the element of `@graph`.
    fn visit(&mut self, index: usize, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<(), Refusal> {
        match value {
            Value::Object(members) => {
                if members.contains_key("type") {
                    self.read(index, value, at, report)?;
                }
                for (name, inside) in members.iter().filter(|(_, inside)| inside.is_object() || inside.is_array()) {
                    self.visit(index, inside, &at.member(name), report)?;
                }
            }
            Value::Array(values) => {
                for (place, inside) in values.iter().enumerate().filter(|(_, inside)| inside.is_object()) {
                    self.visit(index, inside, &at.element(place), report)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self, index: usize, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<(), Refusal> {
        let class = value.get("type").and_then(Value::as_str).unwrap_or_default();
        let id = self.define(value, at, report);
        match class {
            "SpdxDocument" => self.document(value, at, report),
            "CreationInfo" => self.creation(value, at, report),
            "software_Sbom" | "Bom" => self.roots(value),
            "Relationship" | "LifecycleScopedRelationship" => self.relationship(index, value)?,
            "simplelicensing_LicenseExpression" => self.expression(id, value, at, report),
            class if is_package(class) => self.package(id, value, at, report)?,
            class => self.named(class, id, value, at, report),
        }
        Ok(())
    }

    /// The hash of the element's identifier, where it has one.
    fn define(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) -> u64 {
        let (name, id) = match (value.get("spdxId"), value.get("@id")) {
            (Some(Value::String(id)), _) => ("spdxId", id),
            (_, Some(Value::String(id))) => ("@id", id),
            _ => return 0,
        };
        if !self.references.define(id) {
            let say = || format!("`{}` stands for something else already", excerpt(id));
            report.add(Rule::DuplicateId, || at.member(name).place(), say);
        }
        self.references.hash(id)
    }

    fn document(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        self.documents += 1;
        if self.documents > 1 {
            report.add(Rule::Value, || at.place(), || "is a second SpdxDocument".into());
            return;
        }
        self.sbom.serial = member(value, "spdxId", at, self.limits, report);
        self.sbom.name = member(value, "name", at, self.limits, report);
        for (_, import) in elements(value, "import") {
            // What is imported stands elsewhere, and may be referred to.
            if let Some(id) = import.get("externalSpdxId").and_then(Value::as_str) {
                self.references.define(id);
            }
        }
        self.roots(value);
    }

    fn roots(&mut self, value: &Value) {
        for (_, root) in elements(value, "rootElement") {
            if let Some(id) = root.as_str() {
                self.described.insert(self.references.hash(id));
            }
        }
    }

    fn creation(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        if self.sbom.created.is_none() {
            self.sbom.created = member(value, "created", at, self.limits, report);
        }
        for (_, tool) in elements(value, "createdUsing") {
            if let Some(id) = tool.as_str().filter(|_| self.tools.len() < 64) {
                self.tools.push(self.references.hash(id));
            }
        }
    }

    fn relationship(&mut self, index: usize, value: &Value) -> Result<(), Refusal> {
        let from = value.get("from").and_then(|from| from.as_str().or_else(|| from.get("spdxId")?.as_str()));
        let said = Said::of(value.get("relationshipType").and_then(Value::as_str).unwrap_or_default());
        if let Some(from) = from {
            self.references.refer(from, End::From, index, 0)?;
        }
        for (sub, to) in elements(value, "to") {
            let Some(to) = to.as_str().or_else(|| to.get("spdxId")?.as_str()) else { continue };
            let hash = self.references.hash(to);
            if let Some(licence) = licence_of_name(to) {
                // Listed licences and the two individuals are not elements of the document.
                self.references.count_edge();
                self.licences.insert(hash, licence);
            } else {
                self.references.refer(to, End::To, index, sub)?;
            }
            if let (Some(said), Some(from)) = (said, from) {
                self.licensed.push((self.references.hash(from), hash, said));
            }
        }
        Ok(())
    }

    fn expression(&mut self, id: u64, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        const MEMBER: &str = "simplelicensing_licenseExpression";
        if let Some(text) = value.get(MEMBER).and_then(Value::as_str) {
            let licence = expression(text, || at.member(MEMBER).place(), self.limits, report);
            self.licences.insert(id, licence);
        }
    }

    /// Agents and tools by their names; licences that are elements of their own by theirs.
    fn named(&mut self, class: &str, id: u64, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        let Some(name) = member(value, "name", at, self.limits, report) else { return };
        if class.starts_with("expandedlicensing_") || class.starts_with("simplelicensing_") {
            self.licences.insert(id, Licence::Named(name));
        } else if matches!(class, "Agent" | "Organization" | "Person" | "SoftwareAgent" | "Tool") {
            self.names.insert(id, name);
        }
    }

    fn package(&mut self, id: u64, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<(), Refusal> {
        let component = self.read_package(value, at, report);
        let index = push(&mut self.sbom, component, self.limits)?;
        self.packages.insert(id, index);
        if let Some(supplier) = value.get("suppliedBy").and_then(Value::as_str) {
            self.supplied.push((index, self.references.hash(supplier)));
        }
        Ok(())
    }

    fn read_package(&self, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Component {
        let limits = self.limits;
        let mut text = |name: &str| member(value, name, at, limits, report);
        let mut component = Component {
            reference: text("spdxId"),
            kind: text("software_primaryPurpose").map(|purpose| purpose.to_ascii_lowercase()),
            name: text("name").unwrap_or_default(),
            version: text("software_packageVersion"),
            ..Component::default()
        };
        if let Some(text) = value.get("software_packageUrl").and_then(Value::as_str) {
            component.purl = purl(text, || at.member("software_packageUrl").place(), report);
        }
        component.hashes = hashes(value).collect();
        let list = at.member("externalIdentifier");
        for (index, identifier) in elements(value, "externalIdentifier") {
            let at = list.element(index);
            let at = at.member("identifier");
            let Some(text) = identifier.get("identifier").and_then(Value::as_str) else { continue };
            match identifier.get("externalIdentifierType").and_then(Value::as_str).unwrap_or_default() {
                "packageUrl" => component.purl = component.purl.or_else(|| purl(text, || at.place(), report)),
                "cpe22" | "cpe23" if component.cpe.is_none() => {
                    component.cpe = Some(keep(text, || at.place(), limits, report));
                }
                _ => {}
            }
        }
        component
    }

    /// Puts licences, suppliers and tools to what they belong to.
    fn resolve(&mut self) {
        for (package, licence, said) in &self.licensed {
            let component = self.packages.get(package).and_then(|&index| self.sbom.components.get_mut(index));
            if let (Some(component), Some(licence)) = (component, self.licences.get(licence)) {
                match said {
                    Said::Declared => component.declared.push(licence.clone()),
                    Said::Concluded => component.concluded.push(licence.clone()),
                }
            }
        }
        for (package, supplier) in &self.supplied {
            if let Some(component) = self.sbom.components.get_mut(*package) {
                component.supplier = self.names.get(supplier).cloned();
            }
        }
        let tools: HashSet<u64> = self.tools.drain(..).collect();
        self.sbom.tools = tools.iter().filter_map(|tool| self.names.get(tool)).map(|name| excerpt(name)).collect();
        self.sbom.tools.sort_unstable();
        let mut roots: Vec<usize> = self.described.iter().filter_map(|id| self.packages.get(id)).copied().collect();
        roots.sort_unstable();
        self.sbom.roots = roots;
    }
}

impl Collect for Spdx3Document<'_> {
    fn element(&mut self, list: &str, index: usize, element: &Value, report: &mut Report) -> Result<(), Refusal> {
        let of = Pointer::Root.member(list);
        self.visit(index, element, &of.element(index), report)
    }

    fn rest(&mut self, document: &Value, report: &mut Report) -> Result<(), Refusal> {
        // Without `@graph` the document is one element.
        if document.get("@graph").is_none() {
            self.visit(0, document, &Pointer::Root, report)?;
        }
        if self.documents == 0 {
            report.add(Rule::Value, || Pointer::Root.place(), || "there is no SpdxDocument".into());
        }
        Ok(())
    }

    fn finish(mut self, report: &mut Report) -> Sbom {
        self.resolve();
        self.sbom.edges = self.references.finish(report);
        self.sbom
    }
}

fn hashes(value: &Value) -> impl Iterator<Item = Hash> {
    elements(value, "verifiedUsing").filter_map(|(_, hash)| {
        let algorithm = hash.get("algorithm").and_then(Value::as_str)?;
        let content = hash.get("hashValue").and_then(Value::as_str)?;
        Some(Hash::new(algorithm, content))
    })
}
