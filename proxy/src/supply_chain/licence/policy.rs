//! What licences may be.

use serde::{Deserialize, Serialize};

use super::exception::LicenceException;
use super::pattern::LicencePattern;

/// What is done about something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Nothing.
    Allow,
    /// It passes, with evidence.
    Warn,
    /// It does not pass.
    #[default]
    Deny,
}

/// Which of the things that are said of a licence count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claims {
    /// What is concluded; where nothing is, what is declared.
    #[default]
    Concluded,
    /// What is declared; where nothing is, what is concluded.
    Declared,
    /// Both: each must be acceptable.
    Both,
}

/// A policy for licences. The default allows what has a licence that can be read, and denies the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LicencePolicy {
    /// What is acceptable; empty: everything that is not denied.
    pub allow: Vec<LicencePattern>,
    /// What is not. Of an allow and a deny that both fit, the one that says more precisely what it means counts; of two that
    /// are as precise, the deny.
    pub deny: Vec<LicencePattern>,
    /// Packages that pass all the same, for a while.
    pub exceptions: Vec<LicenceException>,
    /// Which claims count.
    pub claims: Claims,
    /// Components of which nothing is said: `NOASSERTION`, or no word.
    pub undeclared: Treatment,
    /// Components that are said to have no licence: `NONE`.
    pub none: Treatment,
    /// Names and expressions that cannot be read, where no entry `name:` fits.
    pub unreadable: Treatment,
    /// Identifiers that SPDX has deprecated; what they mean is weighed besides.
    pub deprecated: Treatment,
}

impl Default for LicencePolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            exceptions: Vec::new(),
            claims: Claims::default(),
            undeclared: Treatment::Deny,
            none: Treatment::Deny,
            unreadable: Treatment::Deny,
            deprecated: Treatment::Allow,
        }
    }
}
