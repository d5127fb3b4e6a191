//! The frames of `aws-chunked` bodies. A seed begins with `signed` or `unsigned`, for what its chunks are, and a line feed; then comes the
//! body.
//!
//! However the bytes arrive, the same comes out: what a reader finds that has them all at once.

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{Read, Verdict};
use crate::error::Code;
use crate::gateway::BoxError;
use crate::s3::body::RawBody;

/// The longest line before a chunk, and the largest signed chunk, in bytes.
const LONGEST_LINE: usize = 1024;
const LARGEST_SIGNED: u64 = 4 * 1024 * 1024;

/// Content, and what stands behind the last chunk.
type Content = (Vec<u8>, Vec<u8>);

pub(super) fn check(input: &[u8]) -> Verdict {
    let (signed, body) = match (input.strip_prefix(b"signed\n"), input.strip_prefix(b"unsigned\n")) {
        (Some(body), _) => (true, body),
        (None, Some(body)) => (false, body),
        (None, None) => return Ok(Read::Refused),
    };
    let expected = content(body, signed);
    for pieces in [vec![body], body.chunks(1).collect(), body.chunks(7).collect(), uneven(body)] {
        let count = pieces.len();
        match (reframed(&pieces, signed), &expected) {
            (Ok(out), Ok(expected)) => {
                ensure!(!signed || out == body, "signed chunks are changed, from {count} pieces");
                let found = content(&out, signed);
                ensure!(found.as_ref() == Ok(expected), "{expected:?} becomes {found:?}, from {count} pieces");
            }
            (Err(code), Err(expected)) => {
                ensure!(code == *expected, "refused as {code:?}, not {expected:?}, from {count} pieces");
            }
            (found, _) => return Err(format!("{found:?}, not {expected:?}, from {count} pieces")),
        }
    }
    Ok(if expected.is_ok() { Read::Taken } else { Read::Refused })
}

/// Pieces whose length the bytes themselves say.
fn uneven(body: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    while let Some(first) = rest.first() {
        let length = usize::from(*first % 13).clamp(1, rest.len());
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// What `s3s` would see of a body that arrives in these pieces.
fn reframed(pieces: &[&[u8]], signed: bool) -> Result<Vec<u8>, Code> {
    let kind = match signed {
        true => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        false => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    };
    let headers =
        HeaderMap::from_iter([(http::HeaderName::from_static("x-amz-content-sha256"), HeaderValue::from_static(kind))]);
    let frames: Vec<Result<Frame<Bytes>, BoxError>> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = RawBody::new(StreamBody::new(stream::iter(frames)).boxed_unsync(), &headers);
    match futures::executor::block_on(body.clone().collect()) {
        Ok(whole) => Ok(whole.to_bytes().to_vec()),
        Err(_) => Err(body.take_error().map_or(Code::InternalError, |error| error.code())),
    }
}

/// The same, by a reader that has the whole body (AWS, *Signature calculations: transferring payload in multiple chunks*).
fn content(mut rest: &[u8], signed: bool) -> Result<Content, Code> {
    let mut data = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        if end.unwrap_or(rest.len()) > LONGEST_LINE {
            return Err(Code::InvalidRequest);
        }
        let (line, behind) = end.and_then(|end| rest.split_at_checked(end)).ok_or(Code::IncompleteBody)?;
        let size = size(line).filter(|size| !signed || *size <= LARGEST_SIGNED).ok_or(Code::InvalidRequest)?;
        if size == 0 {
            return Ok((data, behind.to_vec()));
        }
        let size = usize::try_from(size).map_err(|_| Code::IncompleteBody)?;
        let (chunk, behind) = behind.split_at_checked(size).ok_or(Code::IncompleteBody)?;
        data.extend_from_slice(chunk);
        rest = match behind {
            [b'\r', b'\n', behind @ ..] => behind,
            [] | [b'\r'] => return Err(Code::IncompleteBody),
            _ => return Err(Code::InvalidRequest),
        };
    }
}

fn size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let digits = line.split_once(';').map_or(line, |(digits, _)| digits);
    let mut size = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits.chars() {
        size = size.checked_mul(16)?.checked_add(u64::from(digit.to_digit(16)?))?;
    }
    (size <= u64::from(u32::MAX)).then_some(size)
}
