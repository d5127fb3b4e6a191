//! Virtual-host names. A seed has the host, and in a second line the path.

use http::request::Parts;
use http::{Request, header};
use s3s::host::S3Host;
use s3s::path::{S3Path, parse_path_style};

use super::{Read, Verdict};
use crate::s3::host::Domains;

/// The domains of the service that seeds are sent to.
const DOMAINS: [&str; 2] = ["s3.example.com", "eu.s3.example.com"];

pub(super) fn check(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Read::Refused) };
    let (host, path) = text.split_once('\n').unwrap_or((text, "/"));
    let domains = Domains::new(&DOMAINS.map(|domain| format!("{domain}:9800")));
    let Ok(found) = domains.parse_host_header(host) else { return Ok(Read::Refused) };
    let bucket = found.bucket().map(str::to_owned);
    ensure!(domains.is_bucket(host) == bucket.is_some(), "{host:?} is a bucket's host, and is not");
    if let Some(bucket) = &bucket {
        check_bucket(host, bucket)?;
    }
    // What `s3s` reads no host of, it refuses.
    let is_text = host.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let request = Request::get(path.trim_end()).header(header::HOST, host).body(());
    if let Ok(request) = request
        && path.starts_with('/')
        && is_text
    {
        check_named(&domains, &request.into_parts().0, bucket.as_deref())?;
    }
    Ok(if bucket.is_some() { Read::Taken } else { Read::Refused })
}

/// Bucket and domain are the whole host, and no longer domain would fit.
fn check_bucket(host: &str, bucket: &str) -> Result<(), String> {
    let host = host.to_ascii_lowercase();
    let is_whole = |domain: &str| {
        let port = host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')?.strip_prefix(domain));
        let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
        port.is_some_and(|port| port.is_empty() || is_port(port))
    };
    ensure!(DOMAINS.into_iter().any(is_whole), "{host:?} is the bucket {bucket:?}");
    ensure!(bucket != "eu" && !bucket.ends_with(".eu"), "{bucket:?} has a piece of a domain");
    Ok(())
}

/// What is decided before `s3s` reads the request names the bucket that `s3s` finds.
fn check_named(domains: &Domains, parts: &Parts, bucket: Option<&str>) -> Result<(), String> {
    let (named, path) = (domains.named(parts), parts.uri.path());
    if let Some(bucket) = bucket {
        if let Some(named) = named {
            ensure!(named.bucket == bucket, "{path} is in {:?}, and in {bucket:?}", named.bucket);
            ensure!(named.has_key == (path != "/"), "{path} has a key, and has none");
        }
        return Ok(());
    }
    match parse_path_style(path) {
        Ok(S3Path::Root) => ensure!(named.is_none(), "{path} names {named:?}"),
        Ok(found) => {
            let named = named.ok_or_else(|| format!("{path} names nothing"))?;
            ensure!(found.get_bucket_name() == Some(named.bucket.as_str()), "{path} is in {:?}", named.bucket);
            ensure!(found.get_object_key().is_some() == named.has_key, "{path} has a key, and has none");
        }
        Err(_) => {}
    }
    Ok(())
}
