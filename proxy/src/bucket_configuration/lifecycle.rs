//! When objects, versions and uploads of a bucket expire (AWS, *Managing the lifecycle of objects*).
//!
//! Pure: rules and what they say of one object. What does not live here: XML (`s3::lifecycle`), and the worker that goes by them
//! (`crate::lifecycle`). There is one storage class, so that nothing moves between several.

mod check;
mod due;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Tag;
use crate::index::Tags;

/// The rules of a bucket; each that fits has its say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The rules, as they were sent.
    pub rules: Vec<Rule>,
}

/// What expires, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Its name; made up where nobody gave it one.
    pub id: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// What it is about.
    pub scope: Scope,
    /// When current versions go.
    pub expiration: Option<Expiration>,
    /// When older versions go.
    pub noncurrent: Option<Noncurrent>,
    /// So many days after they began, unfinished uploads go.
    pub abort_days: Option<i32>,
}

/// What a rule is about: whatever fits all that is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// How it was written.
    pub form: Form,
    /// What keys begin with.
    pub prefix: Option<String>,
    /// Tags that it has, among others.
    pub tags: Vec<Tag>,
    /// More bytes than this.
    pub greater_than: Option<i64>,
    /// Fewer bytes than this.
    pub less_than: Option<i64>,
}

/// How a scope was written, so that it is shown so again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A prefix beside the rule's other elements, as in the older form.
    Legacy,
    /// A filter with one condition, or none.
    #[default]
    Filter,
    /// A filter with several.
    And,
}

/// When current versions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiration {
    /// So many days after they were written.
    Days(i32),
    /// At this time, and from then on.
    Date(#[serde(with = "time::serde::timestamp")] OffsetDateTime),
    /// Whether delete markers go that hide nothing any more.
    DeleteMarker(bool),
}

/// When older versions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noncurrent {
    /// So many days after another version followed.
    pub days: i32,
    /// But so many of a key always stay, the newest.
    #[serde(default)]
    pub keep: Option<i32>,
}

/// What rules are asked about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The key.
    pub key: &'a str,
    /// Bytes.
    pub size: u64,
    /// Tags.
    pub tags: &'a Tags,
}

/// That something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<'a> {
    /// When.
    pub at: OffsetDateTime,
    /// By which rule.
    pub rule: &'a str,
    /// Whether the rule asks for tags: it has its say only as long as they stay.
    pub by_tags: bool,
}

impl Lifecycle {
    /// When a current version goes that is no delete marker: by the rule that is first due.
    #[must_use]
    pub fn expiry(&self, subject: Subject<'_>, modified: OffsetDateTime) -> Option<Due<'_>> {
        self.first(|rule| rule.scope.holds(subject).then(|| rule.expires_at(modified)).flatten())
    }

    /// When a delete marker goes that is the only version of its key.
    #[must_use]
    pub fn marker_expiry(&self, key: &str, modified: OffsetDateTime) -> Option<Due<'_>> {
        self.first(|rule| rule.scope.holds_of_nothing(key).then(|| rule.marker_expires_at(modified)).flatten())
    }

    /// When an older version goes that has been one `since` then and has `newer` older versions of its key before it. A delete marker has
    /// neither bytes nor tags: it is asked about without a subject.
    #[must_use]
    pub fn noncurrent_expiry(
        &self,
        key: &str,
        subject: Option<Subject<'_>>,
        since: OffsetDateTime,
        newer: i64,
    ) -> Option<Due<'_>> {
        self.first(|rule| {
            let holds = subject.map_or_else(|| rule.scope.holds_of_nothing(key), |subject| rule.scope.holds(subject));
            let noncurrent = rule.noncurrent.filter(|noncurrent| holds && newer >= noncurrent.keep())?;
            due::after_days(since, noncurrent.days)
        })
    }

    /// When an upload goes that nobody finishes.
    #[must_use]
    pub fn abort(&self, key: &str, initiated: OffsetDateTime) -> Option<Due<'_>> {
        self.first(|rule| due::after_days(initiated, rule.abort_days.filter(|_| rule.scope.holds_of_nothing(key))?))
    }

    /// The most older versions that a rule keeps.
    #[must_use]
    pub fn most_kept(&self) -> i64 {
        self.in_force().filter_map(|rule| rule.noncurrent).map(|noncurrent| noncurrent.keep()).max().unwrap_or(0)
    }

    /// What keys begin with that some rule in force is about, of those that `concerns` says; in order, and none within another.
    pub fn prefixes(&self, concerns: impl Fn(&Rule) -> bool) -> Vec<&str> {
        let mut all: Vec<&str> =
            self.in_force().filter(|rule| concerns(rule)).map(|rule| rule.scope.prefix()).collect();
        all.sort_unstable();
        let mut kept: Vec<&str> = Vec::new();
        for prefix in all {
            if kept.last().is_none_or(|last| !prefix.starts_with(last)) {
                kept.push(prefix);
            }
        }
        kept
    }

    fn in_force(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    fn first(&self, at: impl Fn(&Rule) -> Option<OffsetDateTime>) -> Option<Due<'_>> {
        let dues = self.in_force().filter_map(|rule| {
            let by_tags = !rule.scope.tags.is_empty();
            at(rule).map(|at| Due { at, rule: &rule.id, by_tags })
        });
        dues.min_by_key(|due| due.at)
    }
}

impl Rule {
    fn expires_at(&self, modified: OffsetDateTime) -> Option<OffsetDateTime> {
        match self.expiration? {
            Expiration::Days(days) => due::after_days(modified, days),
            Expiration::Date(date) => Some(date),
            Expiration::DeleteMarker(_) => None,
        }
    }

    /// A rule about age takes markers along that are as old as it says.
    fn marker_expires_at(&self, modified: OffsetDateTime) -> Option<OffsetDateTime> {
        match self.expiration? {
            Expiration::DeleteMarker(goes) => goes.then_some(modified),
            Expiration::Days(_) | Expiration::Date(_) => self.expires_at(modified),
        }
    }
}

impl Noncurrent {
    fn keep(self) -> i64 {
        self.keep.map_or(0, i64::from)
    }
}

impl Scope {
    /// What keys begin with; nothing where any key will do.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn holds(&self, subject: Subject<'_>) -> bool {
        let size = i64::try_from(subject.size).unwrap_or(i64::MAX);
        subject.key.starts_with(self.prefix())
            && self.greater_than.is_none_or(|least| size > least)
            && self.less_than.is_none_or(|most| size < most)
            && self.tags.iter().all(|tag| subject.tags.get(&tag.key) == Some(&tag.value))
    }

    /// Of what has neither bytes nor tags.
    fn holds_of_nothing(&self, key: &str) -> bool {
        key.starts_with(self.prefix()) && !self.is_about_sizes() && self.tags.is_empty()
    }

    fn is_about_sizes(&self) -> bool {
        self.greater_than.is_some() || self.less_than.is_some()
    }
}
