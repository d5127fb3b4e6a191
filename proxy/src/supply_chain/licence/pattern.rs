//! The entries of allow and deny lists.

use std::fmt;

use serde::{Deserialize, Serialize};
use spdx::{LicenseId, LicenseItem, LicenseReq};
use zas_policy::matches_pattern;

/// Where an entry for names begins.
const NAME: &str = "name:";

/// Which licences an entry means: `MIT`, `GPL-2.0-only WITH Classpath-exception-2.0`, `LicenseRef-acme`, `GPL-*`, or
/// `name:Apache License, Version 2.0` for a name that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LicencePattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Exact(LicenseReq),
    /// In lower case: SPDX compares identifiers without case (SPDX 2.3, annex D.2).
    Glob(String),
    Name(String),
}

/// A text that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no licence: {why}")]
pub struct ParsePatternError {
    text: String,
    why: String,
}

/// How precisely an entry means a licence; the more precise one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// By a pattern, or because a later version may be chosen.
    Loose,
    /// The licence, whatever is granted besides.
    Licence,
    /// The licence, with or without the exception, as it stands.
    Exact,
}

impl LicencePattern {
    /// How the entry fits a licence.
    pub(super) fn fit(&self, licence: &LicenseReq) -> Option<Fit> {
        match &self.kind {
            Kind::Name(_) => None,
            Kind::Glob(pattern) => {
                let name = current(licence).to_string().to_ascii_lowercase();
                matches_pattern(pattern, &name).then_some(Fit::Loose)
            }
            Kind::Exact(wanted) => fit(wanted, &current(licence)),
        }
    }

    /// Whether the entry lets the licensee of `licence` choose it: it is a later version of what `licence` allows to be later.
    pub(super) fn is_later(&self, licence: &LicenseReq) -> bool {
        let Kind::Exact(wanted) = &self.kind else { return false };
        let licence = current(licence);
        if wanted.addition.is_some() && wanted.addition != licence.addition {
            return false;
        }
        match (&wanted.license, &licence.license) {
            (LicenseItem::Spdx { id: wanted, .. }, LicenseItem::Spdx { id, or_later }) => {
                (*or_later || id.name.ends_with("-or-later")) && is_later_version(*wanted, *id)
            }
            _ => false,
        }
    }

    /// Whether the entry means this name.
    pub(super) fn fits_name(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(pattern) if matches_pattern(pattern, &name.to_lowercase()))
    }
}

fn fit(wanted: &LicenseReq, licence: &LicenseReq) -> Option<Fit> {
    let same = match (&wanted.license, &licence.license) {
        (LicenseItem::Spdx { id: a, .. }, LicenseItem::Spdx { id: b, .. }) => a == b,
        (a, b) => a == b,
    };
    if !same {
        return None;
    }
    match (&wanted.addition, &licence.addition) {
        (wanted, addition) if wanted == addition => Some(Fit::Exact),
        // An exception grants more than the licence alone.
        (None, Some(_)) => Some(Fit::Licence),
        _ => None,
    }
}

/// The licence under the identifier that SPDX has for it today: `GPL-2.0` is `GPL-2.0-only`.
fn current(licence: &LicenseReq) -> LicenseReq {
    let mut licence = licence.clone();
    if let LicenseItem::Spdx { id, .. } = &mut licence.license
        && id.is_gnu()
        && id.is_deprecated()
        && let Some(only) = spdx::gnu_license_id(id.name, false)
    {
        *id = only;
    }
    licence
}

/// Whether `later` is a version of the same licence that is no earlier: `GPL-3.0-only` for `GPL-2.0-or-later`.
fn is_later_version(later: LicenseId, id: LicenseId) -> bool {
    let (Some((base, version)), Some((later_base, later_version))) = (split_version(id), split_version(later)) else {
        return false;
    };
    base == later_base && later_version >= version
}

