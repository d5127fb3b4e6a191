//! `x-amz-tagging`. A seed is the header's value.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto;
use url::form_urlencoded;

use super::{Read, Verdict};
use crate::bucket_configuration::Tag;
use crate::error::Code;
use crate::index::Tags;
use crate::s3::tags::{document, of_document, of_header};

pub(super) fn check(input: &[u8]) -> Verdict {
    let Ok(value) = HeaderValue::from_bytes(input) else { return Ok(Read::Refused) };
    match read(value) {
        Ok(tags) => {
            check_tags(&tags)?;
            let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&tags).finish();
            let again = HeaderValue::from_str(&written).ok().and_then(|value| read(value).ok());
            ensure!(again.as_ref() == Some(&tags), "{written} is read as {again:?}");
            Ok(Read::Taken)
        }
        Err(code) => {
            ensure!(matches!(code, Code::InvalidArgument | Code::InvalidTag), "refused as {code:?}");
            Ok(Read::Refused)
        }
    }
}

/// What holds for tags however they came; a document says the same.
pub(super) fn check_tags(tags: &Tags) -> Result<(), String> {
    ensure!(tags.len() <= 10, "{} tags are taken", tags.len());
    for (key, value) in tags {
        ensure!(Tag { key: key.clone(), value: value.clone() }.check().is_ok(), "{key:?}={value:?} is taken");
    }
    let again = of_document(dto::Tagging { tag_set: document(tags.clone()) });
    ensure!(again.is_ok_and(|again| again == *tags), "a document of {tags:?} is read as others");
    Ok(())
}

fn read(value: HeaderValue) -> Result<Tags, Code> {
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-tagging"), value)]);
    of_header(&headers).map_err(|error| error.code())
}
