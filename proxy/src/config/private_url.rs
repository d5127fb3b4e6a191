//! [`PrivateUrl`]: a URL that may hold a token.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// A URL whose user, path or query may be a secret: its `Debug` and its serialisation show where it leads, and not those.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PrivateUrl(String);

impl PrivateUrl {
    /// Wraps a text, which need not be a URL.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for those who must use it, never for those who print.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> String {
        let Ok(url) = Url::parse(&self.0) else { return "(hidden)".to_owned() };
        let Some(host) = url.host_str() else { return "(hidden)".to_owned() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let is_bare =
            url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
        let rest = if is_bare { "" } else { "/(hidden)" };
        format!("{}://{host}{port}{rest}", url.scheme())
    }
}

impl fmt::Debug for PrivateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for PrivateUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_url_leads_is_shown_and_what_may_be_a_token_is_not() {
        for (url, shown) in [
            ("https://siem.example", "https://siem.example"),
            ("http://collector:4318", "http://collector:4318"),
            ("https://siem.example/hooks/hunter2", "https://siem.example/(hidden)"),
            ("https://siem.example/?token=hunter2", "https://siem.example/(hidden)"),
            ("https://hunter2:hunter2@siem.example", "https://siem.example/(hidden)"),
            ("hunter2", "(hidden)"),
        ] {
            let url = PrivateUrl::new(url);
            assert_eq!((format!("{url:?}").as_str(), serde_json::to_value(&url).unwrap()), (shown, shown.into()));
        }
    }
}
