//! From a path to what it names. The path is matched as it was sent: only the colon of a digest may be
//! percent-encoded, so nothing can be read one way here and another way in front of the registry.

use std::borrow::Cow;

use http::StatusCode;
use uuid::Uuid;

use crate::{
    digest::Digest,
    error::{ApiError, Code},
    name::{Reference, RepositoryName},
};

/// The kinds of path that the registry serves; faults are injected and requests are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags,
    /// `/v2/<name>/manifests/<reference>`
    Manifest,
    /// `/v2/<name>/blobs/<digest>`
    Blob,
    /// `/v2/<name>/blobs/uploads/`: single uploads, mounts and new sessions.
    UploadStart,
    /// `/v2/<name>/blobs/uploads/<id>`: one session.
    Upload,
    /// `/v2/<name>/referrers/<digest>`
    Referrers,
    /// Any other path.
    Other,
}

/// What a path names, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Base,
    Catalog,
    Tags(RepositoryName),
    Manifest(RepositoryName, Reference),
    Blob(RepositoryName, Digest),
    UploadStart(RepositoryName),
    Upload(RepositoryName, Uuid),
    Referrers(RepositoryName, Digest),
}

/// The route is known even where the rest of the path is invalid, so that every request is counted somewhere.
pub(crate) fn parse(path: &str) -> (Route, Result<Target, ApiError>) {
    let (route, name, last) = split(path);
    (route, target(route, name, last))
}

/// Splits a path into its route, the repository name and the last segment, none of them checked.
fn split(path: &str) -> (Route, &str, &str) {
    let other = (Route::Other, "", "");
    let rest = match path.strip_prefix("/v2") {
        Some("" | "/") => return (Route::Base, "", ""),
        Some("/_catalog") => return (Route::Catalog, "", ""),
        Some(rest) => rest,
        None => return other,
    };
    let Some(rest) = rest.strip_prefix('/') else { return other };
    let Some((head, last)) = rest.rsplit_once('/') else { return other };
    if let Some(name) = head.strip_suffix("/blobs/uploads") {
        return (if last.is_empty() { Route::UploadStart } else { Route::Upload }, name, last);
    }
    let Some((name, kind)) = head.rsplit_once('/') else { return other };
    match (kind, last) {
        ("tags", "list") => (Route::Tags, name, last),
        ("manifests", _) => (Route::Manifest, name, last),
        ("blobs", _) => (Route::Blob, name, last),
        ("referrers", _) => (Route::Referrers, name, last),
        _ => other,
    }
}

fn target(route: Route, name: &str, last: &str) -> Result<Target, ApiError> {
    Ok(match route {
        Route::Base => Target::Base,
        Route::Catalog => Target::Catalog,
        Route::Tags => Target::Tags(name.parse()?),
        Route::Manifest => Target::Manifest(name.parse()?, decode(last).parse()?),
        Route::Blob => Target::Blob(name.parse()?, decode(last).parse()?),
        Route::UploadStart => Target::UploadStart(name.parse()?),
        Route::Upload => Target::Upload(name.parse()?, upload_id(last)?),
        Route::Referrers => Target::Referrers(name.parse()?, decode(last).parse()?),
        Route::Other => {
            return Err(ApiError::new(Code::Unsupported, "no such endpoint").status(StatusCode::NOT_FOUND));
        }
    })
}

fn decode(segment: &str) -> Cow<'_, str> {
    match segment.split_once("%3A").or_else(|| segment.split_once("%3a")) {
        Some((algorithm, hex)) => Cow::Owned(format!("{algorithm}:{hex}")),
        None => Cow::Borrowed(segment),
    }
}

/// Only the form in which the registry writes it; the id becomes a file name.
fn upload_id(text: &str) -> Result<Uuid, ApiError> {
    let id = Uuid::try_parse(text).ok().filter(|id| id.as_hyphenated().to_string() == text);
    id.ok_or_else(|| ApiError::new(Code::BlobUploadUnknown, "no such upload session"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    fn found(path: &str) -> Target {
        parse(path).1.unwrap()
    }

    #[test]
    fn every_endpoint_is_found() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        let id = Uuid::new_v4();
        assert_eq!(found("/v2/"), Target::Base);
        assert_eq!(found("/v2"), Target::Base);
        assert_eq!(found("/v2/_catalog"), Target::Catalog);
        assert_eq!(found("/v2/a/b/tags/list"), Target::Tags(name("a/b")));
        assert_eq!(found("/v2/a/manifests/v1"), Target::Manifest(name("a"), "v1".parse().unwrap()));
        assert_eq!(found(&format!("/v2/a/blobs/sha256:{HEX}")), Target::Blob(name("a"), digest.clone()));
        assert_eq!(found(&format!("/v2/a/blobs/sha256%3A{HEX}")), Target::Blob(name("a"), digest.clone()));
        assert_eq!(found("/v2/a/blobs/uploads/"), Target::UploadStart(name("a")));
        assert_eq!(found(&format!("/v2/a/blobs/uploads/{id}")), Target::Upload(name("a"), id));
        assert_eq!(found(&format!("/v2/a/referrers/sha256:{HEX}")), Target::Referrers(name("a"), digest));
    }

    #[test]
    fn words_of_the_api_are_allowed_in_names() {
        assert_eq!(found("/v2/blobs/uploads/blobs/uploads/"), Target::UploadStart(name("blobs/uploads")));
        assert_eq!(found("/v2/tags/list/tags/list"), Target::Tags(name("tags/list")));
        assert_eq!(found("/v2/a/manifests/manifests/x"), Target::Manifest(name("a/manifests"), "x".parse().unwrap()));
    }

    #[test]
    fn no_other_path_is_served() {
        for path in [
            "",
            "/",
            "/v1/",
            "/v2x",
            "/v2//",
            "/v2/a",
            "/v2/a/",
            "/v2/a/blobs/uploads",
            "/v2/tags/list",
            "/v2/../v2/a/tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a//b/tags/list",
            "/v2/%61/tags/list",
            "/v2/a%2fb/tags/list",
            "/v2/a/manifests/%2e%2e",
            "/v2/a/manifests/..",
            "/v2/a/blobs/..",
            "/v2/A/tags/list",
            "/v2/a/blobs/uploads/../x",
            "/v2/a/blobs/uploads/%2e%2e",
            "/v2/_uploads/tags/list",
            "/v2/a\\b/tags/list",
        ] {
            assert!(parse(path).1.is_err(), "{path}");
        }
    }

    #[test]
    fn an_upload_id_has_one_form_only() {
        let id = Uuid::new_v4();
        let path = |id: String| format!("/v2/a/blobs/uploads/{id}");
        assert!(parse(&path(id.to_string())).1.is_ok());
        assert!(parse(&path(id.simple().to_string())).1.is_err());
        assert!(parse(&path(id.braced().to_string())).1.is_err());
    }

    proptest! {
        #[test]
        fn a_path_never_panics(path in "(/v2)?[a-z/%._:0-9A-Z]{0,60}") {
            let _ = parse(&path);
        }
    }
}
