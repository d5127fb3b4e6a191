//! [`Malformed`]: why a document is not read.

use crate::error::{Code, Error};

/// Bytes of a parser's words that are passed on: they may quote what was sent.
const WORDS: usize = 200;

/// Why a document is not read. The texts are for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is too much of it.
    #[error("{what} has {found}, and at most {most} are read")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is read.
        most: usize,
    },
    /// It has not the form that it must have.
    #[error("{what} cannot be read: {why}")]
    Form {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It is of a kind that is not read here.
    #[error("{what} of the type {found:?} is not read")]
    Kind {
        /// What it should be.
        what: &'static str,
        /// The type that it says it has.
        found: String,
    },
    /// It has another number of signatures than the one that everything else in it vouches for.
    #[error("there must be one signature, and there are {0}")]
    Signatures(usize),
}

impl Malformed {
    pub(crate) fn form(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Form { what, why: cut(why.to_string()) }
    }

    pub(crate) fn kind(what: &'static str, found: &str) -> Self {
        Self::Kind { what, found: cut(found.to_owned()) }
    }

    /// Whether there is no more of something than there may be.
    pub(crate) fn check(what: &'static str, found: usize, most: usize) -> Result<(), Self> {
        if found > most { Err(Self::TooLarge { what, found, most }) } else { Ok(()) }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(Code::InvalidArgument, malformed.to_string())
    }
}

/// As much of a text as is passed on.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > WORDS {
        let end = (0..=WORDS).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_cut_between_characters() {
        let Malformed::Form { why, .. } = Malformed::form("a thing", "é".repeat(500)) else { panic!("a form") };
        assert_eq!(why.chars().count(), 101);
        assert_eq!(cut("short".to_owned()), "short");
    }

    #[test]
    fn what_is_at_the_limit_is_read() {
        assert_eq!(Malformed::check("bytes", 3, 3), Ok(()));
        let error = Malformed::check("a bundle", 4, 3).unwrap_err();
        assert_eq!(error.to_string(), "a bundle has 4, and at most 3 are read");
    }
}
