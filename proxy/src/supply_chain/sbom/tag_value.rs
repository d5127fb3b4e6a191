//! SPDX 2 as lines of tags and values (SPDX 2.3, "Tag:Value"): made into the elements of the JSON form, so that one schema
//! and one set of rules hold for both.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::document::Document;
use super::finding::{Place, Report, Rule, excerpt};
use super::limits::Limits;
use super::model::Sbom;
use super::refusal::Refusal;
use super::spdx2::Spdx2Document;
use super::tag_value_lines::{Line, lines};
use super::tag_value_tags::{self as tags, Section, Tag};

/// Reads lines into the model.
/// # Errors
/// A text that does not end; more than the limits let through.
pub(super) fn read(
    text: &str,
    document: Document<Spdx2Document<'_>>,
    limits: &Limits,
    report: &mut Report,
) -> Result<Sbom, Refusal> {
    let mut reader = Reader {
        document,
        top: Map::new(),
        creation: Map::new(),
        main: Element::new(Section::Document),
        beside: Element::new(Section::Document),
        starts: HashMap::new(),
        limits,
    };
    for line in lines(text) {
        let line = line?;
        if report.is_full() {
            break;
        }
        reader.line(&line, report)?;
    }
    reader.finish(report)
}

struct Reader<'l> {
    document: Document<Spdx2Document<'l>>,
    top: Map<String, Value>,
    creation: Map<String, Value>,
    /// The package, file, snippet or licence that is being read.
    main: Element,
    /// The relationship, annotation or review; it may stand in the middle of the other.
    beside: Element,
    /// Of each list the lines that its elements begin on.
    starts: HashMap<&'static str, Vec<u64>>,
    limits: &'l Limits,
}

/// An element in the making.
struct Element {
    section: Section,
    members: Map<String, Value>,
    size: usize,
}

impl Element {
    fn new(section: Section) -> Self {
        Self { section, members: Map::new(), size: 0 }
    }
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>, report: &mut Report) -> Result<(), Refusal> {
        let found = tags::find(line.tag, self.main.section);
        // A comment of a relationship needs the relationship.
        let fits = |tag: &&Tag| tag.begins || !tag.section.is_beside() || tag.section == self.beside.section;
        let Some(tag) = found.filter(fits) else {
            let place = || Place { path: excerpt(line.tag), position: Some((line.number, 1)) };
            report.add(Rule::Schema, place, || "is no tag, or not one that may stand here".into());
            return Ok(());
        };
        if tag.begins {
            self.begin(tag.section, line.number, report)?;
        }
        self.put(tag, line, report)
    }

    fn begin(&mut self, section: Section, number: u64, report: &mut Report) -> Result<(), Refusal> {
        let slot = if section.is_beside() { &mut self.beside } else { &mut self.main };
        let ended = std::mem::replace(slot, Element::new(section));
        self.end(ended, report)?;
        self.starts.entry(section.list()).or_default().push(number);
        Ok(())
    }

    fn put(&mut self, tag: &Tag, line: &Line<'_>, report: &mut Report) -> Result<(), Refusal> {
        let element = if tag.section.is_beside() { &mut self.beside } else { &mut self.main };
        element.size = element.size.saturating_add(line.tag.len() + line.value.len());
        if element.size > self.limits.element_bytes {
            return Err(Refusal::TooMuch { what: "bytes in one element", limit: self.limits.element_bytes });
        }
        let into = match tag.section {
            Section::Document => &mut self.top,
            Section::Creation => &mut self.creation,
            _ => &mut element.members,
        };
        if let Err(fault) = tag.form.put(into, line.value) {
            let place = || Place { path: tag.name.to_owned(), position: Some((line.number, 1)) };
            report.add(Rule::Schema, place, || format!("`{}` {fault}", excerpt(line.value)));
        }
        Ok(())
    }

    fn end(&mut self, element: Element, report: &mut Report) -> Result<(), Refusal> {
        let Element { section, mut members, .. } = element;
        let list = section.list();
        if list.is_empty() {
            return Ok(());
        }
        if section == Section::Snippet {
            // The JSON schema wants a name, the specification does not (SPDX 2.3, 9.10).
            members.entry("name").or_insert_with(|| "".into());
        }
        let index = self.starts.get(list).map_or(0, |starts| starts.len().saturating_sub(1));
        self.document.element(list, index, &Value::Object(members), report)
    }

    fn finish(mut self, report: &mut Report) -> Result<Sbom, Refusal> {
        let main = std::mem::replace(&mut self.main, Element::new(Section::Document));
        self.end(main, report)?;
        let beside = std::mem::replace(&mut self.beside, Element::new(Section::Document));
        self.end(beside, report)?;
        if !self.creation.is_empty() {
            self.top.insert("creationInfo".into(), Value::Object(self.creation));
        }
        let sbom = self.document.finish(&Value::Object(self.top), report)?;
        report.locate(|path| line_of(&self.starts, path));
        Ok(sbom)
    }
}

/// The line that the element of a pointer begins on.
fn line_of(starts: &HashMap<&'static str, Vec<u64>>, path: &str) -> Option<(u64, u64)> {
    let mut parts = path.split('/').skip(1);
    let starts = starts.get(parts.next()?)?;
    let index: usize = parts.next()?.parse().ok()?;
    Some((*starts.get(index)?, 1))
}
