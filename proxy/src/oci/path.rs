//! The routes of the OCI distribution API, read strictly from the raw path: an allow-list.
//!
//! Nothing is decoded, cleaned or guessed: a path that two readers could understand differently is refused before anything is matched,
//! and whatever was read prints back to the same bytes.

use std::fmt;

use http::Method;
use zas_policy::Action;

use super::name::{ContentDigest, Name, Reference};
use crate::audit::{DELETE_MANIFEST, PUSH_MANIFEST};
use crate::error::{Code, Error, Result};

/// The longest upload id that is passed on; registries use UUIDs.
const UPLOAD_ID_BYTES: usize = 255;

/// One route and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`: is this a registry, and may I use it?
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/{name}/tags/list`
    Tags {
        /// The repository.
        name: Name,
    },
    /// `/v2/{name}/manifests/{reference}`
    Manifest {
        /// The repository.
        name: Name,
        /// The manifest.
        reference: Reference,
    },
    /// `/v2/{name}/blobs/{digest}`
    Blob {
        /// The repository.
        name: Name,
        /// The blob.
        digest: ContentDigest,
    },
    /// `/v2/{name}/blobs/uploads/`
    Uploads {
        /// The repository.
        name: Name,
    },
    /// `/v2/{name}/blobs/uploads/{id}`
    Upload {
        /// The repository.
        name: Name,
        /// The session, as the upstream named it.
        id: String,
    },
    /// `/v2/{name}/referrers/{digest}`
    Referrers {
        /// The repository.
        name: Name,
        /// The manifest that is referred to.
        digest: ContentDigest,
    },
}

/// How a route and a method together are called, and what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The name in metrics.
    pub label: &'static str,
    /// What the policy is asked for; `None`: to be somebody is enough.
    pub action: Option<Action>,
}

const fn operation(label: &'static str, action: Action) -> Option<Operation> {
    Some(Operation { label, action: Some(action) })
}

impl Route {
    /// Reads a raw path.
    /// # Errors
    /// `NotFound`, `NameUnknown`, `BlobUnknown`, `ManifestUnknown`: nothing is at this path. `InvalidDigest` for
    /// referrers, for which the specification wants a 400.
    pub fn parse(path: &str) -> Result<Self> {
        refuse_ambiguous(path)?;
        let rest = path.strip_prefix("/v2/").ok_or(Code::NotFound)?;
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            [""] => Ok(Self::Base),
            ["_catalog"] => Ok(Self::Catalog),
            [name @ .., "tags", "list"] => Ok(Self::Tags { name: parse_name(name)? }),
            [name @ .., "manifests", reference] => {
                let reference = Reference::parse(reference);
                Ok(Self::Manifest { name: parse_name(name)?, reference: reference.ok_or(Code::ManifestUnknown)? })
            }
            [name @ .., "blobs", "uploads", ""] => Ok(Self::Uploads { name: parse_name(name)? }),
            [name @ .., "blobs", "uploads", id] => {
                let name = parse_name(name)?;
                if is_upload_id(id) {
                    Ok(Self::Upload { name, id: (*id).to_owned() })
                } else {
                    Err(Code::NotFound.into())
                }
            }
            [name @ .., "blobs", digest] => {
                let digest = ContentDigest::parse(digest);
                Ok(Self::Blob { name: parse_name(name)?, digest: digest.ok_or(Code::BlobUnknown)? })
            }
            [name @ .., "referrers", digest] => {
                let digest = ContentDigest::parse(digest);
                Ok(Self::Referrers { name: parse_name(name)?, digest: digest.ok_or_else(invalid_digest)? })
            }
            _ => Err(Code::NotFound.into()),
        }
    }

    /// The repository, where the route has one.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Referrers { name, .. } => Some(name),
        }
    }

    /// The content that the path names, where it does so by digest.
    #[must_use]
    pub const fn digest(&self) -> Option<&ContentDigest> {
        match self {
            Self::Blob { digest, .. } | Self::Manifest { reference: Reference::Digest(digest), .. } => Some(digest),
            _ => None,
        }
    }

    /// The same route of another repository.
    #[must_use]
    pub(super) fn within(&self, name: Name) -> Self {
        let mut route = self.clone();
        match &mut route {
            Self::Base | Self::Catalog => {}
            Self::Tags { name: own }
            | Self::Manifest { name: own, .. }
            | Self::Blob { name: own, .. }
            | Self::Uploads { name: own }
            | Self::Upload { name: own, .. }
            | Self::Referrers { name: own, .. } => *own = name,
        }
        route
    }

    /// The route without what a client put into it; for traces.
    #[must_use]
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Base => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Tags { .. } => "/v2/{name}/tags/list",
            Self::Manifest { .. } => "/v2/{name}/manifests/{reference}",
            Self::Blob { .. } => "/v2/{name}/blobs/{digest}",
            Self::Uploads { .. } => "/v2/{name}/blobs/uploads/",
            Self::Upload { .. } => "/v2/{name}/blobs/uploads/{id}",
            Self::Referrers { .. } => "/v2/{name}/referrers/{digest}",
        }
    }

    /// The methods that the route has, as an `Allow` header lists them.
    #[must_use]
    pub const fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags { .. } | Self::Referrers { .. } => "GET, HEAD",
            Self::Manifest { .. } => "GET, HEAD, PUT, DELETE",
            Self::Blob { .. } => "GET, HEAD, DELETE",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "GET, PATCH, PUT, DELETE",
        }
    }

    /// What a method does here; `None`: the route does not have it.
    #[must_use]
    pub fn operation(&self, method: &Method) -> Option<Operation> {
        match (self, method.as_str()) {
            (Self::Base, "GET" | "HEAD") => Some(Operation { label: "Base", action: None }),
            (Self::Catalog, "GET" | "HEAD") => operation("Catalog", Action::Catalog),
            (Self::Tags { .. }, "GET" | "HEAD") => operation("ListTags", Action::ListTags),
            (Self::Manifest { .. }, "GET") => operation("PullManifest", Action::Pull),
            (Self::Manifest { .. }, "HEAD") => operation("HeadManifest", Action::Pull),
            (Self::Manifest { .. }, "PUT") => operation(PUSH_MANIFEST, Action::Push),
            (Self::Manifest { .. }, "DELETE") => operation(DELETE_MANIFEST, Action::Delete),
            (Self::Blob { .. }, "GET") => operation("PullBlob", Action::Pull),
            (Self::Blob { .. }, "HEAD") => operation("HeadBlob", Action::Pull),
            (Self::Blob { .. }, "DELETE") => operation("DeleteBlob", Action::Delete),
            (Self::Uploads { .. }, "POST") => operation("StartUpload", Action::Push),
            (Self::Upload { .. }, "GET") => operation("UploadStatus", Action::Push),
            (Self::Upload { .. }, "PATCH") => operation("UploadChunk", Action::Push),
            (Self::Upload { .. }, "PUT") => operation("FinishUpload", Action::Push),
            // Who may push may also think better of it.
            (Self::Upload { .. }, "DELETE") => operation("CancelUpload", Action::Push),
            (Self::Referrers { .. }, "GET" | "HEAD") => operation("Referrers", Action::Pull),
            _ => None,
        }
    }
}

/// The path at the upstream: the same bytes that were read.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("/v2/"),
            Self::Catalog => f.write_str("/v2/_catalog"),
            Self::Tags { name } => write!(f, "/v2/{name}/tags/list"),
            Self::Manifest { name, reference } => write!(f, "/v2/{name}/manifests/{reference}"),
            Self::Blob { name, digest } => write!(f, "/v2/{name}/blobs/{digest}"),
            Self::Uploads { name } => write!(f, "/v2/{name}/blobs/uploads/"),
            Self::Upload { name, id } => write!(f, "/v2/{name}/blobs/uploads/{id}"),
            Self::Referrers { name, digest } => write!(f, "/v2/{name}/referrers/{digest}"),
        }
    }
}

/// Refuses what one reader cleans, decodes or joins and another does not: empty and dot segments, anything
/// percent-encoded, backslashes and all that is not printable ASCII.
fn refuse_ambiguous(path: &str) -> Result<()> {
    let has_odd_byte = path.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'%' | b'\\' | b';' | b'?' | b'#'));
    let has_odd_segment = path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | ".."));
    if has_odd_byte || has_odd_segment {
        return Err(Error::new(Code::NotFound, "The path could be read in two ways, so it names nothing."));
    }
    Ok(())
}

fn parse_name(segments: &[&str]) -> Result<Name> {
    Name::parse(&segments.join("/")).ok_or_else(|| {
        Error::new(
            Code::NameUnknown,
            "No repository has this name: names are lower-case letters and digits with single separators, up to 255 bytes.",
        )
    })
}

fn is_upload_id(id: &str) -> bool {
    (1..=UPLOAD_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b'~'))
}

fn invalid_digest() -> Error {
    Error::new(
        Code::InvalidDigest,
        "The digest is not sha256, sha384 or sha512 with its number of lower-case hex digits.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn status(path: &str) -> u16 {
        Route::parse(path).unwrap_err().row().status
    }

    #[test]
    fn every_route_is_read_and_prints_back() {
        for path in [
            "/v2/".to_owned(),
            "/v2/_catalog".to_owned(),
            "/v2/a/tags/list".to_owned(),
            "/v2/a/b/c/manifests/latest".to_owned(),
            format!("/v2/a/manifests/{DIGEST}"),
            format!("/v2/a/blobs/{DIGEST}"),
            "/v2/a/blobs/uploads/".to_owned(),
            "/v2/a/blobs/uploads/6b3c9a93-af5d-473f-a4ed-9710022185cd".to_owned(),
            format!("/v2/a/referrers/{DIGEST}"),
        ] {
            assert_eq!(Route::parse(&path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn names_may_hold_the_words_of_the_api() {
        let name = |path: &str| Route::parse(path).unwrap().name().unwrap().to_string();
        assert_eq!(name("/v2/a/tags/list/tags/list"), "a/tags/list");
        assert_eq!(name("/v2/a/manifests/b/manifests/c"), "a/manifests/b");
        assert_eq!(name("/v2/tags/tags/list"), "tags");
    }

    #[test]
    fn a_route_of_another_repository_differs_in_nothing_else() {
        let other = Name::parse("zas/referrers/s3/7").unwrap();
        for rest in
            ["tags/list", "manifests/v1", "blobs/uploads/", "blobs/uploads/6b3c9a93", &format!("blobs/{DIGEST}")]
        {
            let route = Route::parse(&format!("/v2/s3/releases/{rest}")).unwrap();
            assert_eq!(route.within(other.clone()).to_string(), format!("/v2/{other}/{rest}"));
        }
        assert_eq!(Route::Base.within(other), Route::Base);
    }

    #[test]
    fn everything_else_is_not_found() {
        for path in [
            "/v2",
            "/v1/",
            "/",
            "",
            "/v2/a",
            "/v2/a/",
            "/v2/tags/list",
            "/v2/manifests/x",
            "/v2/a/tags",
            "/v2/a/tags/list/",
            "/v2/a/tags/x",
            "/v2/_catalog/",
            "/v2/a/_catalog",
            "/v2/_oci/ext/discover",
            "/v2/_zot/ext/search",
            "/v2/_zot/ext/mgmt",
            "/v2/_zot/pprof/",
            "/v2/_zot/ext/cosign",
            "/v2/a/blobs/uploads",
            "/v2/a/blobs/",
            "/v2/a/blobs/sha256:00",
            "/v2/a/blobs/uploads/x/y",
            "/v2/a/blobs/uploads/a:b",
            "/v2/a/manifests/",
            "/v2/a/manifests/.x",
            "/v2/a/manifests/a:b",
            "/v2/A/tags/list",
            "/v2/a_/tags/list",
            "/v2/a/_uploads/b/tags/list",
        ] {
            assert_eq!(status(path), 404, "{path}");
        }
        assert_eq!(status(&format!("/v2/{}/tags/list", "a".repeat(256))), 404);
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_refused() {
        for path in [
            "/v2//a/tags/list",
            "/v2/a//tags/list",
            "//v2/a/tags/list",
            "/v2/./a/tags/list",
            "/v2/a/../s3/tags/list",
            "/v2/a/..",
            "/v2/a%2fb/tags/list",
            "/v2/a%2Fb/tags/list",
            "/v2/%2e%2e/s3/tags/list",
            "/v2/a%252fb/tags/list",
            "/v2/%73%33/x/tags/list",
            "/v2/a\\b/tags/list",
            "/v2/a\0/tags/list",
            "/v2/a b/tags/list",
            "/v2/é/tags/list",
            "/v2/a;x=1/tags/list",
            "/v2/a/tags/list?x",
            "/v2/a/tags/list#x",
            "/v2/a/manifests/%2e%2e",
            "/v2/a/blobs/uploads/..",
            "/v2/a/blobs/uploads/.",
        ] {
            let error = Route::parse(path).unwrap_err();
            assert_eq!(error.row().status, 404, "{path}");
            assert!(error.message().contains("two ways"), "{path}: {error}");
        }
    }

    #[test]
    fn a_digest_that_is_none_is_a_bad_request_for_referrers() {
        assert_eq!(status("/v2/a/referrers/sha256:00"), 400);
    }

    #[test]
    fn methods_and_operations_agree() {
        for path in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/x", "/v2/a/blobs/uploads/"] {
            let route = Route::parse(path).unwrap();
            for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
                let listed = route.methods().split(", ").any(|m| m == method);
                let has = route.operation(&method.parse().unwrap()).is_some();
                assert_eq!(listed, has, "{method} {path}");
            }
        }
    }

    #[test]
    fn deleting_needs_more_than_pushing() {
        let action = |method: Method, path: &str| {
            Route::parse(path).unwrap().operation(&method).and_then(|operation| operation.action)
        };
        assert_eq!(action(Method::DELETE, "/v2/a/manifests/x"), Some(Action::Delete));
        assert_eq!(action(Method::DELETE, &format!("/v2/a/blobs/{DIGEST}")), Some(Action::Delete));
        assert_eq!(action(Method::DELETE, "/v2/a/blobs/uploads/x"), Some(Action::Push));
        assert_eq!(action(Method::PUT, "/v2/a/manifests/x"), Some(Action::Push));
        assert_eq!(action(Method::HEAD, "/v2/a/manifests/x"), Some(Action::Pull));
    }

    /// Texts that look like paths, and some that do not.
    fn paths() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            Just("v2".to_owned()),
            Just("s3".to_owned()),
            Just("tags".to_owned()),
            Just("list".to_owned()),
            Just("manifests".to_owned()),
            Just("blobs".to_owned()),
            Just("uploads".to_owned()),
            Just("referrers".to_owned()),
            Just(DIGEST.to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just(String::new()),
            "[a-z0-9._-]{1,4}",
        ];
        let segments = proptest::collection::vec(segment, 0..7).prop_map(|s| format!("/v2/{}", s.join("/")));
        prop_oneof![segments, any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_read_prints_back_to_the_same_path(path in paths()) {
            if let Ok(route) = Route::parse(&path) {
                prop_assert_eq!(route.to_string(), path);
            }
        }

        #[test]
        fn no_path_below_a_reserved_prefix_gets_by(path in paths()) {
            if let Ok(route) = Route::parse(&path)
                && let Some(name) = route.name()
                && !name.is_reserved("s3")
            {
                prop_assert!(!path.starts_with("/v2/s3/") && !path.starts_with("/v2/zas/"), "{}", path);
                prop_assert!(!name.as_str().split('/').any(|component| component == "blobs"), "{}", path);
            }
        }
    }
}
