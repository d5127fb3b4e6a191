//! Tags of objects: read from a document or a header, and checked (AWS, "Categorizing your objects using tags").
//!
//! What does not live here: what a tag may be (`bucket_configuration::Tag`), and tags of buckets.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto;
use zas_policy::Action;

use super::access::authorize;
use crate::app::App;
use crate::authz::{Caller, Permit};
use crate::bucket_configuration::Tag;
use crate::error::{Code, Error, Result};
use crate::index::{ObjectHead, Tags};

/// The most tags of one object.
const MAX_TAGS: usize = 10;

/// How many tags an object has.
const COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");

/// The tags of a document.
///
/// # Errors
/// `MalformedXML` for a tag without a name or a value, `InvalidTag`.
pub(super) fn of_document(tagging: dto::Tagging) -> Result<Tags> {
    let pair = |tag: dto::Tag| tag.key.zip(tag.value).ok_or_else(|| Error::from(Code::MalformedXml));
    let pairs = tagging.tag_set.into_iter().map(pair).collect::<Result<Vec<_>>>()?;
    checked(pairs, || Error::new(Code::InvalidTag, "Cannot provide multiple Tags with the same key."))
}

/// The tags of `x-amz-tagging`, which reads like a query; none where there is no such header.
///
/// # Errors
/// `InvalidArgument` where it cannot be read, `InvalidTag`.
pub(super) fn of_header(headers: &HeaderMap) -> Result<Tags> {
    let unreadable = || {
        Error::new(
            Code::InvalidArgument,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        )
    };
    let Some(value) = headers.get("x-amz-tagging") else { return Ok(Tags::new()) };
    let value = value.to_str().map_err(|_| unreadable())?;
    let pairs = url::form_urlencoded::parse(value.as_bytes()).into_owned().collect();
    checked(pairs, unreadable)
}

fn checked(pairs: Vec<(String, String)>, twice: impl Fn() -> Error) -> Result<Tags> {
    if pairs.len() > MAX_TAGS {
        return Err(Error::new(Code::InvalidTag, "Object tags cannot be greater than 10."));
    }
    let mut tags = Tags::new();
    for (key, value) in pairs {
        let tag = Tag { key, value };
        tag.check()?;
        if tags.insert(tag.key, tag.value).is_some() {
            return Err(twice());
        }
    }
    Ok(tags)
}

/// Tags as a document has them, in the order of their names.
pub(super) fn document(tags: Tags) -> dto::TagSet {
    tags.into_iter().map(|(key, value)| dto::Tag { key: Some(key), value: Some(value) }).collect()
}

/// The right to give an object tags while it is written, beside the right to write it.
///
/// # Errors
/// `AccessDenied`.
pub(super) async fn permit_to_give(app: &App, caller: &Caller, permit: Permit, tags: &Tags) -> Result<Permit> {
    if tags.is_empty() {
        return Ok(permit);
    }
    let tagging = authorize(app, caller, Action::PutObjectTagging, permit.resource().clone()).await?;
    Ok(permit.beside(&tagging))
}

/// Says how many tags an object has, to those who may read them.
pub(super) fn tell_count(app: &App, permit: &Permit, head: &ObjectHead, headers: &mut HeaderMap) {
    let may_read = || app.authority.may_know(permit.caller(), Action::GetObjectTagging, permit.resource());
    if !head.tags.is_empty() && may_read() {
        headers.insert(COUNT, HeaderValue::from(head.tags.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(value: &str) -> Result<Tags> {
        of_header(&HeaderMap::from_iter([(HeaderName::from_static("x-amz-tagging"), value.parse().unwrap())]))
    }

    fn set(pairs: &[(&str, &str)]) -> Result<Tags> {
        let tag = |(key, value): &(&str, &str)| dto::Tag { key: Some((*key).into()), value: Some((*value).into()) };
        of_document(dto::Tagging { tag_set: pairs.iter().map(tag).collect() })
    }

    #[test]
    fn a_header_reads_like_a_query() {
        let tags = header("team=a%20b&empty=&bare&k%C3%A4se=%E6%97%A5+x").unwrap();
        let expected = [("bare", ""), ("empty", ""), ("käse", "日 x"), ("team", "a b")];
        assert_eq!(tags, set(&expected).unwrap());
        assert!(header("").unwrap().is_empty() && of_header(&HeaderMap::new()).unwrap().is_empty());
        assert_eq!(header("a=1&a=2").unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(header("a=%FF").unwrap_err().code(), Code::InvalidTag);
    }

    #[test]
    fn tags_have_limits() {
        let names: Vec<String> = (0..11).map(|number| format!("k{number}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(set(&many[..10]).is_ok());
        let (long, longer) = ("ä".repeat(128), "ä".repeat(129));
        let (value, too_long) = ("日".repeat(256), "日".repeat(257));
        assert!(set(&[(long.as_str(), value.as_str())]).is_ok());
        for refused in [
            &many[..],
            &[(longer.as_str(), "v")],
            &[("k", too_long.as_str())],
            &[("", "v")],
            &[("aws:x", "v")],
            &[("AWS:x", "v")],
            &[("a", "1"), ("a", "2")],
            &[("a;b", "v")],
            &[("a", "<v>")],
            &[("a", "line\n")],
        ] {
            assert_eq!(set(refused).unwrap_err().code(), Code::InvalidTag, "{refused:?}");
        }
        assert!(set(&[("a +-=._:/@", "B9 +-=._:/@"), ("awsome", "")]).is_ok());
        let half = dto::Tagging { tag_set: vec![dto::Tag { key: Some("k".into()), value: None }] };
        assert_eq!(of_document(half).unwrap_err().code(), Code::MalformedXml);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(value in "[ -~]{0,300}") {
            if let Ok(tags) = header(&value) {
                prop_assert!(tags.len() <= MAX_TAGS);
            }
        }
    }
}
