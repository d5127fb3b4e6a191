//! Packages that pass for a while whatever their licences.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zas_policy::matches_pattern;

use super::pattern::LicencePattern;
use crate::supply_chain::sbom::Purl;

/// An exception from a policy. It ends: what is to last is an entry of the allow list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceException {
    /// Which packages.
    pub purl: PurlPattern,
    /// For which licences; empty: for any.
    #[serde(default)]
    pub licences: Vec<LicencePattern>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Why it was given.
    pub reason: String,
}

/// Package URLs by a pattern: `pkg:npm/@acme/*`, `pkg:maven/org.acme/core@1.*`. `*` is any run of characters, `?` is one;
/// without a version every version fits. Qualifiers are not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PurlPattern {
    text: String,
    package: String,
    version: Option<String>,
}

impl PurlPattern {
    /// Whether a package is one of these.
    #[must_use]
    pub fn matches(&self, purl: &Purl) -> bool {
        let package = match &purl.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", purl.kind, purl.name),
            None => format!("{}/{}", purl.kind, purl.name),
        };
        matches_pattern(&self.package, &package)
            && self
                .version
                .as_deref()
                .is_none_or(|pattern| matches_pattern(pattern, purl.version.as_deref().unwrap_or_default()))
    }
}

impl TryFrom<String> for PurlPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("pkg:").ok_or("a pattern of package URLs begins with `pkg:`")?;
        // An `@` before a slash is the scope of an npm package.
        let (package, version) = match rest.rsplit_once('@') {
            Some((package, version)) if !version.contains('/') && !package.is_empty() && !package.ends_with('/') => {
                (package, Some(version.to_owned()))
            }
            _ => (rest, None),
        };
        if !package.contains('/') || rest.contains(['?', '#']) && rest.contains('=') {
            return Err("a pattern of package URLs has a type, a slash and a name, and no qualifiers".into());
        }
        let package = package.replace("%40", "@");
        Ok(Self { package, version, text })
    }
}

impl From<PurlPattern> for String {
    fn from(pattern: PurlPattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for PurlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_packages() {
        for (pattern, purl, fits) in [
            ("pkg:npm/lodash", "pkg:npm/lodash@4.17.21", true),
            ("pkg:npm/lodash@4.*", "pkg:npm/lodash@4.17.21", true),
            ("pkg:npm/lodash@3.*", "pkg:npm/lodash@4.17.21", false),
            ("pkg:npm/lodash@3.*", "pkg:npm/lodash", false),
            ("pkg:npm/@acme/*", "pkg:npm/%40acme/core@1", true),
            ("pkg:npm/%40acme/*@1", "pkg:npm/@acme/core@1", true),
            ("pkg:npm/@acme/*", "pkg:npm/acme@1", false),
            ("pkg:maven/org.acme*", "pkg:maven/org.acme.tools/x@1?type=jar", true),
            ("pkg:*/openssl", "pkg:deb/openssl@3", true),
        ] {
            let pattern = PurlPattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(&purl.parse().unwrap()), fits, "{pattern} {purl}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["npm/lodash", "pkg:lodash", "pkg:deb/curl?arch=amd64", ""] {
            assert!(PurlPattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
