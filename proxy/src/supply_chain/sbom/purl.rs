//! Package URLs, in parts that can be compared (purl-spec, "PURL-SPECIFICATION").

use std::fmt;
use std::str::FromStr;

use packageurl::PackageUrl;

/// Longest package URL that is read, in bytes.
const LONGEST: usize = 4096;

/// A package URL in its canonical form: what the type compares without case is in lower case. The parts are not
/// percent-encoded, but for the qualifiers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Purl {
    /// The type: `npm`, `maven`, `deb`.
    pub kind: String,
    /// The namespace: a Maven group, an npm scope, a distribution.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    text: String,
}

/// A text that is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePurlError {
    /// It breaks the grammar, or a rule of its type.
    #[error("not a package URL: {0}")]
    Grammar(String),
    /// It has more than 4,096 bytes.
    #[error("a package URL of more than {LONGEST} bytes")]
    TooLong,
}

impl Purl {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The qualifiers as the canonical text has them: `arch=amd64&distro=debian-12`, in the order of their keys.
    #[must_use]
    pub fn qualifiers(&self) -> &str {
        let text = self.text.split_once('#').map_or(self.text.as_str(), |(text, _)| text);
        text.split_once('?').map_or("", |(_, qualifiers)| qualifiers)
    }
}

impl FromStr for Purl {
    type Err = ParsePurlError;

    fn from_str(text: &str) -> Result<Self, ParsePurlError> {
        if text.len() > LONGEST {
            return Err(ParsePurlError::TooLong);
        }
        let parsed = PackageUrl::from_str(text).map_err(|error| ParsePurlError::Grammar(error.to_string()))?;
        Ok(Self {
            kind: parsed.ty().to_owned(),
            namespace: parsed.namespace().filter(|namespace| !namespace.is_empty()).map(str::to_owned),
            name: parsed.name().to_owned(),
            version: parsed.version().filter(|version| !version.is_empty()).map(str::to_owned),
            text: parsed.to_string(),
        })
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Purl {
        text.parse().unwrap()
    }

    #[test]
    fn a_package_url_is_taken_apart() {
        let purl = parse("pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?distro=debian-12&arch=amd64");
        assert_eq!(
            (purl.kind.as_str(), purl.namespace.as_deref(), purl.name.as_str()),
            ("deb", Some("debian"), "curl")
        );
        assert_eq!(purl.version.as_deref(), Some("7.88.1-10+deb12u5"));
        assert_eq!(purl.qualifiers(), "arch=amd64&distro=debian-12");
        assert_eq!(parse("pkg:npm/a#x").qualifiers(), "");
    }

    #[test]
    fn spellings_of_one_package_are_one() {
        for (one, other) in [
            ("pkg:npm/%40babel/core@7.0.0", "pkg:npm/@babel/core@7.0.0"),
            ("pkg:pypi/Django_Rest@1", "pkg:pypi/django-rest@1"),
            ("pkg:GitHub/Foo/Bar@v1", "pkg:github/foo/bar@v1"),
            ("pkg:maven/org.a/b@1?type=jar&classifier=x", "pkg:maven/org.a/b@1?classifier=x&type=jar"),
        ] {
            assert_eq!(parse(one), parse(other), "{one}");
        }
        assert_ne!(parse("pkg:maven/org.a/B@1"), parse("pkg:maven/org.a/b@1"), "Maven compares with case");
    }

    #[test]
    fn what_is_no_package_url_is_refused() {
        for text in
            ["", "pkg:", "npm/lodash", "pkg:npm", "pkg:npm/", "http://example.com/a", "pkg:9/a", "pkg:swift/Alamofire"]
        {
            assert!(text.parse::<Purl>().is_err(), "{text}");
        }
        assert_eq!(format!("pkg:npm/{}", "a".repeat(5000)).parse::<Purl>(), Err(ParsePurlError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(pkg:)?[ -~é]{0,60}") {
            drop(text.parse::<Purl>());
        }

        #[test]
        fn the_canonical_text_is_read_as_the_same(
            kind in "(npm|maven|generic|deb)", namespace in "[a-z][a-z.]{0,8}", name in "[A-Za-z0-9_.+-]{1,10}", version in "[0-9A-Za-z.+~:-]{1,10}"
        ) {
            let purl = parse(&format!("pkg:{kind}/{namespace}/{name}@{version}"));
            prop_assert_eq!(&parse(purl.as_str()), &purl);
        }
    }
}
