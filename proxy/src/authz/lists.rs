//! Access control lists: looked up where a bucket lets them count, and only where no policy has decided.
//!
//! Which buckets that are every replica knows with the policies, so that no other bucket's requests ask for a list. What the lists are is
//! asked of the index for each request that they may decide, of one instant with the ownership and the public access block.
//! What does not live here: what a list allows (crate `zas-policy`), and how one is set (`s3`).

use std::borrow::Cow;

use zas_policy::{AccessLists, Action, Context, Decision, Found, Gate, Key, KeyName, Reason, Resource};

use super::gate::Shown;
use super::{Authority, Caller};
use crate::error::{Code, Result};
use crate::index::{ListOf, Lists};

impl Authority {
    /// Where no policy allows and none surely denies, decides once more for a caller who knows the lists.
    pub(super) async fn weigh_lists<'a>(
        &self,
        caller: Cow<'a, Caller>,
        action: Action,
        resource: &Resource,
        shown: Shown<'_>,
        decision: Decision,
    ) -> Result<(Cow<'a, Caller>, Decision)> {
        let is_undecided = matches!(decision.reason, Reason::NoStatementAllows | Reason::StateIsUnknown);
        if !is_undecided || !caller.heeds_lists() || caller.lists_of(resource).is_some() {
            return Ok((caller, decision));
        }
        let Some(lists) = self.lists(action, resource, caller.conditions().version()).await? else {
            return Ok((caller, decision));
        };
        let caller = Cow::Owned(caller.into_owned().knowing_lists(resource.clone(), lists));
        let decision = self.decide(&caller, action, resource, shown);
        Ok((caller, decision))
    }

    /// The lists that may allow an action; none where none can.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub(super) async fn lists(
        &self,
        action: Action,
        resource: &Resource,
        version: Option<&str>,
    ) -> Result<Option<Lists>> {
        let (Some(index), Some(bucket)) = (self.index(), resource.bucket_name()) else { return Ok(None) };
        if !action.can_be_granted() || !self.policies().has_lists(bucket) {
            return Ok(None);
        }
        let object = match resource {
            Resource::Object { key, .. } => Some(ListOf { key, version }),
            _ => None,
        };
        match Box::pin(index.lists(bucket, object)).await {
            Ok(lists) => Ok(Some(lists)),
            Err(error) if error.code() == Code::NoSuchBucket => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The version that somebody would ask for.
pub(super) fn version(context: &dyn Context) -> Option<String> {
    match context.find(&Key::plain(KeyName::VersionId)) {
        Found::Values(values) => values.first().map(|version| version.to_string()),
        Found::Missing | Found::Unknown => None,
    }
}

/// What somebody says of a request, with the lists as they are.
pub(super) struct Listed<'a> {
    pub context: &'a dyn Context,
    pub lists: Option<AccessLists<'a>>,
}

impl Context for Listed<'_> {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        self.context.find(key)
    }

    fn gate(&self) -> Gate {
        self.context.gate()
    }

    fn lists(&self) -> Option<AccessLists<'_>> {
        self.lists
    }
}

#[cfg(test)]
mod tests;
