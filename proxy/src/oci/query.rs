//! The query strings of the OCI distribution API: known parameters only, read once and written anew, so that the
//! upstream reads what was checked.

use http::Method;
use url::form_urlencoded::{Serializer, parse};

use super::name::{ContentDigest, Name, Reference, digits, is_tag};
use super::path::Route;
use crate::error::{Code, Error, Result};

/// The most parameters of one request, more than tags of one push (`tags.rs`).
const PARAMETERS: usize = 64;

/// The longest value: an artifact type is a media type, of 255 bytes at the most (RFC 6838, 4.2).
const VALUE_BYTES: usize = 1024;

/// The query for the upstream, without the question mark; empty where there is none.
///
/// Parameters that the route does not have are dropped. `tags` are those that the policy was asked about: a push by digest sets
/// these and no others. `may_mount_from` says whether a blob may be mounted from a repository; where it may not, the request becomes
/// a plain upload, as the specification allows (202 instead of 201).
/// # Errors
/// `InvalidArgument`, `InvalidDigest`: a value is wrong, or one that must stand alone is there twice.
pub(super) fn for_upstream(
    route: &Route,
    method: &Method,
    raw: &str,
    tags: &[String],
    may_mount_from: impl Fn(&Name) -> bool,
) -> Result<String> {
    let mut query = Query::read(raw)?;
    let mut out = Serializer::new(String::new());
    match route {
        Route::Manifest { reference: Reference::Digest(_), .. } if method == Method::PUT => {
            for tag in tags {
                out.append_pair("tag", tag);
            }
        }
        Route::Uploads { .. } => start_upload(&mut query, &mut out, may_mount_from)?,
        Route::Upload { .. } => continue_upload(&mut query, &mut out)?,
        Route::Tags { .. } => list_tags(&mut query, &mut out)?,
        Route::Referrers { .. } => {
            for artifact_type in query.take_all("artifactType") {
                out.append_pair("artifactType", &artifact_type);
            }
        }
        Route::Base | Route::Catalog | Route::Manifest { .. } | Route::Blob { .. } => {}
    }
    Ok(out.finish())
}

/// The repository that a request wants a blob mounted from.
pub(super) fn mount_source(route: &Route, raw: &str) -> Option<Name> {
    let Route::Uploads { .. } = route else { return None };
    let mut query = Query::read(raw).ok()?;
    query.take("mount").ok()??;
    Name::parse(&query.take("from").ok()??)
}

/// The content that an upload, or a mount, is to end as.
pub(super) fn named_digest(route: &Route, raw: &str) -> Option<ContentDigest> {
    let names: &[&'static str] = match route {
        Route::Uploads { .. } => &["digest", "mount"],
        Route::Upload { .. } => &["digest"],
        _ => return None,
    };
    let mut query = Query::read(raw).ok()?;
    names.iter().copied().find_map(|name| ContentDigest::parse(&query.take(name).ok()??))
}

fn start_upload(
    query: &mut Query,
    out: &mut Serializer<'_, String>,
    may_mount_from: impl Fn(&Name) -> bool,
) -> Result<()> {
    let mount = query.take("mount")?.and_then(|digest| ContentDigest::parse(&digest));
    let from = query.take("from")?.and_then(|name| Name::parse(&name));
    // A mount without a source would let the registry look for the blob everywhere, also where the caller may not.
    if let (Some(mount), Some(from)) = (mount, from)
        && may_mount_from(&from)
    {
        out.append_pair("mount", mount.as_str()).append_pair("from", from.as_str());
    }
    if let Some(digest) = query.take_digest()? {
        out.append_pair("digest", digest.as_str());
    }
    if let Some(algorithm) = query.take("digest-algorithm")? {
        if digits(&algorithm).is_none() {
            return Err(invalid("digest-algorithm"));
        }
        out.append_pair("digest-algorithm", &algorithm);
    }
    Ok(())
}

fn continue_upload(query: &mut Query, out: &mut Serializer<'_, String>) -> Result<()> {
    if let Some(digest) = query.take_digest()? {
        out.append_pair("digest", digest.as_str());
    }
    // The reference registry keeps a session's state in its Location; it is signed there.
    if let Some(state) = query.take("_state")? {
        if !state.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=')) {
            return Err(invalid("_state"));
        }
        out.append_pair("_state", &state);
    }
    Ok(())
}

