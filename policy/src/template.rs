//! Texts of policies with wildcards and variables: `team/${aws:username}/*`.
//!
//! What a variable stands for is text, whatever characters it has: a user called `*` is no wildcard (see [`crate::glob`]).
//! Variables are read where the document's version is `2012-10-17`, as AWS does; in older ones they are plain text.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::context::{Found, Scope};
use crate::glob::{self, Piece};
use crate::key::Key;

/// A text with wildcards and variables, read once.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    segments: Box<[Segment]>,
    shape: Shape,
    landmark: Option<Landmark>,
}

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Text(Box<str>),
    One,
    Star,
    Variable { key: Key, default: Option<Box<str>> },
}

/// The forms that most patterns have, which need no search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Any,
    Literal,
    Prefix,
    General,
}

/// The last bytes of the text that a template begins with. They lie in the template itself: most texts that it does not fit are told by
/// them in one comparison, without following a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Landmark {
    at: usize,
    bytes: [u8; Self::LENGTH],
}

/// What is read as more than text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// `*` and `?`.
    pub wildcards: bool,
    /// `${…}`.
    pub variables: bool,
}

/// Whether a template fits a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Yes,
    No,
    /// A variable's value cannot be told now.
    Unknown,
    /// A variable has no value: the template stands for nothing.
    Void,
}

type Values<'a> = SmallVec<[Cow<'a, str>; 2]>;

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with a variable, in a sentence.
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if syntax.variables && rest.starts_with("${") {
                let (inside, after) = rest
                    .get(2..)
                    .and_then(|from| from.split_once('}'))
                    .ok_or_else(|| format!("The variable in {text:?} has no closing brace."))?;
                match inside {
                    "*" | "?" | "$" => literal.push_str(inside),
                    _ => push(&mut segments, &mut literal, variable(inside)?),
                }
                rest = after;
                continue;
            }
            match character {
                '*' if syntax.wildcards => push(&mut segments, &mut literal, Segment::Star),
                '?' if syntax.wildcards => push(&mut segments, &mut literal, Segment::One),
                _ => literal.push(character),
            }
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        flush(&mut segments, &mut literal);
        segments.dedup_by(|later, earlier| *later == Segment::Star && *earlier == Segment::Star);
        Ok(Self::new(segments))
    }

    fn new(segments: Vec<Segment>) -> Self {
        Self { shape: shape(&segments), landmark: Landmark::of(&segments), segments: segments.into() }
    }

    /// The same with a text before it.
    pub(crate) fn after(self, prefix: &str) -> Self {
        let mut segments = Vec::with_capacity(self.segments.len() + 1);
        let mut rest = self.segments.into_vec().into_iter().peekable();
        let text = match rest.next_if(|first| matches!(first, Segment::Text(_))) {
            Some(Segment::Text(text)) => text,
            _ => "".into(),
        };
        segments.push(Segment::Text(format!("{prefix}{text}").into()));
        segments.extend(rest);
        Self::new(segments)
    }

    /// Whether it fits the whole text.
    ///
    /// A text that does not begin as the template does fits no value of its variables: they are not looked up for it.
    pub(crate) fn fits(&self, text: &str, scope: &Scope<'_>) -> Fit {
        if self.landmark.is_some_and(|landmark| !landmark.is_in(text)) {
            return Fit::No;
        }
        let yes = match (self.shape, &*self.segments) {
            (Shape::Any, _) => true,
            (Shape::Literal, []) => text.is_empty(),
            (Shape::Literal, [Segment::Text(only)]) => **only == *text,
            (Shape::Prefix, [Segment::Text(prefix), ..]) => text.starts_with(&**prefix),
            (_, [Segment::Text(prefix), ..]) if !text.starts_with(&**prefix) => false,
            _ => return self.search(scope, |pieces| glob::matches(pieces, text.as_bytes())),
        };
        if yes { Fit::Yes } else { Fit::No }
    }

    /// Whether it fits some text that begins so.
    pub(crate) fn fits_something_in(&self, prefix: &str, scope: &Scope<'_>) -> Fit {
        self.search(scope, |pieces| glob::matches_something_in(pieces, prefix.as_bytes()))
    }

    fn search(&self, scope: &Scope<'_>, test: impl Fn(&[Piece<'_>]) -> bool) -> Fit {
        let mut values = Values::new();
        if let Err(fit) = self.look_up(scope, &mut values) {
            return fit;
        }
        let mut values = values.iter();
        let pieces: SmallVec<[Piece<'_>; 12]> = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) => Piece::Text(text.as_bytes()),
                Segment::One => Piece::One,
                Segment::Star => Piece::Star,
                Segment::Variable { .. } => Piece::Text(values.next().map_or(&[], |value| value.as_bytes())),
            })
            .collect();
        if test(&pieces) { Fit::Yes } else { Fit::No }
    }

    /// The values of the variables, in their order.
    fn look_up<'a>(&'a self, scope: &Scope<'a>, values: &mut Values<'a>) -> Result<(), Fit> {
        for segment in &self.segments {
            let Segment::Variable { key, default } = segment else { continue };
            values.push(match (scope.find(key), default) {
                (Found::Unknown, _) => {
                    scope.unknown(key);
                    return Err(Fit::Unknown);
                }
                (Found::Values(mut found), _) if found.len() == 1 => found.pop().unwrap_or_default(),
                (_, Some(default)) => Cow::Borrowed(&**default),
                _ => {
                    scope.missing(key);
                    return Err(Fit::Void);
                }
            });
        }
        Ok(())
    }

    /// The text that it stands for; wildcards as they are written.
    pub(crate) fn resolve<'a>(&'a self, scope: &Scope<'a>) -> Result<Cow<'a, str>, Fit> {
        if let [Segment::Text(only)] = &*self.segments {
            return Ok(Cow::Borrowed(only));
        }
        let mut values = Values::new();
        self.look_up(scope, &mut values)?;
        let mut values = values.iter();
        let text = self.segments.iter().map(|segment| match segment {
            Segment::Text(text) => &**text,
            Segment::One => "?",
            Segment::Star => "*",
            Segment::Variable { .. } => values.next().map_or("", |value| &**value),
        });
        Ok(Cow::Owned(text.collect()))
    }

    /// Whether it always stands for the same text: no wildcard, no variable.
    pub(crate) fn is_fixed(&self) -> bool {
        self.shape == Shape::Literal
    }

    /// The text before the first wildcard or variable.
    pub(crate) fn literal_prefix(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Text(text)) => text,
            _ => "",
        }
    }

    /// The text that wildcards alone follow; none where nothing follows, or something else.
    pub(crate) fn opening(&self) -> Option<&str> {
        match &*self.segments {
            [Segment::Text(text), rest @ ..] if !rest.is_empty() && rest.iter().all(Segment::is_wildcard) => Some(text),
            _ => None,
        }
    }

    /// Whether it stands for different texts, by what is known of a request.
    pub(crate) fn has_variables(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Variable { .. }))
    }

    /// Whether there is a letter or a digit in its text.
    pub(crate) fn has_letters(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::Text(text) if text.contains(char::is_alphanumeric)))
    }

    /// Whether any text may follow.
    pub(crate) fn ends_in_star(&self) -> bool {
        self.segments.last() == Some(&Segment::Star)
    }
}

