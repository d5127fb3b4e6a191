//! SPDX 2.2 and 2.3: the model, and the rules that the schema cannot say (SPDX 2.3, clauses 6 to 11).
//!
//! Files and snippets are checked, and are no components: a package is what a document says its artifact is made of.

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
use super::spdx2_document;

/// The identifier of the document itself.
pub(super) const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// A document in the making.
pub(super) struct Spdx2Document<'l> {
    pub(super) sbom: Sbom,
    pub(super) references: References,
    /// Licences that the document itself defines.
    defined_licences: HashSet<u64>,
    /// Where a licence of the document's own is first named.
    named_licences: HashMap<u64, LicencePlace>,
    /// Package hashes, to find what is described.
    packages: Vec<u64>,
    described: HashSet<u64>,
    pub(super) limits: &'l Limits,
}

/// Where a licence is named: the list, the element, the member.
#[derive(Debug, Clone, Copy)]
struct LicencePlace(&'static str, usize, &'static str);

impl<'l> Spdx2Document<'l> {
    pub(super) fn new(format: Format, limits: &'l Limits) -> Self {
        Self {
            sbom: Sbom::new(format),
            references: References::new(limits),
            defined_licences: HashSet::new(),
            named_licences: HashMap::new(),
            packages: Vec::new(),
            described: HashSet::new(),
            limits,
        }
    }

