//! Headers that an object keeps: the standard ones, user metadata, checksums.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::dto;
use time::OffsetDateTime;

use super::checksum::Algorithm;
use super::conditions;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{Checksums, Headers, Metadata, Object, ObjectHead};

/// All names and values of user metadata together (AWS, *Working with object metadata*).
const MAX_METADATA_BYTES: usize = 2048;

/// What a read says where the writer said nothing.
pub(super) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The digest of an object's OCI manifest.
const OCI_DIGEST: HeaderName = HeaderName::from_static("x-zas-oci-digest");

/// User metadata that says what kind of artifact an object is.
const ARTIFACT_TYPE: &str = "zas-artifact-type";

/// The headers that are kept.
const KEPT: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CACHE_CONTROL,
    header::EXPIRES,
];

/// The standard headers of a write, as the client sent them; `aws-chunked` is taken off `Content-Encoding`, for it is
/// about the transfer.
///
/// # Errors
/// `InvalidArgument` for a value that is no UTF-8.
pub(super) fn kept(headers: &HeaderMap) -> Result<Headers> {
    let mut out = Headers::new();
    for name in KEPT {
        let Some(value) = headers.get(&name) else { continue };
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Error::new(Code::InvalidArgument, format!("The value of the header {name} is no UTF-8.")))?;
        let value = if name == header::CONTENT_ENCODING { without_aws_chunked(value) } else { value.to_owned() };
        if !value.is_empty() {
            out.insert(name.as_str().to_owned(), value);
        }
    }
    Ok(out)
}

fn without_aws_chunked(value: &str) -> String {
    let codings = value.split(',').filter(|coding| !coding.trim().eq_ignore_ascii_case("aws-chunked"));
    codings.collect::<Vec<_>>().join(",").trim().to_owned()
}

/// User metadata of a write.
///
/// # Errors
/// `MetadataTooLarge`; `InvalidArgument` for a value that cannot be given back as a header, or a type of artifact that is no
/// media type.
pub(super) fn metadata(given: Option<dto::Metadata>) -> Result<Metadata> {
    let metadata: Metadata = given.unwrap_or_default().into_iter().collect();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(Error::from(Code::MetadataTooLarge).with("Size", bytes).with("MaxSizeAllowed", MAX_METADATA_BYTES));
    }
    // An encoded word (RFC 2047) can hold what no header can.
    if metadata.values().any(|value| value.contains(char::is_control)) {
        return Err(Error::new(Code::InvalidArgument, "A metadata value has a control character."));
    }
    if metadata.get(ARTIFACT_TYPE).is_some_and(|value| !is_media_type(value)) {
        let text = "The value of x-amz-meta-zas-artifact-type is no media type, such as application/vnd.example.model.";
        return Err(Error::new(Code::InvalidArgument, text));
    }
    Ok(metadata)
}

/// What a read says besides what S3 has fields for: `Expires` as it was written, for it need not be a date, and the digest of the
/// object's OCI manifest.
pub(super) fn beyond(object: &Object) -> HeaderMap {
    let mut headers = oci_digest(object.oci_digest.as_ref());
    if let Some(value) = object.head.headers.get("expires").and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(header::EXPIRES, value);
    }
    headers
}

/// Sets what a read is asked to say in place of the object's own headers.
///
/// # Errors
/// `InvalidRequest` for a text that no header can carry.
pub(super) fn override_with(
    headers: &mut HeaderMap,
    texts: [(HeaderName, Option<&str>); 5],
    expires: Option<&dto::Timestamp>,
) -> Result<()> {
    let expires = expires.map(|at| conditions::http_date(OffsetDateTime::from(at.clone())));
    for (name, value) in texts.into_iter().chain([(header::EXPIRES, expires.as_deref())]) {
        let Some(value) = value else { continue };
        let invalid =
            |_| Error::new(Code::InvalidRequest, format!("The value of response-{name} cannot be that of a header."));
        let value = HeaderValue::from_str(value).map_err(invalid)?;
        headers.insert(name, value);
    }
    Ok(())
}

