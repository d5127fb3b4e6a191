//! [`ReferrerTag`]: tags by which clients find what refers to a manifest.

use super::Kind;
use crate::digest::Digest;

/// A tag that is no key, in any bucket: clients find by it what refers to a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferrerTag {
    /// `sha256-<hex>`: the list of referrers (OCI distribution-spec 1.1, "Referrers Tag Schema").
    List(Digest),
    /// `sha256-<hex>.sig`, `.att`, `.sbom`: one manifest (cosign, "Signature Specification").
    One {
        /// What it refers to.
        subject: Digest,
        /// What it is.
        kind: Kind,
    },
}

impl ReferrerTag {
    /// Reads a tag; `None` where it is a key.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let rest = tag.strip_prefix("sha256-")?;
        let (hex, end) = rest.split_once('.').map_or((rest, None), |(hex, end)| (hex, Some(end)));
        let subject: Digest = format!("sha256:{hex}").parse().ok()?;
        match end {
            None => Some(Self::List(subject)),
            Some("sig") => Some(Self::One { subject, kind: Kind::Signature }),
            Some("att") => Some(Self::One { subject, kind: Kind::Attestation }),
            Some("sbom") => Some(Self::One { subject, kind: Kind::Sbom }),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers_are_told_from_keys() {
        let subject = Digest::of(b"x");
        let hex = subject.hex();
        let one = |kind| Some(ReferrerTag::One { subject, kind });
        assert_eq!(ReferrerTag::parse(&format!("sha256-{hex}")), Some(ReferrerTag::List(subject)));
        assert_eq!(ReferrerTag::parse(&format!("sha256-{hex}.sig")), one(Kind::Signature));
        assert_eq!(ReferrerTag::parse(&format!("sha256-{hex}.att")), one(Kind::Attestation));
        assert_eq!(ReferrerTag::parse(&format!("sha256-{hex}.sbom")), one(Kind::Sbom));
        for key in [
            format!("sha256-{hex}.txt"),
            format!("sha256-{hex}.sig.old"),
            format!("sha256-{}", &hex[1..]),
            format!("sha512-{hex}"),
            format!("sha256-{}", hex.to_uppercase()),
            "latest".to_owned(),
        ] {
            assert_eq!(ReferrerTag::parse(&key), None, "{key}");
        }
    }
}
