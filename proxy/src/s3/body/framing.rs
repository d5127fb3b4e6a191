//! The frames of an `aws-chunked` body, watched and cut small before `s3s` decodes them.
//!
//! `s3s` keeps each chunk in memory until it has it all, takes any size for one, and takes a stream that stops between
//! two chunks for a whole one. Here a signed chunk has an upper bound, an unsigned one is cut into as many as it takes
//! frames to arrive (nothing signs its length), and a stream without its last chunk is an error.
//! What does not live here: chunk signatures and trailers, which `s3s` checks.

use bytes::{Bytes, BytesMut};

use crate::error::{Code, Error, Result};

/// The largest signed chunk: it is held in memory until its signature is checked. SDKs send 64 KiB to 1 MiB.
const MAX_SIGNED_CHUNK: u64 = 4 * 1024 * 1024;
/// The longest line before a chunk: 16 digits and a signature are 105 bytes.
const MAX_HEADER: usize = 1024;

/// Where in the frames a body is.
#[derive(Debug)]
enum State {
    /// In the line before a chunk.
    Header(BytesMut),
    /// In a chunk: bytes left.
    Data(u64),
    /// In the line end behind a chunk: how much of it has passed.
    DataEnd(usize),
    /// Behind the last chunk.
    Trailers,
}

/// Watches one body's frames.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    signed: bool,
}

impl Framing {
    /// For a body whose chunks are signed, or not.
    pub(super) fn new(signed: bool) -> Self {
        Self { state: State::Header(BytesMut::new()), signed }
    }

    /// Takes bytes as they come and appends what `s3s` should see to `out`.
    pub(super) fn feed(&mut self, mut input: Bytes, out: &mut BytesMut) -> Result<()> {
        while !input.is_empty() {
            match &mut self.state {
                State::Header(line) => {
                    let end = input.iter().position(|byte| *byte == b'\n').map_or(input.len(), |at| at + 1);
                    line.extend_from_slice(&input.split_to(end));
                    if line.len() > MAX_HEADER {
                        return Err(malformed());
                    }
                    if line.ends_with(b"\n") {
                        let line = std::mem::take(line);
                        self.state = self.begin_chunk(&line, out)?;
                    }
                }
                State::Data(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let piece = input.split_to(take);
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        self.state = State::DataEnd(0);
                    }
                    self.pass(&piece, out);
                }
                State::DataEnd(passed) => {
                    let expected = if *passed == 0 { b'\r' } else { b'\n' };
                    if input.split_to(1).first() != Some(&expected) {
                        return Err(malformed());
                    }
                    *passed += 1;
                    if *passed == 2 {
                        self.state = State::Header(BytesMut::new());
                        if self.signed {
                            out.extend_from_slice(b"\r\n");
                        }
                    }
                }
                State::Trailers => out.extend_from_slice(&std::mem::take(&mut input)),
            }
        }
        Ok(())
    }

    /// Must be called when the body has ended.
    pub(super) fn end(&self) -> Result<()> {
        match self.state {
            State::Trailers => Ok(()),
            _ => Err(Error::new(Code::IncompleteBody, "The body ended before its last chunk.")),
        }
    }

    fn begin_chunk(&self, line: &[u8], out: &mut BytesMut) -> Result<State> {
        let size = chunk_size(line).ok_or_else(malformed)?;
        if self.signed && size > MAX_SIGNED_CHUNK {
            return Err(Error::new(Code::InvalidRequest, "A signed chunk may have 4 MiB at the most."));
        }
        if self.signed || size == 0 {
            out.extend_from_slice(line);
        }
        Ok(if size == 0 { State::Trailers } else { State::Data(size) })
    }

    fn pass(&self, piece: &[u8], out: &mut BytesMut) {
        if self.signed {
            out.extend_from_slice(piece);
            return;
        }
        out.reserve(piece.len() + 20);
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

/// The size in `<hex>[;extension]\r\n`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let digits = line.split(';').next()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // A u32 is all that `s3s` reads, and more than any upload may have.
    u32::from_str_radix(digits, 16).ok().map(u64::from)
}

fn malformed() -> Error {
    Error::new(Code::InvalidRequest, "The aws-chunked body is malformed.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reframed(signed: bool, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let mut framing = Framing::new(signed);
        let mut out = BytesMut::new();
        for piece in pieces {
            framing.feed(Bytes::copy_from_slice(piece), &mut out)?;
        }
        framing.end()?;
        Ok(out.to_vec())
    }

    /// Chunks and what stands behind the last of them.
    fn decoded(mut body: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut data = Vec::new();
        loop {
            let end = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let size = chunk_size(&body[..end]).unwrap() as usize;
            body = &body[end..];
            if size == 0 {
                return (data, body.to_vec());
            }
            data.extend_from_slice(&body[..size]);
            assert_eq!(&body[size..size + 2], b"\r\n");
            body = &body[size + 2..];
        }
    }

    #[test]
    fn signed_chunks_pass_unchanged() {
        let body = b"3;chunk-signature=ab\r\nabc\r\n0;chunk-signature=cd\r\n\r\n";
        assert_eq!(reframed(true, &[body]).unwrap(), body);
    }

    #[test]
    fn an_unsigned_chunk_is_cut_as_it_arrives() {
        let out = reframed(false, &[b"6\r\nab", b"cd", b"ef\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
        );
    }

    #[test]
    fn a_body_without_its_last_chunk_is_incomplete() {
        for body in [&b"3\r\nabc\r\n"[..], b"", b"3\r\nab", b"3\r\nabc", b"3", b"0\r"] {
            assert_eq!(reframed(false, &[body]).unwrap_err().code(), Code::IncompleteBody, "{body:?}");
        }
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        for body in [
            &b"FFFFFFFFFFFFFFFF\r\n"[..],
            b"xyz\r\n",
            b"-1\r\n",
            b"+3\r\nabc\r\n",
            b"\r\n",
            b"3\nabc\n",
            b"3\r\nabcd\r\n",
        ] {
            assert_eq!(reframed(false, &[body]).unwrap_err().code(), Code::InvalidRequest, "{body:?}");
        }
        let huge = format!("{:x};chunk-signature=ab\r\n", MAX_SIGNED_CHUNK + 1);
        assert_eq!(reframed(true, &[huge.as_bytes()]).unwrap_err().code(), Code::InvalidRequest);
        assert_eq!(reframed(true, &[&[b'1'; 2000]]).unwrap_err().code(), Code::InvalidRequest);
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_the_same_bytes_come_out(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..5),
            cuts in proptest::collection::vec(1_usize..20, 1..100),
            signed: bool,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\ntrailer:x\r\n\r\n");
            let mut pieces = Vec::new();
            let mut rest = &body[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            let out = reframed(signed, &pieces).unwrap();
            prop_assert_eq!(decoded(&out), (chunks.concat(), b"trailer:x\r\n\r\n".to_vec()));
        }

        #[test]
        fn no_bytes_make_the_framing_panic(body: Vec<u8>, signed: bool) {
            let _ = reframed(signed, &[&body]);
        }
    }
}
