//! JSON with the place of each value, so that an error can name line and column. Refuses what JSON leaves open and what
//! readers disagree about: an element that stands twice, and nesting without bound.

use jiter::{Jiter, JiterError, Peek};

use crate::error::ParseError;

/// How deep a policy nests at most; AWS's grammar needs six levels.
const DEPTH: usize = 16;

/// A value and the byte where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub at: usize,
    pub value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// An element of an object; `at`: the byte where its name begins.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: String,
    pub at: usize,
    pub node: Node,
}

impl Value {
    /// What it is, for error texts.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a whole text.
pub(crate) fn read(text: &str) -> Result<Node, ParseError> {
    let mut reader = Reader { text, json: Jiter::new(text.as_bytes()) };
    let node = reader.value(0)?;
    reader.json.finish().map_err(|error| reader.failed(&error))?;
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    json: Jiter<'a>,
}

impl Reader<'_> {
    fn failed(&self, error: &JiterError) -> ParseError {
        let kind = &error.error_type;
        ParseError::new(self.text, error.index, "", format!("This is not JSON: {kind}."))
    }

    fn value(&mut self, depth: usize) -> Result<Node, ParseError> {
        let peek = self.json.peek().map_err(|error| self.failed(&error))?;
        let at = self.json.current_index();
        if depth > DEPTH {
            return Err(ParseError::new(self.text, at, "", format!("Nothing nests deeper than {DEPTH} levels here.")));
        }
        let value = match peek {
            Peek::Object => self.object(depth)?,
            Peek::Array => self.array(depth)?,
            _ => self.scalar(peek).map_err(|error| self.failed(&error))?,
        };
        Ok(Node { at, value })
    }

    fn scalar(&mut self, peek: Peek) -> Result<Value, JiterError> {
        Ok(match peek {
            Peek::Null => {
                self.json.known_null()?;
                Value::Null
            }
            Peek::True | Peek::False => Value::Bool(self.json.known_bool(peek)?),
            Peek::String => Value::Text(self.json.known_str()?.to_owned()),
            _ => Value::Number(String::from_utf8_lossy(self.json.next_number_bytes()?).into_owned()),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        let mut next = self.json.known_array().map_err(|error| self.failed(&error))?;
        while next.is_some() {
            items.push(self.value(depth + 1)?);
            next = self.json.array_step().map_err(|error| self.failed(&error))?;
        }
        Ok(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut members: Vec<Member> = Vec::new();
        let mut from = self.json.current_index();
        let mut name = self.json.known_object().map(|name| name.map(str::to_owned));
        while let Some(found) = name.map_err(|error| self.failed(&error))? {
            let rest = self.text.get(from..).unwrap_or_default();
            let at = from + rest.find('"').unwrap_or_default();
            if members.iter().any(|member| member.name == found) {
                return Err(ParseError::new(self.text, at, &found, "This element stands twice."));
            }
            let node = self.value(depth + 1)?;
            members.push(Member { name: found, at, node });
            from = self.json.current_index();
            name = self.json.next_key().map(|name| name.map(str::to_owned));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_syntax_error_is_named_by_line_and_column() {
        assert!(refusal("{\n  \"a\": 1,,\n}").ends_with("(line 2, column 10)"), "{}", refusal("{\n  \"a\": 1,,\n}"));
        assert!(refusal("").starts_with("This is not JSON"));
        assert!(refusal("{} {}").starts_with("This is not JSON"));
    }

    #[test]
    fn an_element_that_stands_twice_is_refused() {
        assert_eq!(
            refusal("{\"Effect\": 1,\n \"Effect\": 2}"),
            "Effect: This element stands twice. (line 2, column 2)"
        );
    }

    #[test]
    fn nesting_without_bound_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(refusal(&deep).starts_with("Nothing nests deeper"));
    }
}
