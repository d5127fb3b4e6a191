//! What is wrong with a document, and where.

use std::fmt;

/// What is wrong with a policy document, and where: as S3 answers it under `MalformedPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// The field, such as `Statement[0].Condition.StringLike.aws:username`; empty: the document as a whole.
    pub field: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, field: &str, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, field: field.to_owned(), message: message.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}
