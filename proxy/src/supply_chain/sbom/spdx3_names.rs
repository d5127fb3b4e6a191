//! SPDX 3: names that mean something beyond the document (SPDX 3.0.1, "Software", "Licensing").

use super::model::Licence;

/// Whether a class is a package.
pub(super) fn is_package(class: &str) -> bool {
    matches!(class, "software_Package" | "ai_AIPackage" | "dataset_DatasetPackage")
}

/// What a relationship says of a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The makers of the package give it.
    Declared,
    /// The makers of the document hold it to be so.
    Concluded,
}

impl Said {
    pub(super) fn of(relationship: &str) -> Option<Self> {
        match relationship {
            "hasDeclaredLicense" => Some(Self::Declared),
            "hasConcludedLicense" => Some(Self::Concluded),
            _ => None,
        }
    }
}

/// The licence that a name of SPDX's own stands for: one of the list, none, or nothing said.
pub(super) fn licence_of_name(name: &str) -> Option<Licence> {
    let (_, behind) = name.split_once("://spdx.org/")?;
    if let Some(id) = behind.strip_prefix("licenses/") {
        return Some(Licence::Expression(id.trim_end_matches(".html").to_owned()));
    }
    match behind.rsplit('/').next()? {
        "NoneLicense" => Some(Licence::None),
        "NoAssertionLicense" => Some(Licence::NoAssertion),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_spdx_stand_for_licences() {
        for (name, licence) in [
            ("http://spdx.org/licenses/MIT", Some(Licence::Expression("MIT".into()))),
            ("https://spdx.org/licenses/MIT.html", Some(Licence::Expression("MIT".into()))),
            ("https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense", Some(Licence::NoAssertion)),
            ("https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoneLicense", Some(Licence::None)),
            ("https://example.com/doc#licence", None),
            ("MIT", None),
        ] {
            assert_eq!(licence_of_name(name), licence, "{name}");
        }
    }
}
