//! Where the registry is: the one origin that requests go to, and which `Location` stays on it.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::error::{Error, Result};

/// Scheme and authority of a registry.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// Reads the configured base URL. A path is refused: the distribution API lives at the root of its host.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let parts = url.parse::<Uri>().map_err(|e| unusable(url, &e.to_string()))?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(unusable(url, "scheme or host is missing"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(unusable(url, "the scheme must be http or https"));
        }
        if authority.as_str().contains('@') {
            // Not shown: what stands before the `@` may be a password.
            return Err(Error::internal(
                "store.url holds credentials: they belong in store.username and store.password",
            ));
        }
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return Err(unusable(url, "the registry must be at the root of its host"));
        }
        Ok(Self { scheme, authority })
    }

    /// The address of a path (with its query) at the registry.
    pub(super) fn at(&self, target: &str) -> Result<Uri> {
        let path: PathAndQuery =
            target.parse().map_err(|e| Error::internal(format!("not a request target: {target:?}")).source(e))?;
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path);
        uri.build().map_err(|e| Error::internal("not a request target").source(e))
    }

    /// Path and query of a `Location` that the registry sent. It may be absolute or a path; one that leads to another
    /// host is refused, for it would carry our credentials there.
    pub(super) fn local(&self, location: &str) -> Result<String> {
        let uri: Uri =
            location.parse().map_err(|e| Error::internal(format!("not a location: {location:?}")).source(e))?;
        if let Some(authority) = uri.authority() {
            let same_scheme = uri.scheme() == Some(&self.scheme);
            if !same_scheme || !self.is_here(authority) {
                return Err(Error::internal(format!("the registry sends us elsewhere: {location:?}")));
            }
        }
        match uri.path_and_query() {
            Some(path) if path.as_str().starts_with("/v2/") => Ok(path.as_str().to_owned()),
            _ => Err(Error::internal(format!("a location outside the registry's API: {location:?}"))),
        }
    }

    fn is_here(&self, other: &Authority) -> bool {
        let port =
            |authority: &Authority| authority.port_u16().unwrap_or(if self.scheme == Scheme::HTTPS { 443 } else { 80 });
        !other.as_str().contains('@')
            && self.authority.host().eq_ignore_ascii_case(other.host())
            && port(&self.authority) == port(other)
    }
}

fn unusable(url: &str, why: &str) -> Error {
    Error::internal(format!("store.url {url:?} cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_scheme_and_host_alone() {
        for good in ["http://127.0.0.1:5001", "http://zot:5000/", "https://registry.example"] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "/v2/", "zot:5000", "ftp://zot", "http://zot/base", "http://user:secret@zot"] {
            let error = Origin::parse(bad).unwrap_err();
            assert!(!error.for_log().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn a_location_is_a_path_or_an_address_at_the_same_origin() {
        let origin = Origin::parse("http://Zot:80").unwrap();
        for (location, target) in [
            ("/v2/a/blobs/uploads/1?_state=x%2Fy", "/v2/a/blobs/uploads/1?_state=x%2Fy"),
            ("http://zot/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"),
            ("http://zot:80/v2/a?b=c", "/v2/a?b=c"),
        ] {
            assert_eq!(origin.local(location).unwrap(), target);
        }
    }

    #[test]
    fn a_location_that_leads_elsewhere_is_refused() {
        let origin = Origin::parse("http://zot:5001").unwrap();
        for location in [
            "",
            "http://evil:5001/v2/a",
            "https://zot:5001/v2/a",
            "http://zot:5002/v2/a",
            "http://zot/v2/a",
            "//evil/v2/a",
            "http://zot:5001@evil/v2/a",
            "/admin",
            "v2/a",
            "http://zot:5001",
        ] {
            assert!(origin.local(location).is_err(), "{location}");
        }
    }
}
