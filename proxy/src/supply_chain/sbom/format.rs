//! The formats and versions that are read, by their names in media types and predicates.

use std::fmt;

/// A version of CycloneDX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CycloneDx {
    /// 1.2
    V1_2,
    /// 1.3
    V1_3,
    /// 1.4
    V1_4,
    /// 1.5
    V1_5,
    /// 1.6
    V1_6,
    /// 1.7
    V1_7,
}

impl CycloneDx {
    /// Every version, the oldest first.
    pub const ALL: [Self; 6] = [Self::V1_2, Self::V1_3, Self::V1_4, Self::V1_5, Self::V1_6, Self::V1_7];

    /// As `specVersion` and the XML namespace write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
            Self::V1_4 => "1.4",
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }

    /// The version of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }
}

/// A version of SPDX 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spdx2 {
    /// 2.2
    V2_2,
    /// 2.3
    V2_3,
}

impl Spdx2 {
    /// Every version, the oldest first.
    pub const ALL: [Self; 2] = [Self::V2_2, Self::V2_3];

    /// The version without the prefix `SPDX-`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2_2 => "2.2",
            Self::V2_3 => "2.3",
        }
    }

    /// The version that `spdxVersion` names: `SPDX-2.3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let version = text.strip_prefix("SPDX-")?;
        Self::ALL.into_iter().find(|known| known.as_str() == version)
    }
}

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// CycloneDX as JSON.
    CycloneDxJson(CycloneDx),
    /// CycloneDX as XML.
    CycloneDxXml(CycloneDx),
    /// SPDX 2 as JSON.
    Spdx2Json(Spdx2),
    /// SPDX 2 as lines of tags and values.
    Spdx2TagValue(Spdx2),
    /// SPDX 3.0.1 as JSON-LD.
    Spdx3Json,
}

impl Format {
    /// The family: `cyclonedx` or `spdx`.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::CycloneDxJson(_) | Self::CycloneDxXml(_) => "cyclonedx",
            Self::Spdx2Json(_) | Self::Spdx2TagValue(_) | Self::Spdx3Json => "spdx",
        }
    }

    /// The version of the specification.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::CycloneDxJson(version) | Self::CycloneDxXml(version) => version.as_str(),
            Self::Spdx2Json(version) | Self::Spdx2TagValue(version) => version.as_str(),
            Self::Spdx3Json => "3.0.1",
        }
    }

    /// How it is written: `json`, `xml`, `tag-value` or `json-ld`.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::CycloneDxJson(_) | Self::Spdx2Json(_) => "json",
            Self::CycloneDxXml(_) => "xml",
            Self::Spdx2TagValue(_) => "tag-value",
            Self::Spdx3Json => "json-ld",
        }
    }

    /// The media type that a plain document of it is stored under (IANA, "Media Types"; `text/spdx` is what SPDX registered
    /// for lines of tags and values).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::CycloneDxJson(_) => "application/vnd.cyclonedx+json",
            Self::CycloneDxXml(_) => "application/vnd.cyclonedx+xml",
            Self::Spdx2Json(_) | Self::Spdx3Json => "application/spdx+json",
            Self::Spdx2TagValue(_) => "text/spdx",
        }
    }

    /// The predicate type of a statement that carries it (in-toto attestation, "Predicates": CycloneDX and SPDX).
    #[must_use]
    pub const fn predicate_type(self) -> &'static str {
        match self {
            Self::CycloneDxJson(_) | Self::CycloneDxXml(_) => "https://cyclonedx.org/bom",
            Self::Spdx2Json(_) | Self::Spdx2TagValue(_) => "https://spdx.dev/Document/v2.3",
            Self::Spdx3Json => "https://spdx.dev/Document/v3",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family() == "spdx" { "SPDX" } else { "CycloneDX" };
        write!(f, "{family} {} {}", self.version(), self.encoding())
    }
}
