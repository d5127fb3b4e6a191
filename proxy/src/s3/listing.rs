//! What the listings share: tokens, page sizes, the encoding of names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto;

use super::{headers, names};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::index::{ListEntry, ListPage, ListRequest, ObjectHead};

/// The largest page, and the one that is given where none is asked for.
const MAX_PAGE: i32 = 1_000;

/// What `encoding-type=url` leaves as it is: RFC 3986's unreserved characters and the slash.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The longest token that is looked at: the check and a key of 1,024 bytes, in base64.
const MAX_TOKEN: usize = (4 + 1_024_usize).div_ceil(3) * 4;

/// A continuation token: the name to go on behind, tied to the listing it came from.
pub(super) struct Token;

impl Token {
    /// A token that only a listing with the same `context` takes.
    pub(super) fn encode(after: &str, context: &[&str]) -> String {
        let mut bytes = check(after, context).to_vec();
        bytes.extend_from_slice(after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The name to go on behind.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not of this listing.
    pub(super) fn decode(token: &str, context: &[&str]) -> Result<String> {
        let bytes =
            Some(token).filter(|token| token.len() <= MAX_TOKEN).and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let after = bytes.as_deref().and_then(|bytes| {
            let (found, after) = bytes.split_first_chunk::<4>()?;
            let after = std::str::from_utf8(after).ok()?;
            (*found == check(after, context)).then(|| after.to_owned())
        });
        after.ok_or_else(|| Error::new(Code::InvalidArgument, "The continuation token provided is incorrect."))
    }
}

/// Not a secret: it finds tokens that were cut, or carried from one listing to another.
fn check(after: &str, context: &[&str]) -> [u8; 4] {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    for part in context.iter().chain(&[after]) {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let [.., a, b, c, d] = digest.finalize().to_be_bytes();
    [a, b, c, d]
}

/// Reads a page size; larger than the largest counts as the largest, as in S3.
///
/// # Errors
/// `InvalidArgument` below 0, naming `parameter`.
pub(super) fn page_size(parameter: &'static str, asked: Option<i32>) -> Result<u32> {
    let asked = asked.unwrap_or(MAX_PAGE).min(MAX_PAGE);
    u32::try_from(asked).map_err(|_| {
        Error::new(Code::InvalidArgument, format!("Argument {parameter} must be an integer between 0 and 2147483647."))
    })
}

/// Reads a delimiter; an empty one is none, and is not repeated in the answer.
pub(super) fn delimiter(asked: Option<&str>) -> Option<&str> {
    asked.filter(|delimiter| !delimiter.is_empty())
}

/// Reads the number of the part that a page comes behind.
///
/// # Errors
/// `InvalidArgument` below 0.
pub(super) fn part_number_marker(asked: Option<i32>) -> Result<i32> {
    let marker = asked.unwrap_or(0);
    if marker >= 0 {
        return Ok(marker);
    }
    Err(Error::new(Code::InvalidArgument, "Argument part-number-marker must be an integer between 0 and 2147483647."))
}

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    /// Reads `encoding-type`.
    ///
    /// # Errors
    /// `InvalidArgument` for any but `url`.
    pub(super) fn of(asked: Option<&dto::EncodingType>) -> Result<Self> {
        match asked.map(dto::EncodingType::as_str) {
            None | Some("") => Ok(Self::Plain),
            Some(dto::EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(Error::new(Code::InvalidArgument, "Invalid Encoding Method specified in Request.")),
        }
    }

    /// Writes a name.
    pub(super) fn write(self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Url => utf8_percent_encode(name, URL).to_string(),
        }
    }

    /// Writes a parameter that an answer repeats.
    ///
    /// # Errors
    /// `InvalidArgument` where XML cannot carry it and it is not encoded.
    pub(super) fn repeat(self, what: &'static str, text: Option<&str>) -> Result<Option<String>> {
        let Some(text) = text else { return Ok(None) };
        if self == Self::Plain {
            names::check_text(what, text)?;
        } else if text.contains('\0') {
            return Err(Error::new(Code::InvalidArgument, format!("The {what} has a NUL.")));
        }
        Ok(Some(self.write(text)))
    }

    /// What the answer says about it.
    pub(super) fn name(self) -> Option<dto::EncodingType> {
        (self == Self::Url).then(|| dto::EncodingType::from_static(dto::EncodingType::URL))
    }
}

/// What both versions of ListObjects ask for.
pub(super) struct Asked<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) after: &'a str,
    pub(super) limit: u32,
    pub(super) encoding: Encoding,
    pub(super) owners: bool,
}

