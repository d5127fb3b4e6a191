//! Which bytes of an object a read is for: all of them, a range (`Range`), or those of a part (`partNumber`).

use std::ops::Range;

use http::HeaderMap;
use s3s::dto;

use super::{multipart, range};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::index::{Checksums, ObjectHead, ObjectPart};

/// The bytes that a read is for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) bytes: Range<u64>,
    piece: Piece,
}

#[derive(Debug)]
enum Piece {
    /// All, and nothing else was asked for.
    Whole,
    Range,
    /// A part of an upload.
    Part(ObjectPart),
    /// The one part that an object is that was put in one piece.
    OnlyPart,
}

impl Wanted {
    /// What a read of this object is for.
    ///
    /// # Errors
    /// `InvalidRange`; `InvalidPartNumber` where the object has no such part; `InvalidArgument`, `InvalidRequest`; `BlobUnknown` where the
    /// object was replaced since it was looked up: the caller looks again.
    pub(super) async fn of(
        app: &App,
        head: &ObjectHead,
        headers: &HeaderMap,
        range: Option<dto::Range>,
        part: Option<i32>,
    ) -> Result<Self> {
        match (range, part) {
            (Some(_), Some(_)) => Err(Error::new(
                Code::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter.",
            )),
            (None, Some(number)) => part_of(app, head, number).await,
            (asked, None) => {
                let asked = asked.filter(|_| range::if_range_holds(headers, &head.etag, head.last_modified));
                let range = range::resolve(asked, head.size)?;
                let piece = if range.is_some() { Piece::Range } else { Piece::Whole };
                Ok(Self { bytes: range.unwrap_or(0..head.size), piece })
            }
        }
    }

    /// How many bytes.
    pub(super) const fn length(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }

    /// `Content-Range`, where the answer is about a piece of so many bytes; of no bytes there is no range.
    pub(super) fn content_range(&self, size: u64) -> Option<String> {
        let is_whole = matches!(self.piece, Piece::Whole) || self.bytes.is_empty();
        (!is_whole).then(|| range::content_range(&self.bytes, size))
    }

    /// `x-amz-mp-parts-count`: how many parts the object has, where one of them was asked for.
    pub(super) const fn parts_count(&self, head: &ObjectHead) -> Option<i32> {
        match self.piece {
            Piece::Part(_) => Some(head.part_count),
            _ => None,
        }
    }

    /// The checksums of these bytes; of a range none are known.
    pub(super) const fn checksums<'a>(&'a self, head: &'a ObjectHead) -> Option<&'a Checksums> {
        match &self.piece {
            Piece::Whole | Piece::OnlyPart => Some(&head.checksums),
            Piece::Part(part) => Some(&part.checksums),
            Piece::Range => None,
        }
    }
}

/// The bytes of a part. An object that was put in one piece has one part, which is all of it.
async fn part_of(app: &App, head: &ObjectHead, number: i32) -> Result<Wanted> {
    multipart::check_part_number(number)?;
    if head.part_count == 0 {
        let whole = Wanted { bytes: 0..head.size, piece: Piece::OnlyPart };
        return if number == 1 { Ok(whole) } else { Err(no_such_part(number, 1)) };
    }
    match app.index.object_part(head.id, number).await? {
        Some(part) => Ok(Wanted { bytes: part.start..part.start.saturating_add(part.size), piece: Piece::Part(part) }),
        None => Err(no_such_part(number, head.part_count)),
    }
}

fn no_such_part(number: i32, count: i32) -> Error {
    Error::from(Code::InvalidPartNumber).with("PartNumberRequested", number).with("ActualPartCount", count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::testing::head;

    #[test]
    fn only_a_piece_has_a_content_range() {
        let of = |bytes, piece| Wanted { bytes, piece };
        for (wanted, expected) in [
            (of(0..10, Piece::Whole), None),
            (of(0..10, Piece::OnlyPart), Some("bytes 0-9/10")),
            (of(2..5, Piece::Range), Some("bytes 2-4/10")),
            (of(0..0, Piece::OnlyPart), None),
        ] {
            assert_eq!(wanted.content_range(10).as_deref(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_part_has_its_own_checksums_and_a_range_has_none() {
        let mut head = head("abc", 0);
        head.part_count = 3;
        head.checksums.insert("crc32".into(), "whole".into());
        let checksums = Checksums::from([("crc32".to_owned(), "part".to_owned())]);
        let part = ObjectPart { part_number: 2, start: 2, size: 3, checksums };
        let of = |piece| Wanted { bytes: 2..5, piece };
        let seen = |wanted: &Wanted| wanted.checksums(&head).map(|checksums| checksums["crc32"].clone());
        let part = of(Piece::Part(part));
        assert_eq!((seen(&part).as_deref(), part.parts_count(&head)), (Some("part"), Some(3)));
        assert_eq!((seen(&of(Piece::Range)), of(Piece::Range).parts_count(&head)), (None, None));
        assert_eq!(seen(&of(Piece::Whole)).as_deref(), Some("whole"));
    }
}
