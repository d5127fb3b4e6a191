//! What the fields of a form ask for, as a PutObject would ask for it by its headers (AWS, "HTML form fields").
//!
//! What does not live here: whether that is allowed, and whether it is there at all (`unsupported`).

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto;
use s3s::xml::{Deserialize as _, Deserializer};

use super::form::Fields;
use crate::error::{Code, Error, Result};
use crate::s3::{names, tags};

/// Fields that are headers of the same name.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// Fields that are headers of another name.
const RENAMED: [(&str, &str); 2] = [("acl", "x-amz-acl"), ("x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm")];

/// What fields begin with that are headers of the same name.
const FAMILIES: [&str; 4] = ["x-amz-checksum-", "x-amz-server-side-encryption", "x-amz-object-lock-", "x-amz-grant-"];

/// And such fields by name.
const OTHERS: [&str; 4] =
    ["x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-expected-bucket-owner", "x-amz-request-payer"];

/// Fields of the signature.
const OF_SIGNATURE: [&str; 5] =
    ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

const METADATA: &str = "x-amz-meta-";

/// The object that a form asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: String,
    /// What PutObject would be sent.
    pub(super) headers: HeaderMap,
    pub(super) metadata: dto::Metadata,
}

impl Wanted {
    /// By the fields, which have their final values.
    ///
    /// # Errors
    /// `UserKeyMustBeSpecified`, and what keys are refused with; `InvalidArgument` for a value that no header can have; `MalformedXML`,
    /// `InvalidTag` for tags; `NotImplemented` for a field of S3's that has no meaning here.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let key = fields.get("key").ok_or(Code::UserKeyMustBeSpecified)?.to_owned();
        names::check_key(&key)?;
        let mut wanted = Self { key, headers: HeaderMap::new(), metadata: dto::Metadata::new() };
        for (name, value) in fields.iter() {
            wanted.take(name, value)?;
        }
        Ok(wanted)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(name_of_metadata) = name.strip_prefix(METADATA) {
            // It must be one when the object is read.
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(name))?;
            self.metadata.insert(name_of_metadata.to_owned(), value.to_owned());
            return Ok(());
        }
        if name == "tagging" {
            return self.put("x-amz-tagging", &tagging(value)?);
        }
        let renamed = RENAMED.iter().find(|(own, _)| *own == name).map(|(_, header)| *header);
        let is_header =
            HEADERS.contains(&name) || OTHERS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family));
        match renamed {
            Some(header) => self.put(header, value),
            None if is_header => self.put(name, value),
            None if OF_SIGNATURE.contains(&name) => Ok(()),
            None if name.starts_with("x-amz-") || name.starts_with("x-zas-") => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let text = format!("A form field you provided implies functionality that is not implemented: {name}.");
                Err(Error::new(Code::NotImplemented, text))
            }
            // Pages have fields of their own.
            None => Ok(()),
        }
    }

    fn put(&mut self, name: &str, value: &str) -> Result<()> {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(name))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| no_header(name))?;
        self.headers.insert(header, value);
        Ok(())
    }
}

/// The tags of a document, as `x-amz-tagging` has them.
fn tagging(document: &str) -> Result<String> {
    let mut reader = Deserializer::new(document.as_bytes());
    let read = dto::Tagging::deserialize(&mut reader).and_then(|tagging| reader.expect_eof().map(|()| tagging));
    let tagging = read.map_err(|error| Error::from(Code::MalformedXml).source(error))?;
    let tags = tags::of_document(tagging)?;
    Ok(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(tags).finish())
}

fn no_header(name: &str) -> Error {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Error::new(Code::InvalidArgument, format!("The value of the form field {name} cannot be that of a header."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fields: &[(&str, &str)]) -> Result<Wanted> {
        Wanted::of(&Fields::of(&[&[("key", "k")][..], fields].concat()))
    }

    #[test]
    fn fields_are_the_headers_of_a_put() {
        let wanted = wanted(&[
            ("content-type", "text/plain; charset=UTF-8"),
            ("acl", "private"),
            ("x-amz-meta-a", "grün"),
            ("x-amz-checksum-crc32", "jNwNgQ=="),
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-storage-class", "STANDARD"),
            ("tagging", "<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag></TagSet></Tagging>"),
            ("x-amz-signature", "00"),
            ("x-ignore-this", "x"),
            ("utf8", "yes"),
        ]);
        let Wanted { key, headers, metadata } = wanted.unwrap();
        assert_eq!((key.as_str(), metadata["a"].as_str()), ("k", "grün"));
        for (name, value) in [
            ("content-type", "text/plain; charset=UTF-8"),
            ("x-amz-acl", "private"),
            ("x-amz-checksum-crc32", "jNwNgQ=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-tagging", "a+b=c%2Bd"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn fields_that_cannot_be_read_are_refused() {
        for (name, value, code) in [
            ("content-type", "a\r\nb", Code::InvalidArgument),
            ("x-amz-meta-a b", "x", Code::InvalidArgument),
            ("tagging", "a=b", Code::MalformedXml),
            ("tagging", "<Tagging/><Tagging/>", Code::MalformedXml),
            ("x-amz-copy-source", "/b/k", Code::NotImplemented),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", Code::NotImplemented),
            ("x-amz-trailer", "x-amz-checksum-crc32", Code::NotImplemented),
            ("x-amz-tagging", "a=b", Code::NotImplemented),
            ("x-zas-force-delete", "true", Code::NotImplemented),
        ] {
            assert_eq!(wanted(&[(name, value)]).unwrap_err().code(), code, "{name}");
        }
    }

    #[test]
    fn a_form_needs_a_key_that_can_be_one() {
        let refused = |fields: &[(&str, &str)]| Wanted::of(&Fields::of(fields)).unwrap_err().code();
        assert_eq!(refused(&[]), Code::UserKeyMustBeSpecified);
        assert_eq!(refused(&[("key", "a/../b")]), Code::InvalidArgument);
        assert_eq!(refused(&[("key", "")]), Code::InvalidArgument);
    }
}
