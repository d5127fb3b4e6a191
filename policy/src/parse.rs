//! Reading policy documents: AWS's grammar (IAM JSON policy reference), nothing beside it. Every error names line, column and field.

mod block;
mod element;
mod statement;

use crate::document::{Kind, Policy};
use crate::error::ParseError;
use crate::json::{self, Member, Node, Value};

/// The longest document, in bytes: AWS's limit for bucket policies.
pub const MAX_DOCUMENT: usize = 20 * 1024;

impl Policy {
    /// Reads a document. `name`: what decisions call it, such as `ci-push` or `bucket/releases`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(kind: Kind, name: &str, text: &str) -> Result<Self, ParseError> {
        Self::read(kind, name, text, false)
    }

    /// As [`Self::parse`], for a document that was taken by a version which let a bucket's policy name rights that it cannot give or take:
    /// they are passed over, and the rest of it stands.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_stored(kind: Kind, name: &str, text: &str) -> Result<Self, ParseError> {
        Self::read(kind, name, text, true)
    }

    fn read(kind: Kind, name: &str, text: &str, is_stored: bool) -> Result<Self, ParseError> {
        if text.len() > MAX_DOCUMENT {
            let message = format!("A policy has at most {MAX_DOCUMENT} bytes; this one has {}.", text.len());
            return Err(ParseError::new(text, 0, "", message));
        }
        let root = json::read(text)?;
        let document = Element { text, field: String::new(), node: &root };
        let mut variables = false;
        let mut statements = None;
        for (member, element) in document.members()? {
            match member.name.as_str() {
                "Version" => variables = version(&element)?,
                "Id" => drop(element.text()?),
                "Statement" => statements = Some(element),
                _ => return Err(document.unknown(member)),
            }
        }
        let statements = statements.ok_or_else(|| document.error("A policy has a Statement."))?;
        let grammar = statement::Grammar { kind, variables, is_stored };
        let parsed: Vec<_> =
            statements.one_or_many().iter().map(|element| grammar.statement(element)).collect::<Result<_, _>>()?;
        if parsed.is_empty() {
            return Err(statements.error("A policy has at least one statement."));
        }
        distinct_sids(&statements, &parsed)?;
        Ok(Self::new(name, parsed))
    }
}

/// Whether variables are read.
fn version(element: &Element<'_>) -> Result<bool, ParseError> {
    match element.text()? {
        "2012-10-17" => Ok(true),
        "2008-10-17" => Ok(false),
        other => Err(element.error(format!("The Version is \"2012-10-17\" or \"2008-10-17\", not {other:?}."))),
    }
}

fn distinct_sids(element: &Element<'_>, statements: &[crate::document::Statement]) -> Result<(), ParseError> {
    let mut seen = std::collections::HashSet::new();
    match statements.iter().filter_map(|statement| statement.sid.as_ref()).find(|sid| !seen.insert(*sid)) {
        Some(sid) => Err(element.error(format!("Two statements have the Sid {sid:?}."))),
        None => Ok(()),
    }
}

/// A value with the field that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Element<'a> {
    text: &'a str,
    field: String,
    node: &'a Node,
}

impl<'a> Element<'a> {
    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, self.node.at, &self.field, message)
    }

    fn unknown(&self, member: &Member) -> ParseError {
        let field = self.child_field(&member.name);
        ParseError::new(self.text, member.at, &field, format!("There is no element {:?} here.", member.name))
    }

    fn child_field(&self, name: &str) -> String {
        if self.field.is_empty() { name.to_owned() } else { format!("{}.{name}", self.field) }
    }

    fn child(&self, member: &'a Member) -> Element<'a> {
        Element { text: self.text, field: self.child_field(&member.name), node: &member.node }
    }

    /// The elements of an object.
    fn members(&self) -> Result<Vec<(&'a Member, Element<'a>)>, ParseError> {
        match &self.node.value {
            Value::Object(members) => Ok(members.iter().map(|member| (member, self.child(member))).collect()),
            other => Err(self.error(format!("An object stands here, not {}.", other.kind()))),
        }
    }

    /// The text of a string.
    fn text(&self) -> Result<&'a str, ParseError> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            other => Err(self.error(format!("A string stands here, not {}.", other.kind()))),
        }
    }

    /// The items of an array, or the value itself: AWS leaves the brackets of a single value away.
    fn one_or_many(&self) -> Vec<Element<'a>> {
        match &self.node.value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(at, node)| Element { text: self.text, field: format!("{}[{at}]", self.field), node })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// [`Self::one_or_many`], at least one.
    fn some(&self) -> Result<Vec<Element<'a>>, ParseError> {
        let items = self.one_or_many();
        if items.is_empty() { Err(self.error("At least one value stands here.")) } else { Ok(items) }
    }
}