impl Segment {
    const fn is_wildcard(&self) -> bool {
        matches!(self, Self::Star | Self::One)
    }
}

impl Landmark {
    const LENGTH: usize = 8;

    /// None where the template begins with less text than that.
    fn of(segments: &[Segment]) -> Option<Self> {
        let Some(Segment::Text(text)) = segments.first() else { return None };
        let bytes = text.as_bytes().last_chunk().copied()?;
        Some(Self { at: text.len() - Self::LENGTH, bytes })
    }

    fn is_in(&self, text: &str) -> bool {
        text.as_bytes().get(self.at..).and_then(|rest| rest.first_chunk()) == Some(&self.bytes)
    }
}

fn shape(segments: &[Segment]) -> Shape {
    match segments {
        [Segment::Star] => Shape::Any,
        [] | [Segment::Text(_)] => Shape::Literal,
        [Segment::Text(_), Segment::Star] => Shape::Prefix,
        _ => Shape::General,
    }
}

fn flush(segments: &mut Vec<Segment>, literal: &mut String) {
    if !literal.is_empty() {
        segments.push(Segment::Text(std::mem::take(literal).into()));
    }
}

fn push(segments: &mut Vec<Segment>, literal: &mut String, segment: Segment) {
    flush(segments, literal);
    segments.push(segment);
}

/// `aws:username`, or `aws:username, 'nobody'`.
fn variable(inside: &str) -> Result<Segment, String> {
    let (name, default) = match inside.split_once(',') {
        Some((name, default)) => (name, Some(quoted(default.trim())?.into())),
        None => (inside, None),
    };
    let key = Key::parse(name.trim()).map_err(|error| format!("The variable \"${{{inside}}}\": {error}"))?;
    if key.is_multivalued() {
        return Err(format!("The key {key} can have several values, so that it is no variable."));
    }
    Ok(Segment::Variable { key, default })
}

fn quoted(text: &str) -> Result<&str, String> {
    text.strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .ok_or_else(|| format!("A variable's default stands in single quotes, unlike {text}."))
}