/// What both versions of ListObjects answer.
pub(super) struct Page {
    pub(super) contents: Vec<dto::Object>,
    pub(super) prefixes: Vec<dto::CommonPrefix>,
    /// The last entry's name, as it is, where there are more entries behind it.
    pub(super) next: Option<String>,
}

impl Page {
    /// Objects and prefixes together.
    pub(super) fn key_count(&self) -> i32 {
        i32::try_from(self.contents.len() + self.prefixes.len()).unwrap_or(i32::MAX)
    }
}

/// Asks the index.
pub(super) async fn list(app: &App, asked: &Asked<'_>) -> Result<Page> {
    let request = ListRequest {
        bucket: asked.bucket,
        prefix: asked.prefix,
        delimiter: asked.delimiter,
        after: asked.after,
        limit: asked.limit,
    };
    let ListPage { entries, truncated } = app.index.list_objects(request).await?;
    let next = entries.last().filter(|_| truncated).map(|entry| entry.name().to_owned());
    let mut page = Page { contents: Vec::new(), prefixes: Vec::new(), next };
    for entry in entries {
        match entry {
            ListEntry::Object(head) => page.contents.push(object(&head, asked)),
            ListEntry::Prefix(prefix) => {
                page.prefixes.push(dto::CommonPrefix { prefix: Some(asked.encoding.write(&prefix)) });
            }
        }
    }
    Ok(page)
}

fn object(head: &ObjectHead, asked: &Asked<'_>) -> dto::Object {
    let algorithms = headers::algorithms(&head.checksums);
    dto::Object {
        checksum_type: headers::checksum_type(head),
        checksum_algorithm: (!algorithms.is_empty()).then_some(algorithms),
        e_tag: Some(headers::etag(&head.etag)),
        key: Some(asked.encoding.write(&head.key)),
        last_modified: Some(headers::timestamp(head.last_modified)),
        owner: asked.owners.then(|| headers::owner(&head.owner)),
        restore_status: None,
        size: i64::try_from(head.size).ok(),
        storage_class: Some(dto::ObjectStorageClass::from(head.storage_class.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let token = Token::encode("key", &["bucket", "a/"]);
        assert_eq!(Token::decode(&token, &["bucket", "a/"]).unwrap(), "key");
        for context in [&["bucket", "b/"], &["other", "a/"], &["bucketa", "/"]] {
            assert_eq!(Token::decode(&token, context).unwrap_err().code(), Code::InvalidArgument);
        }
        for token in ["", "x", "!!!!", "AAAAAA", &token[1..]] {
            assert_eq!(Token::decode(token, &["bucket", "a/"]).unwrap_err().code(), Code::InvalidArgument, "{token}");
        }
    }

    #[test]
    fn a_token_holds_the_longest_key_and_nothing_longer() {
        let (longest, longer) = ("k".repeat(1_024), "k".repeat(1_030));
        assert_eq!(Token::decode(&Token::encode(&longest, &[]), &[]).unwrap(), longest);
        assert_eq!(Token::decode(&Token::encode(&longer, &[]), &[]).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn page_sizes_are_cut_and_never_negative() {
        assert_eq!(page_size("max-keys", None).unwrap(), 1_000);
        assert_eq!(page_size("max-keys", Some(0)).unwrap(), 0);
        assert_eq!(page_size("max-keys", Some(5_000)).unwrap(), 1_000);
        assert_eq!(page_size("max-keys", Some(-1)).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn names_are_encoded_so_that_both_kinds_of_decoders_read_them() {
        assert_eq!(Encoding::Url.write("a b+c/ä%&<\n"), "a%20b%2Bc/%C3%A4%25%26%3C%0A");
        assert_eq!(Encoding::Plain.write("a b"), "a b");
    }

    #[test]
    fn a_parameter_that_xml_cannot_carry_needs_the_encoding() {
        assert_eq!(Encoding::Url.repeat("prefix", Some("\u{1}")).unwrap().as_deref(), Some("%01"));
        assert!(Encoding::Plain.repeat("prefix", Some("\u{1}")).is_err());
        assert!(Encoding::Url.repeat("prefix", Some("\0")).is_err());
    }

    proptest! {
        #[test]
        fn tokens_are_read_back(after in ".{0,200}", context in ".{0,20}") {
            let token = Token::encode(&after, &["b", &context]);
            prop_assert_eq!(Token::decode(&token, &["b", &context]).unwrap(), after);
        }

        #[test]
        fn no_text_makes_a_token_panic(token in ".{0,100}") {
            let _ = Token::decode(&token, &["b"]);
        }
    }
}
