//! Virtual-host style requests: `bucket.domain` for the domains of the configuration, path style for every other host.

use http::header;
use http::request::Parts;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// The configured domains.
#[derive(Debug)]
pub(crate) struct Domains(Vec<String>);

/// What a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The bucket, as the request has it: there need not be one.
    pub(super) bucket: String,
    /// Whether it names a key in it too.
    pub(super) has_key: bool,
}

impl Domains {
    /// In lower case and without ports; longer ones first, so that the most precise one wins.
    pub(crate) fn new(domains: &[String]) -> Self {
        let mut domains: Vec<_> = domains.iter().map(|domain| without_port(domain).to_ascii_lowercase()).collect();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self(domains)
    }

    /// Whether a request to this host names its bucket by it, so that its whole path is a key.
    pub(crate) fn is_bucket(&self, host: &str) -> bool {
        self.bucket(host).is_some()
    }

    /// Whether a request names its bucket by its host.
    pub(super) fn name_bucket(&self, parts: &Parts) -> bool {
        host(parts).is_some_and(|host| self.is_bucket(host))
    }

    /// The bucket that a request names, by its host or by its path; for what is decided before `s3s` has read the request.
    pub(super) fn named(&self, parts: &Parts) -> Option<Named> {
        let path = parts.uri.path().strip_prefix('/')?;
        if let Some(bucket) = host(parts).and_then(|host| self.bucket(host)) {
            return Some(Named { bucket, has_key: !path.is_empty() });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (!bucket.is_empty()).then(|| Named { bucket: bucket.to_owned(), has_key: !key.is_empty() })
    }

    fn bucket(&self, host: &str) -> Option<String> {
        let host = without_port(host).to_ascii_lowercase();
        if self.0.contains(&host) {
            return None;
        }
        let bucket = self.0.iter().find_map(|domain| host.strip_suffix(domain.as_str())?.strip_suffix('.'));
        bucket.map(str::to_owned)
    }
}

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let found = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => found.with_bucket(bucket),
            None => found,
        })
    }
}

fn host(parts: &Parts) -> Option<&str> {
    let header = || parts.headers.get(header::HOST)?.to_str().ok();
    // HTTP/2 has it in the request target.
    header().or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_under_a_domain_are_buckets() {
        let domains = Domains::new(&["S3.example.com:9800".into(), "eu.s3.example.com".into()]);
        for (host, bucket) in [
            ("s3.example.com", None),
            ("s3.example.com:9800", None),
            ("photos.s3.example.com", Some("photos")),
            ("Photos.S3.Example.Com:443", Some("photos")),
            ("a.b.s3.example.com", Some("a.b")),
            ("eu.s3.example.com", None),
            ("photos.eu.s3.example.com", Some("photos")),
            ("notas3.example.com", None),
            ("localhost:9800", None),
            ("photos.example.org", None),
            ("[::1]:9800", None),
        ] {
            let found = domains.parse_host_header(host).unwrap();
            assert_eq!(found.bucket(), bucket, "{host}");
        }
    }

    #[test]
    fn a_request_names_its_bucket_by_its_host_or_by_its_path() {
        let domains = Domains::new(&["s3.example.com".into()]);
        for (host, path, expected) in [
            ("s3.example.com", "/photos/a/b", Some(("photos", true))),
            ("s3.example.com", "/photos/", Some(("photos", false))),
            ("s3.example.com", "/photos", Some(("photos", false))),
            ("s3.example.com", "/", None),
            ("photos.s3.example.com:9800", "/a/b", Some(("photos", true))),
            ("photos.s3.example.com", "/", Some(("photos", false))),
        ] {
            let request = http::Request::get(path).header("host", host).body(()).unwrap();
            let named = domains.named(&request.into_parts().0);
            let expected = expected.map(|(bucket, has_key)| Named { bucket: bucket.into(), has_key });
            assert_eq!(named, expected, "{host}{path}");
        }
    }
}
