//! The tags that a request is about, read once: the one of its path, or those that a push by digest sets beside it
//! (`PUT …/manifests/sha256:…?tag=v1&tag=latest`; distribution-spec, "Pushing Manifests with Tags", as Zot has it).
//!
//! The policy is asked about each of them, and the query for the upstream is made of them: none is set that was not asked about.

use http::Method;

use super::name::{Reference, is_tag};
use super::path::Route;
use super::query::Query;
use crate::error::{Code, Error, Result};

/// The most tags of one push, one that is there twice counted twice: as many as Zot takes. The specification asks for ten.
const MOST: usize = 46;

/// The tags of a request, in their order, each once; none where it is about no manifest, or about one by its digest alone.
///
/// # Errors
/// `ManifestInvalid`: a tag that is none, or one in the query where the path has one. `TooManyTags`. `InvalidArgument`: the query
/// cannot be read.
pub(super) fn of(route: &Route, method: &Method, raw: &str) -> Result<Vec<String>> {
    let Route::Manifest { reference, .. } = route else { return Ok(Vec::new()) };
    // To read or delete something no other tags can be named: such parameters are not passed on.
    let further = if method == Method::PUT { Query::read(raw)?.take_all("tag") } else { Vec::new() };
    match reference {
        Reference::Tag(tag) if further.is_empty() => Ok(vec![tag.clone()]),
        Reference::Tag(_) => {
            let text = "The query parameter tag goes with a push by digest: the path names a tag already.";
            Err(Error::new(Code::ManifestInvalid, text))
        }
        Reference::Digest(_) => each_once(further),
    }
}

fn each_once(tags: Vec<String>) -> Result<Vec<String>> {
    if tags.len() > MOST {
        return Err(Error::new(Code::TooManyTags, format!("One push sets at most {MOST} tags.")));
    }
    if !tags.iter().all(|tag| is_tag(tag)) {
        return Err(Error::new(Code::ManifestInvalid, "A query parameter tag is no tag."));
    }
    let mut once: Vec<String> = Vec::with_capacity(tags.len());
    for tag in tags {
        if !once.contains(&tag) {
            once.push(tag);
        }
    }
    Ok(once)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn tags(method: Method, reference: &str, raw: &str) -> Result<Vec<String>> {
        of(&Route::parse(&format!("/v2/a/manifests/{reference}")).unwrap(), &method, raw)
    }

    fn refusal(reference: &str, raw: &str) -> (Code, u16) {
        let error = tags(Method::PUT, reference, raw).unwrap_err();
        assert_eq!(error.row().oci, "MANIFEST_INVALID", "{raw}");
        (error.code(), error.row().status)
    }

    #[test]
    fn the_tag_of_the_path_and_those_beside_a_digest_are_found_however_they_are_spelt() {
        assert_eq!(tags(Method::PUT, "v1", "").unwrap(), ["v1"]);
        assert_eq!(tags(Method::GET, "v1", "tag=other").unwrap(), ["v1"]);
        assert_eq!(tags(Method::PUT, DIGEST, "tag=v1&x=y&%74a%67=l%61test&tag=v1").unwrap(), ["v1", "latest"]);
        for (method, raw) in
            [(Method::PUT, ""), (Method::PUT, "Tag=v1"), (Method::GET, "tag=v1"), (Method::DELETE, "tag=v1")]
        {
            assert!(tags(method.clone(), DIGEST, raw).unwrap().is_empty(), "{method} {raw}");
        }
        let upload = Route::parse("/v2/a/blobs/uploads/").unwrap();
        assert!(of(&upload, &Method::POST, "tag=v1").unwrap().is_empty());
    }

    #[test]
    fn a_tag_that_is_none_is_refused_and_so_is_one_beside_a_tag() {
        for raw in ["tag=", "tag", "tag=v1&tag=..", "tag=+v1", "tag=v1%20", "tag=a%2Fb", &format!("tag={DIGEST}")] {
            assert_eq!(refusal(DIGEST, raw), (Code::ManifestInvalid, 400), "{raw}");
        }
        assert_eq!(refusal("v1", "tag=v1"), (Code::ManifestInvalid, 400));
        assert_eq!(refusal("v1", "tag=latest"), (Code::ManifestInvalid, 400));
    }

    #[test]
    fn there_are_as_many_tags_as_a_zot_takes() {
        let many = |count: usize| (0..count).map(|i| format!("tag=v{i}")).collect::<Vec<_>>().join("&");
        assert_eq!(tags(Method::PUT, DIGEST, &many(46)).unwrap().len(), 46);
        assert_eq!(refusal(DIGEST, &many(47)), (Code::TooManyTags, 414));
        assert_eq!(refusal(DIGEST, &"tag=v1&".repeat(47)), (Code::TooManyTags, 414));
        assert_eq!(tags(Method::PUT, DIGEST, &many(65)).unwrap_err().row().status, 400);
    }
}
