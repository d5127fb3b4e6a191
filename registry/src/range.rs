//! The two range headers: `Range` of a download (RFC 9110) and `Content-Range` of an upload's chunk (distribution
//! specification, which writes it without unit and size).

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// From an offset to the end or to an offset, both inclusive.
    From { first: u64, last: Option<u64> },
    /// The last so many bytes.
    Suffix(u64),
}

/// What to make of a `Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeRequest {
    /// Another unit, or several ranges: the whole content is a permitted answer.
    Ignored,
    /// The unit is bytes but the rest makes no sense, or ends before it starts.
    Malformed,
    /// A single range of bytes.
    One(ByteRange),
}

impl RangeRequest {
    pub(crate) fn parse(header: &str) -> Self {
        let Some(ranges) = header.trim().strip_prefix("bytes=") else { return Self::Ignored };
        if ranges.contains(',') {
            return Self::Ignored;
        }
        match parse_range(ranges.trim()) {
            Some(range) => Self::One(range),
            None => Self::Malformed,
        }
    }
}

fn parse_range(text: &str) -> Option<ByteRange> {
    match text.split_once('-')? {
        ("", suffix) => Some(ByteRange::Suffix(number(suffix)?)),
        (first, "") => Some(ByteRange::From { first: number(first)?, last: None }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::From { first, last: Some(last) })
        }
    }
}

/// Digits only: `str::parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl ByteRange {
    /// The first offset and the length within content of `size` bytes; `None` when nothing of it is there.
    pub(crate) fn resolve(self, size: u64) -> Option<(u64, u64)> {
        let (first, last) = match self {
            Self::From { first, last } => (first, last.unwrap_or(u64::MAX).min(size.checked_sub(1)?)),
            Self::Suffix(0) => return None,
            Self::Suffix(length) => (size.saturating_sub(length), size.checked_sub(1)?),
        };
        Some((first, last.checked_sub(first)?.checked_add(1)?))
    }
}

/// The `Content-Range` of a chunk: first and last offset, both inclusive, `^[0-9]+-[0-9]+$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) length: u64,
}

impl ContentRange {
    /// `None` when the text does not match the grammar, ends before it starts, or does not fit 64 bits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        Some(Self { first, length: last.checked_sub(first)?.checked_add(1)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(header: &str, size: u64) -> Option<(u64, u64)> {
        match RangeRequest::parse(header) {
            RangeRequest::One(range) => range.resolve(size),
            _ => None,
        }
    }

    #[test]
    fn ranges_are_cut_at_the_end_of_the_content() {
        assert_eq!(resolve("bytes=500-1499", 2048), Some((500, 1000)));
        assert_eq!(resolve("bytes=500-", 2048), Some((500, 1548)));
        assert_eq!(resolve("bytes=-500", 2048), Some((1548, 500)));
        assert_eq!(resolve("bytes=2000-5000", 2048), Some((2000, 48)));
        assert_eq!(resolve("bytes=-5000", 2048), Some((0, 2048)));
    }

    #[test]
    fn ranges_beyond_the_content_are_not_satisfiable() {
        assert_eq!(resolve("bytes=2048-", 2048), None);
        assert_eq!(resolve("bytes=5000-10000", 2048), None);
        assert_eq!(resolve("bytes=-0", 2048), None);
        assert_eq!(resolve("bytes=0-", 0), None);
        assert_eq!(resolve("bytes=-1", 0), None);
    }

    #[test]
    fn nonsense_is_told_from_what_may_be_ignored() {
        for header in [
            "bytes=500-0",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(RangeRequest::parse(header), RangeRequest::Malformed, "{header}");
        }
        assert_eq!(RangeRequest::parse("lines=1-2"), RangeRequest::Ignored);
        assert_eq!(RangeRequest::parse("bytes=0-1,3-4"), RangeRequest::Ignored);
    }

    #[test]
    fn a_content_range_has_neither_unit_nor_size() {
        assert_eq!(ContentRange::parse("0-0"), Some(ContentRange { first: 0, length: 1 }));
        for text in
            ["bytes 0-1", "0-1/2", "1-0", "-1", "0-", "+0-1", "0-99999999999999999999", "0-18446744073709551615"]
        {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_resolved_range_lies_within_the_content(text in "bytes=[0-9]{0,4}-?[0-9]{0,4}", size in 0u64..3000) {
            if let Some((first, length)) = resolve(&text, size) {
                prop_assert!(length > 0 && first + length <= size);
            }
        }

        #[test]
        fn parsing_a_range_never_panics(text in ".{0,40}", size: u64) {
            let _ = resolve(&text, size);
            let _ = ContentRange::parse(&text);
        }

        #[test]
        fn a_content_range_is_read_as_it_is_written(first in 0u64..1 << 60, length in 1u64..1 << 60) {
            let text = format!("{first}-{}", first + length - 1);
            prop_assert_eq!(ContentRange::parse(&text), Some(ContentRange { first, length }));
        }
    }
}
