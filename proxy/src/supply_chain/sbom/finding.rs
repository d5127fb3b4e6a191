//! What is wrong with a document, and where.

use std::fmt;

/// Where in a document something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// JSON: a pointer (RFC 6901), empty for the whole. XML: the path of the element. Tag-value: the tag.
    pub path: String,
    /// The line and the column, both from 1; unset where the path says it all.
    pub position: Option<(u64, u64)>,
}

impl Place {
    /// A path alone.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: path.into(), position: None }
    }

    /// A line and a column alone.
    #[must_use]
    pub const fn line(line: u64, column: u64) -> Self {
        Self { path: String::new(), position: Some((line, column)) }
    }

    /// The line and column of a byte of a document.
    #[must_use]
    pub fn of_offset(document: &[u8], offset: usize) -> Self {
        let before = document.get(..offset).unwrap_or(document);
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let lines = before.iter().filter(|&&b| b == b'\n').count();
        Self::line(lines as u64 + 1, (before.len() - line_start) as u64 + 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.position) {
            (path, None) if path.is_empty() => f.write_str("the document"),
            (path, None) => f.write_str(path),
            (path, Some((line, column))) if path.is_empty() => write!(f, "line {line}, column {column}"),
            (path, Some((line, column))) => write!(f, "{path} (line {line}, column {column})"),
        }
    }
}

/// The rule that a document breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The published schema.
    Schema,
    /// An identifier stands for two things.
    DuplicateId,
    /// An identifier that the specification does not allow.
    InvalidId,
    /// Something refers to what is not in the document.
    DanglingReference,
    /// A licence expression that cannot be read.
    LicenceExpression,
    /// A package URL that cannot be read.
    PackageUrl,
    /// A value that the specification rules out although the schema lets it through.
    Value,
    /// The specification rules it out, well-known tools write it all the same, and what is meant is clear.
    Tolerated,
    /// A text that is longer than what is kept.
    TooLong,
    /// It was stored under the name of another format.
    MediaType,
}

impl Rule {
    /// The name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::DuplicateId => "duplicate_id",
            Self::InvalidId => "invalid_id",
            Self::DanglingReference => "dangling_reference",
            Self::LicenceExpression => "licence_expression",
            Self::PackageUrl => "package_url",
            Self::Value => "value",
            Self::Tolerated => "tolerated",
            Self::TooLong => "too_long",
            Self::MediaType => "media_type",
        }
    }

    /// Whether a document that breaks it is invalid; otherwise the finding is a remark.
    #[must_use]
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::Tolerated | Self::TooLong | Self::MediaType)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub place: Place,
    /// What, for people. Holds at most a short piece of the document.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// What was found: the first findings, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
    kept: usize,
    stop_at: u64,
    errors: u64,
    remarks: u64,
}

impl Report {
    /// An empty report that keeps `kept` findings and is full after `stop_at`.
    #[must_use]
    pub const fn new(kept: usize, stop_at: u64) -> Self {
        Self { findings: Vec::new(), kept, stop_at, errors: 0, remarks: 0 }
    }

    /// Adds a finding; its text is made only where it is kept.
    pub fn add(&mut self, rule: Rule, place: impl FnOnce() -> Place, text: impl FnOnce() -> String) {
        let count = if rule.is_error() { &mut self.errors } else { &mut self.remarks };
        *count += 1;
        if self.findings.len() < self.kept {
            self.findings.push(Finding { rule, place: place(), text: text() });
        }
    }

    /// Whether so much is wrong that looking further is of no use.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.errors + self.remarks >= self.stop_at
    }

    /// Gives the findings that have a path alone the position that it is at.
    pub(super) fn locate(&mut self, position: impl Fn(&str) -> Option<(u64, u64)>) {
        for finding in self.findings.iter_mut().filter(|finding| finding.place.position.is_none()) {
            finding.place.position = position(&finding.place.path);
        }
    }

    /// The first findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many errors there are; where [`Self::is_full`], at least so many.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.errors
    }

    /// How many remarks there are.
    #[must_use]
    pub const fn remarks(&self) -> u64 {
        self.remarks
    }

    /// Whether the document is valid: there is no error.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.errors == 0
    }
}

/// The beginning of a text that a document brought, fit for an error: at most 80 characters, on one line.
#[must_use]
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_a_few_findings_and_counts_all() {
        let mut report = Report::new(2, 5);
        for i in 0..5 {
            assert!(!report.is_full());
            report.add(Rule::Schema, || Place::at(format!("/{i}")), || "wrong".into());
        }
        assert!(report.is_full());
        assert_eq!((report.findings().len(), report.errors(), report.is_valid()), (2, 5, false));
    }

    #[test]
    fn a_remark_leaves_a_document_valid() {
        let mut report = Report::new(2, 5);
        report.add(Rule::TooLong, Place::default, String::new);
        assert_eq!((report.remarks(), report.is_valid()), (1, true));
    }

    #[test]
    fn a_byte_has_a_line_and_a_column() {
        let text = b"a\nbc\n\nd";
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (2, 2, 1), (3, 2, 2), (5, 3, 1), (6, 4, 1), (99, 4, 2)] {
            assert_eq!(Place::of_offset(text, offset), Place::line(line, column), "{offset}");
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("a\nb"), "a b");
        assert_eq!(excerpt(&"é".repeat(100)).chars().count(), 81);
    }
}
