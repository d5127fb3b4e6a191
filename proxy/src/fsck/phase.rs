//! The phases of a run, in their order.

/// What a run looks at, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Blobs that the index knows, at the registry.
    Blobs,
    /// Rows of objects.
    Objects,
    /// Parts of open uploads.
    Uploads,
    /// What buckets are counted to hold.
    Buckets,
    /// Pins.
    Pins,
    /// Upload sessions at the registry.
    Sessions,
    /// Signatures and the like that the index knows, at the registry.
    Referrers,
    /// Manifests at the registry, in our repositories, that the index does not know.
    Repositories,
    /// Repositories at the registry that the index does not know.
    Catalog,
    /// Blobs in the registry's folder that the index does not know.
    Files,
}

impl Phase {
    /// The first one.
    pub const FIRST: Self = Self::Blobs;

    /// All of them, in their order.
    pub const ALL: &'static [Self] = &[
        Self::Blobs,
        Self::Objects,
        Self::Uploads,
        Self::Buckets,
        Self::Pins,
        Self::Sessions,
        Self::Referrers,
        Self::Repositories,
        Self::Catalog,
        Self::Files,
    ];

    /// The name, as it is saved and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Objects => "objects",
            Self::Uploads => "uploads",
            Self::Buckets => "buckets",
            Self::Pins => "pins",
            Self::Sessions => "sessions",
            Self::Referrers => "referrers",
            Self::Repositories => "repositories",
            Self::Catalog => "catalog",
            Self::Files => "files",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.as_str() == text)
    }

    /// The one that follows.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.iter().copied().skip_while(|phase| *phase != self).nth(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_follow_each_other_to_the_last_and_are_known_by_their_names() {
        let mut passed = vec![Phase::FIRST];
        while let Some(next) = passed.last().and_then(|phase| phase.next()) {
            passed.push(next);
        }
        assert_eq!(passed, Phase::ALL);
        assert!(Phase::ALL.iter().all(|phase| Phase::parse(phase.as_str()) == Some(*phase)));
        assert_eq!(Phase::parse("moon"), None);
    }
}
