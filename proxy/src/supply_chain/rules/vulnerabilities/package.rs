//! Whether two package URLs mean the same package.

use std::collections::BTreeSet;

use crate::supply_chain::sbom::Purl;

/// Whether a package that was found is one of those that a package URL means: without a version it means every version, and a
/// qualifier that it does not have means any.
pub(super) fn means(meant: &Purl, found: &Purl) -> bool {
    let is_named = meant.kind == found.kind && meant.namespace == found.namespace && meant.name == found.name;
    is_named
        && meant.version.as_ref().is_none_or(|version| found.version.as_ref() == Some(version))
        && qualifiers(meant).is_subset(&qualifiers(found))
}

fn qualifiers(purl: &Purl) -> BTreeSet<&str> {
    purl.qualifiers().split('&').filter(|qualifier| !qualifier.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_url_means_what_it_says_and_what_it_leaves_open() {
        for (meant, found, expected) in [
            ("pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0", true),
            ("pkg:npm/a", "pkg:npm/a@1.0.0", true),
            ("pkg:npm/a@1.0.0", "pkg:npm/a@1.0.1", false),
            ("pkg:npm/a@1.0.0", "pkg:npm/a", false),
            ("pkg:npm/%40x/a@1", "pkg:npm/a@1", false),
            ("pkg:pypi/a@1", "pkg:npm/a@1", false),
            ("pkg:deb/debian/curl@1", "pkg:deb/debian/curl@1?arch=amd64", true),
            ("pkg:deb/debian/curl@1?arch=arm64", "pkg:deb/debian/curl@1?arch=amd64&distro=debian-12", false),
            ("pkg:deb/debian/curl@1?arch=amd64", "pkg:deb/debian/curl@1?arch=amd64&distro=debian-12", true),
        ] {
            assert_eq!(means(&meant.parse().unwrap(), &found.parse().unwrap()), expected, "{meant} {found}");
        }
    }
}
