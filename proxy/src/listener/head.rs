//! Reads the head of an HTTP/1 request: with a deadline for the whole of it, a size, and patience before its first byte.
//!
//! pingora limits single reads only, so one byte a minute would hold a connection for ever. It gets the bytes that were
//! read here and parses them; what they mean is not decided here.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Room for the usual head; a larger one grows it.
const INITIAL_BYTES: usize = 4096;

/// How long and how large a head may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    /// Before the first byte.
    pub(super) idle: Duration,
    /// From the first byte to the last.
    pub(super) complete: Duration,
    /// The request line and all fields.
    pub(super) bytes: usize,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Head {
    /// A head of `length` bytes, its empty line included, and what came with it.
    Complete { bytes: BytesMut, length: usize },
    /// Nothing: the client left, was idle for too long, or we are about to end.
    Nothing,
    /// Too many bytes without an end.
    TooLarge,
    /// Too long without an end.
    TooSlow,
    /// Something that no request begins with, such as the first bytes of TLS.
    NotHttp,
}

/// Reads one head. While nothing has come, `draining` ends the wait.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    limits: HeadLimits,
    draining: &CancellationToken,
) -> Head {
    let mut bytes = BytesMut::with_capacity(INITIAL_BYTES);
    let first = tokio::select! {
        // Bytes that are here already are a request in flight.
        biased;
        read = timeout(limits.idle, stream.read_buf(&mut bytes)) => read,
        () = draining.cancelled() => return Head::Nothing,
    };
    if !matches!(first, Ok(Ok(read)) if read > 0) {
        return Head::Nothing;
    }
    let deadline = Instant::now() + limits.complete;
    let mut scanned = 0;
    loop {
        // RFC 9112, 2.2: an empty line before the request line is skipped.
        while scanned == 0 && bytes.starts_with(b"\r\n") {
            bytes.advance(2);
        }
        // Clients that try TLS first are told at once, so that they can try again without.
        if bytes.first().is_some_and(|first| !may_begin_a_method(*first)) {
            return Head::NotHttp;
        }
        if let Some(length) = end_of_head(&bytes, scanned) {
            return if length > limits.bytes { Head::TooLarge } else { Head::Complete { bytes, length } };
        }
        if bytes.len() > limits.bytes {
            return Head::TooLarge;
        }
        scanned = bytes.len().saturating_sub(2);
        match timeout_at(deadline, stream.read_buf(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return Head::Nothing,
            Err(_) => return Head::TooSlow,
        }
    }
}

/// Whether a request may begin so: with a character of a token (RFC 9110, section 5.6.2), or with an empty line on its way.
const fn may_begin_a_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'\r' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Where the head ends. Lines that end in a bare LF are seen as lines, so that they can be refused.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        let line_feed = at + rest.iter().position(|byte| *byte == b'\n')?;
        match (bytes.get(line_feed + 1), bytes.get(line_feed + 2)) {
            (Some(b'\n'), _) => return Some(line_feed + 2),
            (Some(b'\r'), Some(b'\n')) => return Some(line_feed + 3),
            _ => at = line_feed + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn limits() -> HeadLimits {
        HeadLimits { idle: Duration::from_secs(60), complete: Duration::from_secs(60), bytes: 64 }
    }

    async fn read_all(pieces: &[&[u8]]) -> Head {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let writer = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client
        });
        let head = read(&mut server, limits(), &CancellationToken::new()).await;
        drop(writer.await);
        head
    }

    #[tokio::test]
    async fn a_head_is_found_wherever_its_bytes_are_split() {
        let whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        for split in 1..whole.len() {
            let (left, right) = whole.split_at(split);
            let Head::Complete { length, .. } = read_all(&[left, right]).await else { panic!("split at {split}") };
            assert_eq!(length, whole.len() - 4, "split at {split}");
        }
    }

    #[tokio::test]
    async fn a_head_of_bare_line_feeds_has_an_end_too() {
        let Head::Complete { length, .. } = read_all(&[b"GET / HTTP/1.1\nHost: a\n\n"]).await else { panic!() };
        assert_eq!(length, 24);
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_too_large() {
        assert!(matches!(read_all(&[&[b'a'; 65]]).await, Head::TooLarge));
    }

    #[tokio::test]
    async fn what_no_request_begins_with_is_told_at_once() {
        for bytes in [&b"\x16\x03\x01\x02"[..], b"\0", b"{", b"\r\n\x16", b" GET / HTTP/1.1\r\n"] {
            let (mut client, mut server) = tokio::io::duplex(1024);
            client.write_all(bytes).await.unwrap();
            let head = read(&mut server, limits(), &CancellationToken::new()).await;
            assert!(matches!(head, Head::NotHttp), "{bytes:?}: {head:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_in_the_middle_of_a_head_said_nothing() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(b"GET / HT").await.unwrap();
        drop(client);
        assert!(matches!(read(&mut server, limits(), &CancellationToken::new()).await, Head::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn one_byte_a_second_does_not_extend_the_deadline() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let writer = tokio::spawn(async move {
            while client.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let began = Instant::now();
        assert!(matches!(read(&mut server, limits(), &CancellationToken::new()).await, Head::TooSlow));
        assert_eq!(began.elapsed().as_secs(), 60);
        writer.abort();
    }

    #[tokio::test]
    async fn draining_ends_an_idle_wait_but_not_a_head_that_is_here() {
        let token = CancellationToken::new();
        token.cancel();
        let (mut client, mut server) = tokio::io::duplex(1024);
        assert!(matches!(read(&mut server, limits(), &token).await, Head::Nothing));
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(matches!(read(&mut server, limits(), &token).await, Head::Complete { .. }));
    }
}
