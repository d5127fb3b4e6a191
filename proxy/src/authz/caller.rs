//! [`Caller`]: who asks, and what is known of the request besides.

use std::net::IpAddr;
use std::sync::Arc;

use zas_policy::{Action, KeyName, Principal, Resource};

use super::Conditions;
use crate::audit::{Kind, Record, Trail};
use crate::index::Tags;

/// Who asks, and what is known of the request besides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    trail: Trail,
    conditions: Arc<Conditions>,
    reference: Option<Arc<str>>,
    tags: Option<Arc<(Resource, Tags)>>,
}

impl Caller {
    /// Of a request.
    #[must_use]
    pub fn new(principal: Principal, trail: Trail, conditions: Conditions) -> Self {
        Self { principal, trail, conditions: Arc::new(conditions), reference: None, tags: None }
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

    /// The same, who knows of no tags: they are looked up where a decision depends on them.
    #[must_use]
    pub fn knowing_nothing(mut self) -> Self {
        self.tags = None;
        self
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
