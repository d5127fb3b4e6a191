//! What came of an evaluation, and why.

use serde::Serialize;
use time::OffsetDateTime;

use crate::supply_chain::sbom::Component;

/// What became of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Its licences are acceptable.
    Allowed,
    /// They are acceptable, and somebody should look.
    Warned,
    /// They are not, and an exception lets it pass.
    Excepted,
    /// They are not.
    Denied,
}

/// What said that a component is under a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The makers of the component.
    Declared,
    /// The makers of the document.
    Concluded,
    /// Nobody.
    Nothing,
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Reason {
    /// An entry of the deny list.
    DenyList {
        /// The licence.
        licence: String,
        /// The entry.
        entry: String,
    },
    /// There is an allow list, and no entry of it fits.
    NotOnAllowList {
        /// The licence.
        licence: String,
    },
    /// The identifier is deprecated.
    Deprecated {
        /// The licence.
        licence: String,
    },
    /// Nothing is said of a licence: `NOASSERTION`, or no word.
    Undeclared,
    /// `NONE`: there is said to be no licence.
    NoLicence,
    /// A name or an expression that cannot be read as one.
    Unreadable,
}

/// An exception that had to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionUsed {
    /// Its pattern of package URLs.
    pub purl: String,
    /// Why it was given.
    pub reason: String,
    /// When it ends or ended.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Whether it has ended, so that it no longer lets anything pass.
    pub expired: bool,
}

/// Why a component was not simply allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The component's name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// What the document calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The expression or name that was weighed; empty where nothing was said.
    pub expression: String,
    /// Who said it.
    pub basis: Basis,
    /// What became of it.
    pub decision: Decision,
    /// The rules that decided, the first first.
    pub reasons: Vec<Reason>,
    /// The exception that let it pass, or one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionUsed>,
}

impl Evidence {
    pub(super) fn new(component: &Component, expression: &str, basis: Basis) -> Self {
        Self {
            name: component.name.clone(),
            version: component.version.clone(),
            purl: component.purl.as_ref().map(ToString::to_string),
            reference: component.reference.clone(),
            expression: expression.to_owned(),
            basis,
            decision: Decision::Allowed,
            reasons: Vec::new(),
            exception: None,
        }
    }
}

/// What became of all components.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many are acceptable.
    pub allowed: u64,
    /// How many should be looked at.
    pub warned: u64,
    /// How many an exception lets pass.
    pub excepted: u64,
    /// How many are not acceptable.
    pub denied: u64,
    /// Why, for those that are not simply allowed; no more than was asked for.
    pub evidence: Vec<Evidence>,
}

impl Verdict {
    /// Whether no component is denied.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.denied == 0
    }

    pub(super) const fn count(&mut self, decision: Decision) {
        match decision {
            Decision::Allowed => self.allowed += 1,
            Decision::Warned => self.warned += 1,
            Decision::Excepted => self.excepted += 1,
            Decision::Denied => self.denied += 1,
        }
    }
}