/// `GPL-2.0-or-later` as `GPL--` and `[2, 0]`.
fn split_version(id: LicenseId) -> Option<(String, Vec<u32>)> {
    let name = id.name.trim_end_matches("-or-later").trim_end_matches("-only");
    let mut version = None;
    let base: Vec<&str> = name
        .split('-')
        .filter(|part| {
            let read: Option<Vec<u32>> = part.split('.').map(|number| number.parse().ok()).collect();
            let first = version.is_none() && read.is_some();
            if first {
                version = read;
            }
            !first
        })
        .collect();
    Some((base.join("-"), version?))
}

impl TryFrom<String> for LicencePattern {
    type Error = ParsePatternError;

    fn try_from(text: String) -> Result<Self, ParsePatternError> {
        let refuse = |why: String| ParsePatternError { text: text.clone(), why };
        let kind = if let Some(name) = text.strip_prefix(NAME) {
            Kind::Name(name.trim().to_lowercase())
        } else if text.contains(['*', '?']) {
            Kind::Glob(text.trim().to_ascii_lowercase())
        } else {
            let expression = super::parse(&text).map_err(|error| refuse(error.to_string()))?;
            let mut requirements = expression.requirements();
            match (requirements.next(), requirements.next()) {
                (Some(one), None) => Kind::Exact(current(&one.req)),
                _ => return Err(refuse("an entry is one licence, without AND and OR".into())),
            }
        };
        Ok(Self { text, kind })
    }
}

impl From<LicencePattern> for String {
    fn from(pattern: LicencePattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for LicencePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> LicencePattern {
        text.to_owned().try_into().unwrap()
    }

    fn licence(text: &str) -> LicenseReq {
        super::super::parse(text).unwrap().requirements().next().unwrap().req.clone()
    }

    #[test]
    fn an_entry_fits_as_precisely_as_it_is_written() {
        for (entry, text, fit) in [
            ("MIT", "MIT", Some(Fit::Exact)),
            ("MIT", "Apache-2.0", None),
            ("Apache-2.0", "Apache-2.0+", Some(Fit::Exact)),
            ("GPL-2.0-only", "GPL-2.0", Some(Fit::Exact)),
            ("GPL-2.0", "GPL-2.0-only", Some(Fit::Exact)),
            ("GPL-2.0-only", "GPL-2.0+", None),
            ("GPL-2.0-only", "GPL-2.0-only WITH Classpath-exception-2.0", Some(Fit::Licence)),
            (
                "GPL-2.0-only WITH Classpath-exception-2.0",
                "GPL-2.0-only WITH Classpath-exception-2.0",
                Some(Fit::Exact),
            ),
            ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only", None),
            ("gpl-*", "GPL-2.0-only", Some(Fit::Loose)),
            ("GPL-*", "LGPL-2.1-only", None),
            ("LicenseRef-acme", "LicenseRef-acme", Some(Fit::Exact)),
            ("LicenseRef-*", "LicenseRef-acme", Some(Fit::Loose)),
            ("name:MIT", "MIT", None),
        ] {
            assert_eq!(pattern(entry).fit(&licence(text)), fit, "{entry} {text}");
        }
    }

    #[test]
    fn a_later_version_may_be_chosen_where_the_licence_says_so() {
        for (entry, text, later) in [
            ("GPL-3.0-only", "GPL-2.0-or-later", true),
            ("GPL-2.0-only", "GPL-3.0-or-later", false),
            ("GPL-3.0-only", "GPL-2.0-only", false),
            ("LGPL-3.0-only", "GPL-2.0-or-later", false),
            ("Apache-2.0", "Apache-1.1+", true),
            ("MPL-2.0", "MPL-1.1+", true),
            ("BSD-3-Clause", "BSD-2-Clause+", true),
            ("MIT", "Apache-2.0+", false),
        ] {
            assert_eq!(pattern(entry).is_later(&licence(text)), later, "{entry} {text}");
        }
    }

    #[test]
    fn what_is_no_licence_is_refused() {
        for text in ["", "Nothing-1.0", "MIT OR Apache-2.0", "MIT AND"] {
            assert!(LicencePattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