/// The digest of an object's OCI manifest, where it is known; objects that came in parts have it somewhat later.
pub(super) fn oci_digest(digest: Option<&Digest>) -> HeaderMap {
    let value = digest.and_then(|digest| HeaderValue::try_from(digest.to_string()).ok());
    value.map(|value| (OCI_DIGEST, value)).into_iter().collect()
}

/// `type/subtype`, each a restricted name (RFC 6838, section 4.2); parameters are no part of it.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(top, sub)| is_name(top) && is_name(sub))
}

/// A strong ETag.
pub(super) fn etag(value: &str) -> dto::ETag {
    dto::ETag::Strong(value.to_owned())
}

/// A time as S3 documents write it.
pub(super) fn timestamp(at: OffsetDateTime) -> dto::Timestamp {
    dto::Timestamp::from(at)
}

/// Sets the five checksum fields that many answers share.
macro_rules! with_checksums {
    ($output:expr, $checksums:expr) => {{
        let (mut output, checksums) = ($output, $checksums);
        output.checksum_crc32 = checksums.get("crc32").cloned();
        output.checksum_crc32c = checksums.get("crc32c").cloned();
        output.checksum_crc64nvme = checksums.get("crc64nvme").cloned();
        output.checksum_sha1 = checksums.get("sha1").cloned();
        output.checksum_sha256 = checksums.get("sha256").cloned();
        output
    }};
}

/// What GetObject and HeadObject say about an object, but for the range and the body.
macro_rules! describe {
    ($output:ident, $head:expr) => {{
        let head: &$crate::index::ObjectHead = $head;
        let kept = |name: &str| head.headers.get(name).cloned();
        s3s::dto::$output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: kept("cache-control"),
            content_disposition: kept("content-disposition"),
            content_encoding: kept("content-encoding"),
            content_language: kept("content-language"),
            content_type: kept("content-type").or_else(|| Some($crate::s3::headers::DEFAULT_CONTENT_TYPE.to_owned())),
            e_tag: Some($crate::s3::headers::etag(&head.etag)),
            last_modified: Some($crate::s3::headers::timestamp(head.last_modified)),
            metadata: Some(head.metadata.clone().into_iter().collect()),
            ..Default::default()
        }
    }};
}

/// Sets the headers that GetObject and HeadObject are asked to say in place of the object's own (`response-content-type` and its
/// kind). For GetObject `s3s` sets them too, but behind them come the headers that are set here.
macro_rules! override_headers {
    ($headers:expr, $input:expr) => {{
        let (headers, input) = ($headers, $input);
        let texts = [
            (http::header::CACHE_CONTROL, input.response_cache_control.as_deref()),
            (http::header::CONTENT_DISPOSITION, input.response_content_disposition.as_deref()),
            (http::header::CONTENT_ENCODING, input.response_content_encoding.as_deref()),
            (http::header::CONTENT_LANGUAGE, input.response_content_language.as_deref()),
            (http::header::CONTENT_TYPE, input.response_content_type.as_deref()),
        ];
        $crate::s3::headers::override_with(headers, texts, input.response_expires.as_ref())
    }};
}

pub(super) use {describe, override_headers, with_checksums};

/// The name of the checksum's type, where the object has a checksum.
pub(super) fn checksum_type(head: &ObjectHead) -> Option<dto::ChecksumType> {
    let name = head.checksum_type.map_or("FULL_OBJECT", |kind| kind.as_str());
    (!head.checksums.is_empty()).then(|| dto::ChecksumType::from_static(name))
}

/// The algorithms that an object has checksums of.
pub(super) fn algorithms(checksums: &Checksums) -> Vec<dto::ChecksumAlgorithm> {
    let known = Algorithm::ALL.into_iter().filter(|algorithm| checksums.contains_key(algorithm.key()));
    known.map(|algorithm| dto::ChecksumAlgorithm::from_static(algorithm.name())).collect()
}