fn list_tags(query: &mut Query, out: &mut Serializer<'_, String>) -> Result<()> {
    if let Some(n) = query.take_number("n")? {
        out.append_pair("n", &n.to_string());
    }
    if let Some(last) = query.take("last")? {
        if !is_tag(&last) {
            return Err(invalid("last"));
        }
        out.append_pair("last", &last);
    }
    Ok(())
}

fn invalid(parameter: &'static str) -> Error {
    Error::new(Code::InvalidArgument, format!("The query parameter {parameter} is not valid."))
}

/// A query string, read.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string as HTML forms and Go registries do: `+` is a space.
    pub(super) fn read(raw: &str) -> Result<Self> {
        let pairs: Vec<(String, String)> =
            parse(raw.as_bytes()).take(PARAMETERS + 1).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let is_fine =
            |text: &str| text.len() <= VALUE_BYTES && !text.contains(|c: char| c.is_control() || c == '\u{fffd}');
        if pairs.len() > PARAMETERS || !pairs.iter().all(|(name, value)| is_fine(name) && is_fine(value)) {
            return Err(Error::new(Code::InvalidArgument, "The query string is not valid."));
        }
        Ok(Self(pairs))
    }

    /// A parameter that may be there once.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<String>> {
        let mut all = self.take_all(name);
        let one = all.pop();
        // Two values would let us check one while the registry uses the other.
        if all.is_empty() { Ok(one) } else { Err(invalid(name)) }
    }

    /// A parameter that is a number.
    pub(super) fn take_number(&mut self, name: &'static str) -> Result<Option<u32>> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain).map(Some).ok_or_else(|| invalid(name))
    }

    fn take_digest(&mut self) -> Result<Option<ContentDigest>> {
        let Some(text) = self.take("digest")? else { return Ok(None) };
        let wrong = || Error::new(Code::InvalidDigest, "The query parameter digest is not a digest.");
        ContentDigest::parse(&text).map(Some).ok_or_else(wrong)
    }

    /// A parameter that may be there any number of times.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(|(n, _)| n == name);
        self.0 = left;
        taken.into_iter().map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tags;
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn query(method: Method, path: &str, raw: &str) -> Result<String> {
        let readable = |name: &Name| name.as_str() == "readable";
        let route = Route::parse(path).unwrap();
        for_upstream(&route, &method, raw, &tags::of(&route, &method, raw)?, readable)
    }

    fn post(raw: &str) -> Result<String> {
        query(Method::POST, "/v2/a/blobs/uploads/", raw)
    }

    fn decoded(query: &str) -> Vec<(String, String)> {
        parse(query.as_bytes()).into_owned().collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_mount_from_a_readable_repository_goes_through() {
        let out = post(&format!("mount={DIGEST}&from=readable")).unwrap();
        assert_eq!(decoded(&out), [pair("mount", DIGEST), pair("from", "readable")]);
    }

    #[test]
    fn any_other_mount_becomes_a_plain_upload() {
        for raw in [
            format!("mount={DIGEST}&from=secret"),
            format!("mount={DIGEST}"),
            format!("mount={DIGEST}&from="),
            format!("mount={DIGEST}&from=readable%2f..%2fsecret"),
            "from=readable".to_owned(),
            "mount=nonsense&from=readable".to_owned(),
        ] {
            assert_eq!(post(&raw).unwrap(), "", "{raw}");
        }
    }

    #[test]
    fn a_parameter_that_stands_alone_may_not_be_there_twice() {
        for raw in [
            format!("digest={DIGEST}&digest={DIGEST}"),
            format!("mount={DIGEST}&from=readable&from=secret"),
            format!("mount={DIGEST}&mount={DIGEST}&from=readable"),
            format!("mount={DIGEST}&from=readable&%66rom=secret"),
        ] {
            assert_eq!(post(&raw).unwrap_err().row().status, 400, "{raw}");
        }
    }

    #[test]
    fn parameters_that_a_route_does_not_have_are_dropped() {
        assert_eq!(query(Method::GET, "/v2/a/manifests/x", "tag=y&ns=docker.io").unwrap(), "");
        assert_eq!(query(Method::GET, &format!("/v2/a/blobs/{DIGEST}"), "digest=x").unwrap(), "");
        assert_eq!(query(Method::GET, "/v2/a/tags/list", "n=5&mount=x&last=v1").unwrap(), "n=5&last=v1");
    }

    #[test]
    fn a_push_by_digest_sets_the_tags_that_the_policy_was_asked_about_and_no_others() {
        let route = Route::parse(&format!("/v2/a/manifests/{DIGEST}")).unwrap();
        let tags = ["v1".to_owned(), "v2".to_owned()];
        let out = for_upstream(&route, &Method::PUT, "tag=latest&%74ag=stable", &tags, |_| false).unwrap();
        assert_eq!(out, "tag=v1&tag=v2");
        let by_tag = Route::parse("/v2/a/manifests/v1").unwrap();
        assert_eq!(for_upstream(&by_tag, &Method::PUT, "tag=latest", &tags, |_| false).unwrap(), "");
    }

    #[test]
    fn numbers_are_plain_numbers() {
        for n in ["", "-1", "+1", "1.5", "x", "99999999999"] {
            assert!(query(Method::GET, "/v2/a/tags/list", &format!("n={n}")).is_err(), "{n}");
        }
        assert_eq!(query(Method::GET, "/v2/a/tags/list", "n=0").unwrap(), "n=0");
    }

    #[test]
    fn an_upload_names_the_content_that_it_is_to_end_as() {
        let named =
            |path: &str, raw: &str| named_digest(&Route::parse(path).unwrap(), raw).map(|digest| digest.to_string());
        for (path, raw) in [
            ("/v2/a/blobs/uploads/", format!("digest={DIGEST}")),
            ("/v2/a/blobs/uploads/", format!("mount={DIGEST}&from=readable")),
            ("/v2/a/blobs/uploads/x", format!("_state=y&digest={DIGEST}")),
        ] {
            assert_eq!(named(path, &raw).as_deref(), Some(DIGEST), "{path}?{raw}");
        }
        for (path, raw) in [
            ("/v2/a/blobs/uploads/", String::new()),
            ("/v2/a/blobs/uploads/x", format!("mount={DIGEST}")),
            ("/v2/a/manifests/x", format!("digest={DIGEST}")),
        ] {
            assert_eq!(named(path, &raw), None, "{path}?{raw}");
        }
    }

    #[test]
    fn a_digest_that_is_none_is_refused() {
        assert_eq!(post("digest=sha256:xyz").unwrap_err().code(), Code::InvalidDigest);
    }

    #[test]
    fn an_artifact_type_keeps_its_value_whatever_its_spelling() {
        let path = format!("/v2/a/referrers/{DIGEST}");
        let out = query(Method::GET, &path, "artifactType=application%2Fvnd.x%2Bjson&artifactType=b").unwrap();
        assert_eq!(decoded(&out), [pair("artifactType", "application/vnd.x+json"), pair("artifactType", "b")]);
    }

    #[test]
    fn control_characters_and_broken_encodings_are_refused() {
        for raw in ["artifactType=a%0d%0ab", "artifactType=%ff", "x=%00"] {
            assert!(query(Method::GET, &format!("/v2/a/referrers/{DIGEST}"), raw).is_err(), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_goes_through_unchanged_and_fits_a_request_target(raw in "[a-zA-Z0-9=&%+._:/#? -]{0,60}") {
            for (method, path) in [
                (Method::POST, "/v2/a/blobs/uploads/"),
                (Method::PUT, "/v2/a/blobs/uploads/x"),
                (Method::PUT, "/v2/a/manifests/x"),
                (Method::GET, "/v2/a/tags/list"),
                (Method::GET, "/v2/a/referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ] {
                if let Ok(out) = query(method.clone(), path, &raw) {
                    prop_assert!(out.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'?'));
                    prop_assert_eq!(query(method, path, &out).unwrap(), out);
                }
            }
        }
    }
}
