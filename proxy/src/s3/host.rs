//! Virtual-host style requests: `bucket.domain` for the domains of the configuration, path style for every other host.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// The configured domains.
#[derive(Debug)]
pub(crate) struct Domains(Vec<String>);

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
}
