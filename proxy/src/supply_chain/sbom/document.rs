//! The way of a document: each element of a large list is validated and put into the model, then all the rest.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::collect::Collect;
use super::finding::{Report, Rule};
use super::json::{Top, is_list};
use super::limits::Limits;
use super::model::Sbom;
use super::pointer::Pointer;
use super::refusal::Refusal;
use super::schema::Schema;
use super::unique::Unique;

/// A document of which the schema and the model see one piece after the other.
pub(super) struct Document<C> {
    schema: &'static Schema,
    model: C,
    seen: HashMap<String, Unique>,
}

impl<C: Collect> Document<C> {
    pub(super) fn new(schema: &'static Schema, model: C) -> Self {
        Self { schema, model, seen: HashMap::new() }
    }

    /// Reads JSON whose top level was looked at.
    pub(super) fn read(mut self, top: &Top<'_>, limits: &Limits, report: &mut Report) -> Result<Sbom, Refusal> {
        let mut rest = Map::new();
        let mut budget = limits.element_bytes;
        for (name, raw) in top.members() {
            if self.schema.list(name).is_some() && is_list(raw) {
                self.read_list(name, raw, top, limits, report)?;
                rest.insert(name.to_owned(), Value::Array(Vec::new()));
                continue;
            }
            budget = budget.checked_sub(raw.get().len()).ok_or_else(|| too_large(limits))?;
            rest.insert(name.to_owned(), top.tree(raw, self.schema.depth(limits))?);
        }
        self.finish(&Value::Object(rest), report)
    }

    fn read_list(
        &mut self,
        name: &str,
        list: &RawValue,
        top: &Top<'_>,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<(), Refusal> {
        let depth = self.schema.depth(limits);
        let mut index = 0;
        top.each(list, &mut |raw| {
            if report.is_full() {
                return Ok(());
            }
            if raw.get().len() > limits.element_bytes {
                return Err(too_large(limits));
            }
            let element = top.tree(raw, depth)?;
            self.element(name, index, &element, report)?;
            index += 1;
            Ok(())
        })
    }

    /// One element of a list that is taken apart.
    pub(super) fn element(
        &mut self,
        name: &str,
        index: usize,
        element: &Value,
        report: &mut Report,
    ) -> Result<(), Refusal> {
        if let Some(list) = self.schema.list(name) {
            let of = Pointer::Root.member(name);
            let at = of.element(index);
            list.check(element, &at, report);
            if list.unique && !self.seen.entry(name.to_owned()).or_default().is_new(element) {
                report.add(Rule::Schema, || at.place(), || "equals an element before it".into());
            }
        }
        self.model.element(name, index, element, report)
    }

    /// Everything but the elements of the large lists.
    pub(super) fn finish(mut self, rest: &Value, report: &mut Report) -> Result<Sbom, Refusal> {
        self.schema.check(rest, report);
        self.model.rest(rest, report)?;
        Ok(self.model.finish(report))
    }
}

const fn too_large(limits: &Limits) -> Refusal {
    Refusal::TooMuch { what: "bytes in one element", limit: limits.element_bytes }
}
