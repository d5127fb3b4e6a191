//! One page of ListObjectsV2: its request, and as much of its answer as a listing needs.

use anyhow::{Context as _, Result};

use super::signature::in_query;

/// What a page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Keys and common prefixes on it.
    pub(super) items: u64,
    /// How to ask for the next page, if there is one.
    pub(super) next: Option<String>,
}

/// The path of the request of the page after `token`.
pub(super) fn path(bucket: &str, prefix: &str, delimiter: bool, token: Option<&str>) -> String {
    // In the order of the alphabet, as the canonical request has it.
    let token = token.map(|token| format!("continuation-token={}&", in_query(token))).unwrap_or_default();
    let delimiter = if delimiter { "delimiter=%2F&" } else { "" };
    format!("/{bucket}?{token}{delimiter}list-type=2&max-keys=1000&prefix={}", in_query(prefix))
}

impl Page {
    /// Reads the XML by its tags: the keys here hold no markup, and a parser would cost more than the rest of a request.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(body).context("a listing that is not UTF-8")?;
        text.find("<ListBucketResult").with_context(|| format!("no listing: {text}"))?;
        let items = text.matches("<Key>").count() + text.matches("<CommonPrefixes>").count();
        let truncated = element(text, "IsTruncated") == Some("true");
        let next = element(text, "NextContinuationToken").map(unescape).filter(|_| truncated);
        anyhow::ensure!(truncated == next.is_some(), "a truncated page without a token for the next one");
        Ok(Self { items: items as u64, next })
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(value, _)| value)
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_prefixes_of_a_page_are_counted_and_its_token_is_read() {
        let body = b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>\
            <Contents><Key>x</Key></Contents><Contents><Key>y</Key></Contents><CommonPrefixes><Prefix>z/</Prefix></CommonPrefixes>\
            </ListBucketResult>";
        assert_eq!(Page::parse(body).unwrap(), Page { items: 3, next: Some("a&b=".into()) });
    }

    #[test]
    fn the_last_page_has_no_next_one() {
        let body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(Page::parse(body).unwrap(), Page { items: 0, next: None });
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        assert!(Page::parse(b"<Error/>").is_err());
        assert!(Page::parse(b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").is_err());
    }

    #[test]
    fn a_request_names_its_page() {
        assert_eq!(path("b", "p/", false, None), "/b?list-type=2&max-keys=1000&prefix=p%2F");
        assert_eq!(
            path("b", "p/", true, Some("t=")),
            "/b?continuation-token=t%3D&delimiter=%2F&list-type=2&max-keys=1000&prefix=p%2F"
        );
    }
}
