//! The head of one part of a form: its name, and for a file the name that it had (RFC 7578; RFC 2046, section 5.1).

use crate::error::{Code, Error, Result};

/// Headers of one part; browsers send two.
const MAX_HEADERS: usize = 8;

/// What stands above a part's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The field's name, in lower case: S3 compares them so.
    pub(super) name: String,
    /// The name of the file at the client, without the folders that some browsers send along.
    pub(super) filename: Option<String>,
}

/// Reads a part's headers; none where they are not all there. With how many bytes they take, the empty line included.
///
/// # Errors
/// `MalformedPostRequest`.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Part, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (length, headers) = match httparse::parse_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed().source(error)),
    };
    let mut dispositions = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-disposition"));
    let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else { return Err(malformed()) };
    let text = std::str::from_utf8(disposition.value).map_err(|error| malformed().source(error))?;
    let (kind, parameters) = parameters(text).ok_or_else(malformed)?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err(malformed());
    }
    let one = |wanted: &str| {
        let mut found = parameters.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            _ => Err(malformed()),
        }
    };
    let name = one("name")?.ok_or_else(malformed)?.to_ascii_lowercase();
    let filename = one("filename")?.map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
    Ok(Some((Part { name, filename }, length)))
}

/// A header's value, and its parameters with names in lower case: `form-data; name="key"`.
///
/// A backslash stands for itself but before a quotation mark: browsers write a quotation mark as `%22`, and paths with backslashes.
pub(super) fn parameters(text: &str) -> Option<(&str, Vec<(String, String)>)> {
    let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some((value.trim(), found));
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => {
                unquote(quoted).filter(|(_, behind)| behind.is_empty() || behind.starts_with([';', ' ', '\t']))?
            }
            None => {
                let (plain, behind) = behind.split_once(';').unwrap_or((behind, ""));
                (plain.trim().to_owned(), behind)
            }
        };
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = behind;
    }
}

/// The text up to the next quotation mark, and what stands behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                characters.next();
                value.push('"');
            }
            c => value.push(c),
        }
    }
    None
}

/// The body is no form.
pub(super) fn malformed() -> Error {
    Code::MalformedPostRequest.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(disposition: &str) -> Result<Option<Part>> {
        let head = format!("Content-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n");
        Ok(read(head.as_bytes())?.map(|(part, length)| {
            assert_eq!(length, head.len());
            part
        }))
    }

    #[test]
    fn a_part_has_a_name_and_a_file_the_last_segment_of_its_path() {
        for (disposition, name, filename) in [
            ("form-data; name=\"key\"", "key", None),
            ("form-data; name=kEy", "key", None),
            ("form-data;NAME=\"X-Amz-Date\" ", "x-amz-date", None),
            ("form-data; name=\"file\"; filename=\"a b.txt\"", "file", Some("a b.txt")),
            ("form-data; name=\"file\"; filename=\"C:\\Program Files\\a;b.txt\"", "file", Some("a;b.txt")),
            ("form-data; name=\"file\"; filename=\"/tmp/日本.txt\"", "file", Some("日本.txt")),
            ("form-data; name=\"file\"; filename=\"a\\\"b\"", "file", Some("a\"b")),
            ("form-data; name=\"file\"; filename=\"\"", "file", Some("")),
        ] {
            let expected = Part { name: name.to_owned(), filename: filename.map(str::to_owned) };
            assert_eq!(of(disposition).unwrap(), Some(expected), "{disposition}");
        }
    }

    #[test]
    fn a_head_that_is_not_all_there_is_waited_for() {
        let head = b"Content-Disposition: form-data; name=\"key\"\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(read(&head[..length]).unwrap(), None, "{length}");
        }
    }

    #[test]
    fn parts_without_one_name_are_none() {
        for disposition in [
            "form-data",
            "attachment; name=\"key\"",
            "form-data; filename=\"x\"",
            "form-data; name=\"key",
            "form-data; name",
            "form-data; name=\"a\"; name=\"b\"",
        ] {
            assert_eq!(of(disposition).unwrap_err().code(), Code::MalformedPostRequest, "{disposition}");
        }
        let without = b"Content-Type: text/plain\r\n\r\n";
        assert_eq!(read(without).unwrap_err().code(), Code::MalformedPostRequest);
        let twice = b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n";
        assert_eq!(read(twice).unwrap_err().code(), Code::MalformedPostRequest);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
            let _ = read(&bytes);
            let _ = of(&text);
            let _ = parameters(&text);
        }
    }
}