    fn package(&mut self, index: usize, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<(), Refusal> {
        self.define(value, at, report);
        let mut component = self.read_package(value, at, report);
        let declared = self.licence("packages", index, value, "licenseDeclared", report);
        let concluded = self.licence("packages", index, value, "licenseConcluded", report);
        component.declared.extend(declared);
        component.concluded.extend(concluded);
        self.licence_list("packages", index, value, "licenseInfoFromFiles", report);
        self.packages.push(self.references.hash(component.reference.as_deref().unwrap_or_default()));
        push(&mut self.sbom, component, self.limits)?;
        for (sub, file) in elements(value, "hasFiles") {
            if let Some(file) = file.as_str() {
                self.references.refer(file, End::PackageFile, index, sub)?;
            }
        }
        Ok(())
    }

    fn read_package(&self, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Component {
        let limits = self.limits;
        let mut text = |name: &str| member(value, name, at, limits, report);
        let mut component = Component {
            reference: text("SPDXID"),
            kind: text("primaryPackagePurpose").map(|purpose| purpose.to_ascii_lowercase().replace('_', "-")),
            name: text("name").unwrap_or_default(),
            version: text("versionInfo"),
            supplier: text("supplier").filter(|supplier| supplier != "NOASSERTION").map(|agent| without_kind(&agent)),
            ..Component::default()
        };
        component.hashes = hashes(value).collect();
        let list = at.member("externalRefs");
        for (index, reference) in elements(value, "externalRefs") {
            let at = list.element(index);
            let at = at.member("referenceLocator");
            let Some(locator) = reference.get("referenceLocator").and_then(Value::as_str) else { continue };
            match reference.get("referenceType").and_then(Value::as_str).unwrap_or_default() {
                "purl" => component.purl = purl(locator, || at.place(), report).or(component.purl),
                "cpe22Type" | "cpe23Type" if component.cpe.is_none() => {
                    component.cpe = Some(keep(locator, || at.place(), limits, report));
                }
                _ => {}
            }
        }
        component
    }

    fn file(&mut self, index: usize, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        self.define(value, at, report);
        self.licence("files", index, value, "licenseConcluded", report);
        self.licence_list("files", index, value, "licenseInfoInFiles", report);
    }

    fn snippet(&mut self, index: usize, value: &Value, at: &Pointer<'_>, report: &mut Report) -> Result<(), Refusal> {
        self.define(value, at, report);
        self.licence("snippets", index, value, "licenseConcluded", report);
        self.licence_list("snippets", index, value, "licenseInfoInSnippets", report);
        match value.get("snippetFromFile").and_then(Value::as_str) {
            Some(file) => self.refer(file, End::SnippetFile, index),
            None => Ok(()),
        }
    }

    fn relationship(&mut self, index: usize, value: &Value) -> Result<(), Refusal> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (from, kind, to) = (text("spdxElementId"), text("relationshipType"), text("relatedSpdxElement"));
        match kind {
            "DESCRIBES" if from == DOCUMENT => self.describe(to),
            "DESCRIBED_BY" if to == DOCUMENT => self.describe(from),
            _ => {}
        }
        self.refer(from, End::Element, index)?;
        if matches!(to, "NONE" | "NOASSERTION") {
            return Ok(());
        }
        self.refer(to, End::Related, index)
    }

    fn describe(&mut self, id: &str) {
        let hash = self.references.hash(id);
        self.described.insert(hash);
    }

    /// What is named with its document stands elsewhere.
    fn refer(&mut self, to: &str, end: End, index: usize) -> Result<(), Refusal> {
        if to.starts_with("DocumentRef-") {
            if end == End::Related {
                self.references.count_edge();
            }
            return Ok(());
        }
        self.references.refer(to, end, index, 0)
    }

    fn define(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        let Some(id) = value.get("SPDXID").and_then(Value::as_str) else { return };
        let at = at.member("SPDXID");
        if !spdx2_document::is_spdx_id(id) {
            report.add(Rule::InvalidId, || at.place(), || format!("`{}` is no SPDX identifier", excerpt(id)));
        }
        if !self.references.define(id) || id == DOCUMENT {
            report.add(
                Rule::DuplicateId,
                || at.place(),
                || format!("`{}` stands for something else already", excerpt(id)),
            );
        }
    }

    fn licence(
        &mut self,
        list: &'static str,
        index: usize,
        value: &Value,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Licence> {
        let text = value.get(name)?.as_str()?;
        Some(self.note_licence(text, LicencePlace(list, index, name), report))
    }

    fn licence_list(
        &mut self,
        list: &'static str,
        index: usize,
        value: &Value,
        name: &'static str,
        report: &mut Report,
    ) {
        for (_, text) in elements(value, name) {
            if let Some(text) = text.as_str() {
                self.note_licence(text, LicencePlace(list, index, name), report);
            }
        }
    }

    fn note_licence(&mut self, text: &str, place: LicencePlace, report: &mut Report) -> Licence {
        let list = Pointer::Root.member(place.0);
        let element = list.element(place.1);
        let licence = expression(text, || element.member(place.2).place(), self.limits, report);
        if let Licence::Expression(text) = &licence {
            for name in own_licences(text) {
                if self.named_licences.len() == self.limits.edges {
                    report.add(
                        Rule::Value,
                        || list.place(),
                        || "more licences of the document's own than are read".into(),
                    );
                    break;
                }
                self.named_licences.entry(self.references.hash(name)).or_insert(place);
            }
        }
        licence
    }

    fn extracted_licence(&mut self, value: &Value, at: &Pointer<'_>, report: &mut Report) {
        let Some(id) = value.get("licenseId").and_then(Value::as_str) else { return };
        let at = at.member("licenseId");
        if !id.strip_prefix("LicenseRef-").is_some_and(spdx2_document::is_id_string) {
            report.add(Rule::InvalidId, || at.place(), || format!("`{}` does not name a licence", excerpt(id)));
        }
        let hash = self.references.hash(id);
        if !self.defined_licences.insert(hash) {
            report.add(
                Rule::DuplicateId,
                || at.place(),
                || format!("`{}` stands for something else already", excerpt(id)),
            );
        }
    }
}

impl Collect for Spdx2Document<'_> {
    fn element(&mut self, list: &str, index: usize, element: &Value, report: &mut Report) -> Result<(), Refusal> {
        let of = Pointer::Root.member(list);
        let at = of.element(index);
        match list {
            "packages" => return self.package(index, element, &at, report),
            "files" => self.file(index, element, &at, report),
            "snippets" => return self.snippet(index, element, &at, report),
            "relationships" => return self.relationship(index, element),
            "hasExtractedLicensingInfos" => self.extracted_licence(element, &at, report),
            "documentDescribes" => {
                if let Some(id) = element.as_str() {
                    self.describe(id);
                    return self.refer(id, End::Described, index);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rest(&mut self, document: &Value, report: &mut Report) -> Result<(), Refusal> {
        self.references.define(DOCUMENT);
        spdx2_document::check(self, document, report);
        Ok(())
    }

    fn finish(mut self, report: &mut Report) -> Sbom {
        let described = &self.described;
        self.sbom.roots =
            self.packages.iter().enumerate().filter(|(_, id)| described.contains(id)).map(|(index, _)| index).collect();
        for (_, LicencePlace(list, index, name)) in
            self.named_licences.iter().filter(|(licence, _)| !self.defined_licences.contains(*licence))
        {
            let at = Pointer::Root.member(list);
            let at = at.element(*index);
            report.add(
                Rule::DanglingReference,
                || at.member(name).place(),
                || "names a licence that hasExtractedLicensingInfos does not have".into(),
            );
        }
        self.sbom.edges = self.references.finish(report);
        self.sbom
    }
}

/// The licences of the document's own in an expression that was read.
fn own_licences(expression: &str) -> impl Iterator<Item = &str> {
    expression.split([' ', '(', ')', '+']).filter(|word| word.starts_with("LicenseRef-"))
}

/// `Organization: Acme (hello@example.com)` as `Acme (hello@example.com)`.
fn without_kind(agent: &str) -> String {
    let kinds = ["Organization:", "Person:"];
    kinds.iter().find_map(|kind| agent.strip_prefix(kind)).unwrap_or(agent).trim().to_owned()
}

fn hashes(value: &Value) -> impl Iterator<Item = Hash> {
    elements(value, "checksums").filter_map(|(_, hash)| {
        let algorithm = hash.get("algorithm").and_then(Value::as_str)?;
        let content = hash.get("checksumValue").and_then(Value::as_str)?;
        Some(Hash::new(algorithm, content))
    })
}
