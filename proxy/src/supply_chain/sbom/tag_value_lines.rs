//! The lines of an SPDX tag-value document: `Tag: value`, where a value may be a `<text>` of several lines.

use super::finding::Place;
use super::refusal::Refusal;

const TEXT: &str = "<text>";
const TEXT_END: &str = "</text>";

/// A tag and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// The number of the line, from 1.
    pub(super) number: u64,
    /// The tag.
    pub(super) tag: &'t str,
    /// The value without white space around it and without `<text>`.
    pub(super) value: &'t str,
}

/// The lines that say something: no empty ones, no comments.
pub(super) const fn lines(text: &str) -> Lines<'_> {
    Lines { rest: text, number: 0 }
}

/// See [`lines`].
pub(super) struct Lines<'t> {
    rest: &'t str,
    number: u64,
}

impl<'t> Lines<'t> {
    fn next_line(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line)
    }

    /// The value that begins in `line` behind `<text>`; takes as many lines as it has.
    fn text(&mut self, begun: &'t str, before: &'t str) -> Option<&'t str> {
        // `begun` is a piece of `before`, which is all that was left when its line began.
        let start = begun.as_ptr().addr().checked_sub(before.as_ptr().addr())?;
        let from = before.get(start..)?;
        let (value, behind) = from.split_once(TEXT_END)?;
        let lines = value.matches('\n').count();
        self.number += lines as u64;
        // What stands behind it on its line is dropped with the line.
        self.rest = behind.split_once('\n').map_or("", |(_, rest)| rest);
        Some(value)
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Result<Line<'t>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let before = self.rest;
            let line = self.next_line()?;
            let number = self.number;
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let malformed = |text: &str| Refusal::Malformed { place: Place::line(number, 1), text: text.to_owned() };
            let Some((tag, value)) = trimmed.split_once(':') else {
                return Some(Err(malformed("a line without a tag and a colon")));
            };
            let value = value.trim();
            let Some(begun) = value.strip_prefix(TEXT) else {
                return Some(Ok(Line { number, tag: tag.trim(), value }));
            };
            return Some(match self.text(begun, before) {
                Some(value) => Ok(Line { number, tag: tag.trim(), value }),
                None => Err(malformed("a <text> that does not end")),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(u64, &str, &str)> {
        lines(text).map(|line| line.unwrap()).map(|line| (line.number, line.tag, line.value)).collect()
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(read("# x\n\n A : b: c \r\n  # y\nD:"), [(3, "A", "b: c"), (5, "D", "")]);
    }

    #[test]
    fn a_text_may_have_several_lines() {
        let text = "A: <text>one\ntwo: 2\n</text> dropped\nB: <text>x</text>\nC: 1";
        assert_eq!(read(text), [(1, "A", "one\ntwo: 2\n"), (4, "B", "x"), (5, "C", "1")]);
    }

    #[test]
    fn a_text_without_an_end_is_refused() {
        let refused = lines("A: 1\nB: <text>x\nC: 2").find_map(Result::err).unwrap();
        assert_eq!(refused.to_string(), "line 2, column 1: a <text> that does not end");
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "([ -~é\n]|<text>|</text>|A: ){0,40}") {
            prop_assert!(lines(&text).take_while(Result::is_ok).count() <= text.len());
        }
    }
}
