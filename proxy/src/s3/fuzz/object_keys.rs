//! Keys of objects. A seed is a key.

use percent_encoding::percent_decode_str;
use s3s::dto;
use s3s::path::{S3Path, parse_path_style};

use super::{Read, Verdict, xml_documents};
use crate::error::Code;
use crate::s3::listing::Encoding;
use crate::s3::names;

/// The longest key, in bytes.
const LONGEST: usize = 1024;

pub(super) fn check(input: &[u8]) -> Verdict {
    let Ok(key) = std::str::from_utf8(input) else { return Ok(Read::Refused) };
    if let Err(error) = names::check_key(key) {
        let expected = if key.len() > LONGEST { Code::KeyTooLong } else { Code::InvalidArgument };
        ensure!(error.code() == expected, "{key:?}: {:?}", error.code());
        return Ok(Read::Refused);
    }
    ensure!((1..=LONGEST).contains(&key.len()), "a key of {} bytes is taken", key.len());
    ensure!(!key.split('/').any(|segment| matches!(segment, "." | "..")), "{key:?} has a segment of dots");
    let path = parse_path_style(&format!("/bucket/{key}"));
    ensure!(path.is_ok_and(|path| path == S3Path::object("bucket", key)), "{key:?} is another key in a path");
    let listed = Encoding::Url.write(key);
    let read = percent_decode_str(&listed).decode_utf8();
    ensure!(read.is_ok_and(|read| read == key), "{key:?} is listed as {listed}");
    check_xml(key)?;
    Ok(Read::Taken)
}

/// An answer can carry the key.
fn check_xml(key: &str) -> Result<(), String> {
    let tag = dto::Tag { key: Some(key.to_owned()), value: Some(String::new()) };
    let document = xml_documents::write(&dto::Tagging { tag_set: vec![tag] })?;
    let read = xml_documents::read::<dto::Tagging>(&document).and_then(|tagging| tagging.tag_set.into_iter().next());
    ensure!(read.and_then(|tag| tag.key).as_deref() == Some(key), "{key:?} is another key in XML");
    Ok(())
}
