//! Matching `*` and `?` over a whole text, as policies mean them: `*` is any run of characters, `/` included, and `?` is
//! one character. What stands in a pattern as text is text: a value put in for a variable never acts as a pattern.
//!
//! What does not live here: reading patterns, and what variables stand for ([`crate::template`]).

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// These bytes (UTF-8, whole characters).
    Text(&'a [u8]),
    /// One character.
    One,
    /// Any number of characters.
    Star,
}

/// Whether the whole text matches a pattern in which `*` stands for any run of characters and `?` for one.
#[must_use]
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    matches(&pieces(pattern), text.as_bytes())
}

/// Whether the whole text matches the pieces. The text is UTF-8.
///
/// Between two stars the leftmost fit is as good as any other: what follows then has the most text to choose from. So
/// there is no way back, and the cost is at most (length of the text) x (length of the pattern).
pub(crate) fn matches(pieces: &[Piece<'_>], text: &[u8]) -> bool {
    let mut runs = pieces.split(|piece| matches!(piece, Piece::Star));
    let Some(rest) = runs.next().and_then(|first| strip_front(first, text)) else {
        return false;
    };
    let Some(last) = runs.next_back() else {
        return rest.is_empty();
    };
    let Some(mut rest) = strip_back(last, rest) else {
        return false;
    };
    for run in runs {
        let Some(after) = skip_past(run, rest) else {
            return false;
        };
        rest = after;
    }
    true
}

/// The pieces of a pattern without variables.
pub(crate) fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    pattern.char_indices().map(|(at, character)| piece(pattern, at, character)).collect()
}

/// Whether the pieces match some text that begins with the prefix.
///
/// Keeps the set of places in the pattern that can be reached after each character of the prefix.
pub(crate) fn matches_something_in(pieces: &[Piece<'_>], prefix: &[u8]) -> bool {
    // A place is a piece and how many bytes of its text have been seen.
    let mut places = vec![(0, 0)];
    pass_stars(pieces, &mut places);
    let mut rest = prefix;
    while let Some(length) = first_character(rest) {
        let (character, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let mut next = Vec::new();
        for (at, seen) in places {
            match pieces.get(at) {
                Some(Piece::Star) => next.push((at, 0)),
                Some(Piece::One) => next.push((at + 1, 0)),
                Some(Piece::Text(text)) if text.get(seen..).is_some_and(|text| text.starts_with(character)) => {
                    let seen = seen + length;
                    next.push(if seen == text.len() { (at + 1, 0) } else { (at, seen) });
                }
                _ => {}
            }
        }
        pass_stars(pieces, &mut next);
        places = next;
        rest = after;
    }
    !places.is_empty()
}

/// Adds the places that are reached by letting stars (and empty texts) stand for nothing.
fn pass_stars(pieces: &[Piece<'_>], places: &mut Vec<(usize, usize)>) {
    let mut at = 0;
    while let Some((piece, seen)) = places.get(at).copied() {
        let passes = match pieces.get(piece) {
            Some(Piece::Star) => true,
            Some(Piece::Text(text)) => text.is_empty() && seen == 0,
            _ => false,
        };
        if passes && !places.contains(&(piece + 1, 0)) {
            places.push((piece + 1, 0));
        }
        at += 1;
    }
}

fn piece(pattern: &str, at: usize, character: char) -> Piece<'_> {
    match character {
        '*' => Piece::Star,
        '?' => Piece::One,
        other => Piece::Text(pattern.as_bytes().get(at..at + other.len_utf8()).unwrap_or_default()),
    }
}

/// What is left of the text after a run without stars at its front.
fn strip_front<'t>(run: &[Piece<'_>], text: &'t [u8]) -> Option<&'t [u8]> {
    run.iter().try_fold(text, |rest, piece| match piece {
        Piece::Text(expected) => rest.strip_prefix(*expected),
        Piece::One => rest.get(first_character(rest)?..),
        Piece::Star => Some(rest),
    })
}

/// What is left of the text before a run without stars at its back.
fn strip_back<'t>(run: &[Piece<'_>], text: &'t [u8]) -> Option<&'t [u8]> {
    run.iter().rev().try_fold(text, |rest, piece| match piece {
        Piece::Text(expected) => rest.strip_suffix(*expected),
        Piece::One => rest.get(..last_character(rest)?),
        Piece::Star => Some(rest),
    })
}

/// What is left of the text after the leftmost place where a run without stars fits.
fn skip_past<'t>(run: &[Piece<'_>], text: &'t [u8]) -> Option<&'t [u8]> {
    let mut rest = text;
    loop {
        if let Some(after) = strip_front(run, rest) {
            return Some(after);
        }
        rest = rest.get(first_character(rest)?..)?;
    }
}

/// The length of the first character; none in an empty text.
fn first_character(text: &[u8]) -> Option<usize> {
    let following = text.get(1..)?;
    Some(1 + following.iter().take_while(|byte| is_continuation(**byte)).count())
}

/// Where the last character begins; none in an empty text.
fn last_character(text: &[u8]) -> Option<usize> {
    text.iter().rposition(|byte| !is_continuation(*byte))
}

/// Whether a byte of UTF-8 goes on with a character that another byte began.
const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        matches(&pieces(pattern), text.as_bytes())
    }

    /// What the wildcards mean, in four lines.
    fn specification(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some(('*', after)), _) => (0..=text.len()).any(|skipped| specification(after, &text[skipped..])),
            (Some((_, _)), None) => false,
            (Some((p, after)), Some((t, rest))) => (*p == '?' || p == t) && specification(after, rest),
        }
    }

    fn agrees(pattern: &str, text: &str) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        is_match(pattern, text) == specification(&chars(pattern), &chars(text))
    }

    #[test]
    fn a_star_spans_slashes_and_a_question_mark_is_one_character() {
        assert!(is_match("a/*", "a/b/c"));
        assert!(is_match("a/*", "a/"));
        assert!(!is_match("a/*", "a"));
        assert!(is_match("caf?", "café"));
        assert!(!is_match("caf??", "café"));
        assert!(is_match("*é?", "caféé"));
    }

    #[test]
    fn every_short_pattern_means_what_the_specification_says() {
        let words = |letters: &[char]| {
            let mut all = vec![String::new()];
            let mut from = 0;
            for _ in 0..5 {
                let to = all.len();
                for at in from..to {
                    letters.iter().for_each(|letter| all.push(format!("{}{letter}", all[at])));
                }
                from = to;
            }
            all
        };
        let texts = words(&['a', 'é']);
        for pattern in words(&['a', 'é', '*', '?']) {
            for text in &texts {
                assert!(agrees(&pattern, text), "{pattern:?} {text:?}");
            }
        }
    }

    #[test]
    fn a_pattern_reaches_into_a_prefix_where_some_longer_text_matches() {
        let reaches = |pattern: &str, prefix: &str| matches_something_in(&pieces(pattern), prefix.as_bytes());
        assert!(reaches("b/x", "b/") && reaches("*", "b/") && reaches("*/x", "b/") && reaches("b/*", "b/"));
        assert!(!reaches("b", "b/") && !reaches("c/*", "b/") && !reaches("?", "b/") && reaches("?/é", "b/"));
    }

    proptest! {
        #[test]
        fn long_patterns_mean_what_the_specification_says(pattern in "[ab*?é]{0,12}", text in "[abé]{0,12}") {
            prop_assert!(agrees(&pattern, &text));
        }
    }
}