/// Whoever owns something.
pub(super) fn owner(name: &str) -> dto::Owner {
    dto::Owner { display_name: Some(name.to_owned()), id: Some(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_headers_are_kept_as_they_were_sent() {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, "text/plain; charset=UTF-8".parse().unwrap()),
            (header::EXPIRES, "next week".parse().unwrap()),
            (header::CONTENT_ENCODING, "gzip, aws-chunked".parse().unwrap()),
            (header::USER_AGENT, "x".parse().unwrap()),
        ]);
        let kept = kept(&headers).unwrap();
        assert_eq!(kept.len(), 3);
        assert_eq!(kept["content-type"], "text/plain; charset=UTF-8");
        assert_eq!(kept["expires"], "next week");
        assert_eq!(kept["content-encoding"], "gzip");
    }

    #[test]
    fn what_a_read_is_asked_to_say_replaces_what_the_object_says() {
        let mut headers = HeaderMap::from_iter([(header::EXPIRES, "next week".parse().unwrap())]);
        let at = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let input = dto::HeadObjectInput {
            response_content_type: Some("text/x".into()),
            response_expires: Some(timestamp(at)),
            ..Default::default()
        };
        super::override_headers!(&mut headers, &input).unwrap();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["content-type"], "text/x");
        assert_eq!(headers["expires"], "Tue, 14 Nov 2023 22:13:20 GMT");
        let input = dto::HeadObjectInput { response_content_type: Some("a\nb".into()), ..Default::default() };
        assert_eq!(super::override_headers!(&mut headers, &input).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn aws_chunked_alone_is_no_encoding() {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, "aws-chunked".parse().unwrap())]);
        assert!(kept(&headers).unwrap().is_empty());
    }

    #[test]
    fn what_is_left_of_an_encoding_is_written_as_it_was_sent() {
        for (sent, kept) in [
            ("deflate, gzip", "deflate, gzip"),
            ("deflate, gzip,aws-chunked", "deflate, gzip"),
            ("aws-chunked, gzip", "gzip"),
            ("aws-chunked, AWS-Chunked", ""),
        ] {
            assert_eq!(without_aws_chunked(sent), kept, "{sent}");
        }
    }

    #[test]
    fn metadata_is_counted_with_its_names() {
        let of = |bytes: usize| Some(dto::Metadata::from([("abcd".to_owned(), "x".repeat(bytes))]));
        assert!(metadata(of(2044)).is_ok());
        assert_eq!(metadata(of(2045)).unwrap_err().code(), Code::MetadataTooLarge);
        assert!(metadata(None).unwrap().is_empty());
    }

    #[test]
    fn an_artifact_type_is_a_media_type_or_refused() {
        let of =
            |value: &str| metadata(Some(dto::Metadata::from([("zas-artifact-type".to_owned(), value.to_owned())])));
        for value in ["application/vnd.example.model", "application/spdx+json", "x/y", "Application/X"] {
            assert!(of(value).is_ok(), "{value}");
        }
        for value in
            ["", "model", "/", "a/", "/b", "a/b/c", "a/b; c=d", "a b/c", ".a/b", &format!("a/{}", "b".repeat(128))]
        {
            assert_eq!(of(value).unwrap_err().code(), Code::InvalidArgument, "{value}");
        }
    }

    #[test]
    fn metadata_that_no_header_can_carry_is_refused() {
        let given = dto::Metadata::from([("a".to_owned(), "x\r\ny".to_owned())]);
        assert_eq!(metadata(Some(given)).unwrap_err().code(), Code::InvalidArgument);
        let given = dto::Metadata::from([("a".to_owned(), "grün".to_owned())]);
        assert_eq!(metadata(Some(given)).unwrap()["a"], "grün");
    }
}
