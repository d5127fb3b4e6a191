//! Who owns what others write to a bucket (AWS, *Controlling ownership of objects*).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who owns the objects of a bucket, and with it whether access control lists count there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ObjectOwnership {
    /// The owner of the bucket owns everything in it. Access control lists count for nothing.
    #[default]
    BucketOwnerEnforced,
    /// Whoever writes an object owns it, unless they give it to the bucket's owner by the list `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Whoever writes an object owns it.
    ObjectWriter,
}

impl ObjectOwnership {
    /// Every ownership.
    pub const ALL: [Self; 3] = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];

    /// As S3 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// Reads what S3 writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ownership| ownership.as_str() == text)
    }

    /// Whether access control lists count.
    #[must_use]
    pub const fn has_lists(self) -> bool {
        !matches!(self, Self::BucketOwnerEnforced)
    }
}

/// The ownership that somebody has set, or has removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipControls {
    /// As S3 writes it; unset: it was removed, which is not the same as never having been set.
    pub object_ownership: Option<String>,
}

impl OwnershipControls {
    /// Controls that say this.
    #[must_use]
    pub fn of(ownership: ObjectOwnership) -> Self {
        Self { object_ownership: Some(ownership.as_str().to_owned()) }
    }

    /// What they mean. Where they were removed, or say what this version does not know, the owner owns everything.
    #[must_use]
    pub fn ownership(&self) -> ObjectOwnership {
        self.object_ownership.as_deref().and_then(ObjectOwnership::parse).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ownership_is_read_as_it_is_written_and_whatever_else_there_is_lets_no_list_count() {
        for ownership in ObjectOwnership::ALL {
            assert_eq!(ObjectOwnership::parse(ownership.as_str()), Some(ownership));
            assert_eq!(serde_json::to_value(ownership).unwrap(), ownership.as_str());
            assert_eq!(OwnershipControls::of(ownership).ownership(), ownership);
        }
        for other in [None, Some("objectwriter".to_owned()), Some(String::new())] {
            assert!(!OwnershipControls { object_ownership: other }.ownership().has_lists());
        }
    }
}
