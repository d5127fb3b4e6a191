//! What is asked for: actions in AWS grammar, one vocabulary for all doors, and sets of them.

mod list;
mod set;

use std::fmt;
use std::str::FromStr;

pub use list::Action;
pub use set::ActionSet;

/// The API that an action belongs to: what stands before the colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Buckets and objects.
    S3,
    /// Repositories of the registry.
    Oci,
    /// Signatures, bills of materials, attestations: of objects and of repositories alike.
    Supply,
    /// Management.
    Admin,
    /// Audit records.
    Audit,
    /// Sessions.
    Sts,
}

/// The text names no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseActionError(String);

impl fmt::Display for ParseActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown action {:?}", self.0)
    }
}

impl std::error::Error for ParseActionError {}

/// Reads an action's name, in any case, as AWS does.
impl FromStr for Action {
    type Err = ParseActionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseActionError(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_back_from_its_name_in_any_case() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse::<Action>(), Ok(*action));
            assert_eq!(action.as_str().to_uppercase().parse::<Action>(), Ok(*action));
        }
    }

    #[test]
    fn an_unknown_action_is_refused_by_name() {
        let error = "s3:Fly".parse::<Action>().unwrap_err();
        assert_eq!(error.to_string(), "unknown action \"s3:Fly\"");
    }

    #[test]
    fn an_action_belongs_to_the_service_that_its_name_begins_with() {
        for action in Action::ALL {
            let service = format!("{:?}", action.service()).to_lowercase();
            assert_eq!(action.as_str().split(':').next(), Some(&*service), "{action}");
        }
    }
}
