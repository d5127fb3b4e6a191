//! The query string of a request.

use percent_encoding::percent_decode_str;

/// Decoded parameters in their order. A `+` stays a `+`: media types hold it, and no parameter here holds a space.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// `None` when a percent-encoding is not UTF-8.
    pub(crate) fn parse(query: Option<&str>) -> Option<Self> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        });
        pairs.collect::<Option<_>>().map(Self)
    }

    /// The first value under a key.
    pub(crate) fn get(&self, key: &'static str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value under a key.
    pub(crate) fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_a_plus_is_a_plus() {
        let query = Query::parse(Some("digest=sha256%3Aab&tag=1&tag=2&x&t=a+b%2Bc%252F")).unwrap();
        assert_eq!(query.get("digest"), Some("sha256:ab"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("t"), Some("a+b+c%2F"));
        assert_eq!(query.get("missing"), None);
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused() {
        assert!(Query::parse(Some("last=%ff")).is_none());
        assert!(Query::parse(None).is_some());
    }
}
