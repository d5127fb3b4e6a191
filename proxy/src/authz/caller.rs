//! [`Caller`]: who asks, and what is known of the request besides.

use std::net::IpAddr;
use std::sync::Arc;

use zas_policy::{Action, KeyName, Principal, Resource};

use super::Conditions;
use crate::audit::{Kind, Record, Trail};
use crate::index::{Lists, Tags};

/// Who asks, and what is known of the request besides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    trail: Trail,
    conditions: Arc<Conditions>,
    reference: Option<Arc<str>>,
    tags: Option<Arc<(Resource, Tags)>>,
    lists: Heeds,
}

/// Whether access control lists count for somebody.
#[derive(Debug, Clone, Default)]
enum Heeds {
    /// No: the door knows none.
    #[default]
    No,
    /// Yes; they were not looked up.
    Unasked,
    /// These, of this resource.
    Known(Arc<(Resource, Lists)>),
}

impl Caller {
    /// Of a request.
    #[must_use]
    pub fn new(principal: Principal, trail: Trail, conditions: Conditions) -> Self {
        Self { principal, trail, conditions: Arc::new(conditions), reference: None, tags: None, lists: Heeds::No }
    }

    /// The same, who asks about this tag, digest or upload of the resource: records name it.
    #[must_use]
    pub fn about(mut self, reference: Option<&str>) -> Self {
        self.reference = reference.map(Arc::from);
        self
    }

    /// The same, whose request says something else.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = Arc::new(conditions);
        self
    }

    /// The same, who asks for this version of an object.
    #[must_use]
    pub fn asking_for(self, version: Option<&str>) -> Self {
        match version {
            Some(version) => {
                let conditions = self.conditions().clone().with(KeyName::VersionId, version);
                self.with_conditions(conditions)
            }
            None => self,
        }
    }

    /// The version of an object that is asked for; none for the current one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.conditions.version()
    }

    /// The same, who asks for an object that has these tags.
    #[must_use]
    pub fn knowing(mut self, object: Resource, tags: Tags) -> Self {
        self.tags = Some(Arc::new((object, tags)));
        self
    }

    /// The same, for whom access control lists count where their bucket lets them: whoever reads by such a right makes sure that it is the
    /// object whose list was looked at ([`Self::lists_of`]).
    #[must_use]
    pub fn heeding_lists(mut self) -> Self {
        self.lists = Heeds::Unasked;
        self
    }

    /// The same, who asks for something that has these lists. Nothing changes for whom lists do not count.
    #[must_use]
    pub fn knowing_lists(mut self, resource: Resource, lists: Lists) -> Self {
        if self.heeds_lists() {
            self.lists = Heeds::Known(Arc::new((resource, lists)));
        }
        self
    }

    /// The same, who knows of no tags and no lists: they are looked up where a decision depends on them.
    #[must_use]
    pub fn knowing_nothing(mut self) -> Self {
        self.tags = None;
        if self.heeds_lists() {
            self.lists = Heeds::Unasked;
        }
        self
    }

    /// Whether access control lists count for them.
    #[must_use]
    pub const fn heeds_lists(&self) -> bool {
        !matches!(self.lists, Heeds::No)
    }

    /// The lists that this resource had when they were looked up; none where they were not.
    #[must_use]
    pub fn lists_of(&self, resource: &Resource) -> Option<&Lists> {
        match &self.lists {
            Heeds::Known(known) if known.0 == *resource => Some(&known.1),
            _ => None,
        }
    }

    /// The tags that this object had when they were looked up; none where they were not.
    #[must_use]
    pub fn tags_of(&self, object: &Resource) -> Option<&Tags> {
        self.tags.as_deref().filter(|(known, _)| known == object).map(|(_, tags)| tags)
    }

    /// Who asks.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is known of the request.
    #[must_use]
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Where the request comes from, as far as that is known.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.trail.facts().and_then(|facts| facts.source_ip)
    }

    /// What the request says under the condition keys of policies.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// A record of what is asked for; `None` where nothing is to be recorded.
    pub(super) fn record(&self, kind: Kind, action: Action, resource: &Resource) -> Option<Record> {
        let record = self.trail.record(kind, &self.principal, action, resource)?;
        Some(match &self.reference {
            Some(reference) => record.reference(reference),
            None => record,
        })
    }
}
