//! Refuses requests that two HTTP implementations could read in two ways, before anything routes on them.
//!
//! [`check_head`] reads the raw bytes of an HTTP/1 head, because the parser behind it repairs some of what must be
//! refused (it drops a Content-Length beside a Transfer-Encoding, accepts bare line feeds and `5, 5`).
//! [`check_fields`] does what is left to do for HTTP/2, whose framing h2 has checked.

use http::{HeaderMap, header};

/// Header fields of one request at the most.
const FIELDS_MAX: usize = 200;

/// The offer of another protocol, and what comes with one of HTTP/2 (RFC 7540, 3.2.1).
const UPGRADE_FIELDS: [&str; 2] = ["upgrade", "http2-settings"];

/// Why a request is refused; a text that the client may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What has been seen of a head.
#[derive(Default)]
struct Seen<'a> {
    fields: usize,
    hosts: usize,
    host: &'a [u8],
    content_lengths: usize,
    transfer_encodings: usize,
    offers_upgrade: bool,
}

/// Checks the head of an HTTP/1 request, from its request line to its empty line. Whether it offers to go on in another
/// protocol, for [`without_upgrade`] to take away.
pub(super) fn check_head(head: &[u8]) -> Result<bool, Malformed> {
    let mut lines = Lines { rest: head };
    let line = lines.next().ok_or(Malformed("the request line is missing"))??;
    let (method, target, version_1_1) = request_line(line)?;
    let mut seen = Seen::default();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        field(line, version_1_1, &mut seen)?;
    }
    if seen.content_lengths > 0 && seen.transfer_encodings > 0 {
        return Err(Malformed("Content-Length and Transfer-Encoding exclude each other"));
    }
    match seen.hosts {
        0 if version_1_1 => return Err(Malformed("the Host header is missing")),
        0 | 1 => {}
        _ => return Err(Malformed("there is more than one Host header")),
    }
    check_target(method, target, seen.host)?;
    Ok(seen.offers_upgrade)
}

/// A head that was checked, without the offer to go on in another protocol. Who does not take it may ignore it (RFC 9110,
/// 7.8), and is sure to only where nobody behind can see it: neither pingora's parser nor the registry.
pub(super) fn without_upgrade(head: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !UPGRADE_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes())) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// Lines that end in CR LF; anything else that looks like a line's end is an error.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let (line, rest) = self.rest.split_at(end);
        let Some(rest) = rest.strip_prefix(b"\r\n") else {
            return Some(Err(Malformed("a line does not end in CR LF")));
        };
        self.rest = rest;
        Some(Ok(line))
    }
}

/// Method, target and whether the version is 1.1: three words with one space between them.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Malformed> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed("the request line is not a method, a target and a version"));
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(Malformed("the method is not a token"));
    }
    match version {
        b"HTTP/1.1" => Ok((method, target, true)),
        b"HTTP/1.0" => Ok((method, target, false)),
        _ => Err(Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")),
    }
}

fn field<'a>(line: &'a [u8], version_1_1: bool, seen: &mut Seen<'a>) -> Result<(), Malformed> {
    seen.fields += 1;
    if seen.fields > FIELDS_MAX {
        return Err(Malformed("there are too many header fields"));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed("a header field has no colon"))?;
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
    // This also refuses folded lines and a space before the colon.
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Malformed("a header field's name is not a token"));
    }
    if value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
        return Err(Malformed("a header field's value has control characters"));
    }
    if name.eq_ignore_ascii_case(b"host") {
        seen.hosts += 1;
        seen.host = value;
    } else if name.eq_ignore_ascii_case(b"content-length") {
        seen.content_lengths += 1;
        if seen.content_lengths > 1 || !is_length(value) {
            return Err(Malformed("Content-Length is not one number"));
        }
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        seen.transfer_encodings += 1;
        if seen.transfer_encodings > 1 || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed("the only Transfer-Encoding that is accepted is chunked"));
        }
        if !version_1_1 {
            return Err(Malformed("HTTP/1.0 has no Transfer-Encoding"));
        }
    } else if name.eq_ignore_ascii_case(b"upgrade") {
        seen.offers_upgrade = true;
    }
    Ok(())
}

fn check_target(method: &[u8], target: &[u8], host: &[u8]) -> Result<(), Malformed> {
    if method == b"CONNECT" {
        return Err(Malformed("CONNECT is not accepted"));
    }
    if target.iter().any(|byte| !matches!(byte, b'!'..=b'~') || *byte == b'#') {
        return Err(Malformed("the request target has characters that must be percent-encoded"));
    }
    if target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS") {
        return Ok(());
    }
    let rest = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"));
    let rest = rest.ok_or(Malformed("the request target is neither a path nor a URL"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    match rest.get(..end) {
        Some(authority) if !authority.is_empty() && authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Malformed("the request target and the Host header name different hosts")),
    }
}

/// Checks what is left to check of a parsed request.
pub(super) fn check_fields(headers: &HeaderMap) -> Result<(), Malformed> {
    if headers.len() > FIELDS_MAX {
        return Err(Malformed("there are too many header fields"));
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if is_length(one.as_bytes()) => Ok(()),
        _ => Err(Malformed("Content-Length is not one number")),
    }
}

/// Digits only, and few enough of them that nobody's integer overflows.
fn is_length(value: &[u8]) -> bool {
    (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str) -> Result<(), Malformed> {
        check_head(head.as_bytes()).map(drop)
    }

    #[test]
    fn ordinary_requests_pass() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "PUT /b/k?x=%20 HTTP/1.1\r\nhost:a\r\nContent-Length: 0\r\nX-Amz-Meta-Y: \u{fc}\t\"z\"\r\n\r\n",
            "PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a:80/b HTTP/1.1\r\nHost: a:80\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\n\r\n",
        ] {
            assert_eq!(check(head), Ok(()), "{head:?}");
        }
    }

    #[test]
    fn a_body_whose_length_can_be_read_in_two_ways_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: \u{b}chunked",
            "Transfer-Encoding:\r\n chunked",
            "X: 1\r\n folded",
            " Content-Length: 5",
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            assert!(check(&head).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn other_protocols_and_versions_are_refused() {
        for head in [
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
        ] {
            assert!(check(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn an_offer_of_another_protocol_is_found_and_taken_away() {
        let plain = b"PUT / HTTP/1.1\r\nHost: a\r\nX-Upgrade: 1\r\nContent-Length: 0\r\n\r\n";
        let offering = b"PUT / HTTP/1.1\r\nHost: a\r\nUPGRADE: h2c\r\nX-Upgrade: 1\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Length: 0\r\nupgrade: websocket\r\n\r\n";
        assert_eq!((check_head(plain), check_head(offering)), (Ok(false), Ok(true)));
        assert_eq!(without_upgrade(offering), plain);
    }

    #[test]
    fn ambiguous_lines_are_refused() {
        for head in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "",
        ] {
            assert!(check(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_target_that_names_another_host_is_refused() {
        for head in [
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(check(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn too_many_fields_are_refused() {
        let fields: String = (0..FIELDS_MAX).map(|n| format!("x-{n}: 1\r\n")).collect();
        assert!(check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).is_err());
    }

    #[test]
    fn parsed_fields_with_two_lengths_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_LENGTH, "5".parse().unwrap());
        assert_eq!(check_fields(&headers), Ok(()));
        headers.append(header::CONTENT_LENGTH, "5".parse().unwrap());
        assert!(check_fields(&headers).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(head: Vec<u8>) {
            let _ = check_head(&head);
        }
    }
}
