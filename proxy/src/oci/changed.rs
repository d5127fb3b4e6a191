//! By which names a manifest is put or deleted: what is about it is looked for under each of them when the request is over.

use http::Method;

use super::Route;
use super::name::Reference;
use crate::app::App;
use crate::error::{Code, Result};

/// The names of a manifest that the request puts or deletes: that of its path, and the tags that are set beside it. Where a tag is
/// removed, also the digest that it has now: the manifest may go with its last tag. None where nothing is changed.
///
/// # Errors
/// `UpstreamUnavailable` where it cannot be told which digest that is.
pub(super) async fn names(app: &App, route: &Route, method: &Method, tags: &[String]) -> Result<Vec<String>> {
    let mut names = said(route, method, tags);
    if let Route::Manifest { name, reference: Reference::Tag(tag) } = route
        && *method == Method::DELETE
    {
        match app.store.get_manifest(name.as_str(), tag).await {
            Ok(manifest) => names.extend(manifest.map(|manifest| manifest.digest.to_string())),
            // What cannot be read is no index that passes anything on; its tag may go all the same.
            Err(error) if error.code() == Code::InternalError => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

fn said(route: &Route, method: &Method, tags: &[String]) -> Vec<String> {
    let Route::Manifest { reference, .. } = route else { return Vec::new() };
    if !matches!(*method, Method::PUT | Method::DELETE) {
        return Vec::new();
    }
    let named = reference.to_string();
    let beside: Vec<String> = tags.iter().filter(|tag| **tag != named).cloned().collect();
    std::iter::once(named).chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::tags;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_manifest_is_changed_by_its_digest_and_by_each_tag_beside_it() {
        let changed = |method: Method, reference: &str, raw: &str| {
            let route = Route::parse(&format!("/v2/a/manifests/{reference}")).unwrap();
            said(&route, &method, &tags::of(&route, &method, raw).unwrap())
        };
        assert_eq!(changed(Method::PUT, DIGEST, "tag=v1&tag=latest"), [DIGEST, "v1", "latest"]);
        assert_eq!(changed(Method::PUT, "v1", ""), ["v1"]);
        assert_eq!(changed(Method::DELETE, "v1", ""), ["v1"]);
        assert_eq!(changed(Method::DELETE, DIGEST, ""), [DIGEST]);
        assert!(changed(Method::GET, "v1", "").is_empty());
        let upload = Route::parse("/v2/a/blobs/uploads/").unwrap();
        assert!(said(&upload, &Method::PUT, &[]).is_empty());
    }
}
