//! [`Visit`]: one request below `s3/`: who asks, about which folder, and what they may.
//!
//! Whoever may read an object by S3 may read its manifest and its layer here. A digest may be that of several objects: then one of
//! them is enough. What one may not read is not there: to whoever is known the answer is the same as for a digest that does not
//! exist, and to a stranger it is a challenge.

use http::HeaderMap;
use http::request::Parts;
use zas_policy::{Action, KeyName, Resource};

use super::super::name::{Name, Reference};
use super::super::path::Route;
use super::super::{conditions, principal, scope};
use super::Folder;
use crate::app::App;
use crate::audit::{self, Api, Facts, Trail};
use crate::authz::{Artifact, Caller, Conditions, Permit};
use crate::digest::Digest;
use crate::error::{Code, Error, RequestId, Result};
use crate::gateway::RequestContext;
use crate::identity::Access;
use crate::index::{SbomScope, ScopeKind};
use crate::supply_chain::evidence::{KeyedObject, KnownArtifact};
use crate::supply_chain::referrer::Kind;

/// Keys that are looked at for one digest. Whoever may read only others names their folder.
pub(super) const KEYS: u32 = 1000;

/// Objects that are looked at for one blob of referrers.
const ROOTS: usize = 16;

/// One request.
pub(super) struct Visit<'a> {
    pub(super) app: &'a App,
    pub(super) name: &'a Name,
    pub(super) folder: Folder,
    pub(super) caller: Caller,
    pub(super) request_id: &'a RequestId,
    granted: Option<Vec<Access>>,
}

impl<'a> Visit<'a> {
    /// Finds out who asks.
    ///
    /// # Errors
    /// `NameUnknown`; those of wrong credentials.
    pub(super) async fn of(
        app: &'a App,
        route: &'a Route,
        parts: &Parts,
        context: &'a RequestContext,
    ) -> Result<Visit<'a>> {
        let name = route.name().ok_or_else(|| Error::internal("a route of objects has a name"))?;
        let folder = Folder::of(name)?;
        let (principal, granted) = principal(&app.identity, &parts.headers).await?;
        let conditions = listed(route, &folder, conditions(route, &parts.headers, tag(route)));
        let caller = Caller::new(principal, trail(context, &parts.headers), conditions);
        Ok(Self { app, name, folder, caller, request_id: &context.request_id, granted })
    }

    /// Asks the policy, and then whether the token that was shown is for this.
    ///
    /// # Errors
    /// Those of [`Authority::authorize`](crate::authz::Authority::authorize); `InsufficientScope`.
    pub(super) async fn permit(&self, action: Action, resource: Resource) -> Result<Permit> {
        let permit = self.app.authority.authorize(&self.caller, action, resource).await?;
        self.check_scope(action)?;
        Ok(permit)
    }

    /// The right to do all of `actions` somewhere in the bucket.
    ///
    /// # Errors
    /// As [`Self::permit`].
    pub(super) async fn permit_somewhere(&self, actions: &[Action]) -> Result<Permit> {
        let permit = self.app.authority.authorize_somewhere(&self.caller, actions, self.folder.bucket()).await?;
        self.check_scope(permit.action())?;
        Ok(permit)
    }

    /// The right to do all of `actions` to one of the objects of these keys; `None` where there are no keys. The permit is that for
    /// the first action.
    ///
    /// # Errors
    /// `AccessDenied` where it is not allowed for any of them; that is on record for the first.
    pub(super) async fn permit_on(&self, actions: &[Action], keys: &[String]) -> Result<Option<Permit>> {
        let Some(key) = self.allowed(actions, keys).or_else(|| keys.first()) else { return Ok(None) };
        let mut first = None;
        for action in actions {
            let permit = self.permit(*action, self.object(key)).await?;
            first = first.or(Some(permit));
        }
        Ok(first)
    }

    /// The right to read the object of a key.
    ///
    /// # Errors
    /// As [`Self::permit`]; `GateNotMet`.
    pub(super) async fn permit_key(&self, key: &str) -> Result<Permit> {
        let object = KeyedObject { app: self.app, bucket: self.folder.bucket(), key, version: None };
        self.permit_artifact(key, &object).await
    }

    /// The right to read one of the objects of these keys; `digest_of` is the digest of each one's manifest, by its place.
    ///
    /// # Errors
    /// As [`Self::permit`], but for a refusal, which is `None`; `GateNotMet` where what is known of them alone is in the way.
    pub(super) async fn permit_read(
        &self,
        keys: &[String],
        digest_of: impl Fn(usize) -> Option<Digest>,
    ) -> Result<Option<Permit>> {
        let is_open = |key: &str| self.app.authority.depends(&self.caller, Action::GetObject, &self.object(key));
        if let Some(key) = keys.iter().find(|key| self.may(Action::GetObject, &self.object(key)) && !is_open(key)) {
            return unless_denied(self.permit(Action::GetObject, self.object(key)).await.map(Some));
        }
        let (mut refused, mut looked_at) = (None, 0);
        for (at, key) in keys.iter().enumerate().filter(|(_, key)| is_open(key)) {
            let Some(digest) = digest_of(at).filter(|_| looked_at < ROOTS) else { continue };
            looked_at += 1;
            let scope = SbomScope { kind: ScopeKind::Bucket, name: self.folder.bucket().to_owned() };
            let artifact = KnownArtifact { app: self.app, scope: &scope, key, digest };
            match unless_denied(self.permit_artifact(key, &artifact).await.map(Some)) {
                Ok(None) => {}
                Err(error) if error.code() == Code::GateNotMet => refused = refused.or(Some(error)),
                permit => return permit,
            }
        }
        match refused {
            Some(error) => Err(error),
            None => unless_denied(self.permit_on(&[Action::GetObject], keys).await),
        }
    }

    async fn permit_artifact(&self, key: &str, artifact: &impl Artifact) -> Result<Permit> {
        let authority = &self.app.authority;
        let permit = authority.authorize_artifact(&self.caller, Action::GetObject, self.object(key), artifact).await?;
        self.check_scope(Action::GetObject)?;
        Ok(permit)
    }

    /// As [`Self::permit`], for what is said about an object and is not its bytes.
    async fn permit_knowing(&self, action: Action, resource: Resource) -> Result<Permit> {
        let permit = self.app.authority.authorize_knowing(&self.caller, action, resource).await?;
        self.check_scope(action)?;
        Ok(permit)
    }

    /// The right to read what refers to one of these objects: of whoever may read the object, or pull from this repository.
    ///
    /// # Errors
    /// As [`Self::permit`], but for a refusal, which is `None`.
    pub(super) async fn permit_referrers(&self, roots: &[Digest]) -> Result<Option<Permit>> {
        let (bucket, prefix) = (self.folder.bucket(), self.folder.prefix());
        let repository = Resource::repository(self.name.as_str());
        for root in roots.iter().take(ROOTS) {
            let keys = self.app.index.artifact_keys(bucket, prefix, root, KEYS).await?.keys;
            if let Some(key) = self.knowable(&keys) {
                return self.permit_knowing(Action::GetObject, self.object(key)).await.map(Some);
            }
        }
        unless_denied(self.permit_knowing(Action::Pull, repository).await.map(Some))
    }

    /// The right to read anything in the bucket, or to attach anything there.
    ///
    /// # Errors
    /// As [`Self::permit`], but for a refusal, which is `None`.
    pub(super) async fn permit_anything(&self) -> Result<Option<Permit>> {
        let repository = Resource::repository(self.name.as_str());
        if self.may_know(Action::Pull, &repository) {
            return self.permit_knowing(Action::Pull, repository).await.map(Some);
        }
        let actions = [&[Action::GetObject][..], &Kind::ATTACH].concat();
        unless_denied(self.permit_somewhere(&actions).await.map(Some))
    }

    /// Whether the caller may read what refers to the object of this manifest, as [`Self::permit_referrers`] says; not on record.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub(super) async fn may_read_referrers(&self, root: &Digest) -> Result<bool> {
        let keys = self.app.index.artifact_keys(self.folder.bucket(), self.folder.prefix(), root, KEYS).await?.keys;
        let repository = Resource::repository(self.name.as_str());
        Ok(self.knowable(&keys).is_some() || self.may_know(Action::Pull, &repository))
    }

    /// The first of these keys of whose object the caller may know what is said about it.
    fn knowable<'k>(&self, keys: &'k [String]) -> Option<&'k String> {
        keys.iter().find(|key| self.may_know(Action::GetObject, &self.object(key)))
    }

    /// The first of these keys whose object the caller may read, whatever is known of it.
    pub(super) fn readable<'k>(&self, keys: &'k [String]) -> Option<&'k String> {
        self.allowed(&[Action::GetObject], keys)
    }

    fn allowed<'k>(&self, actions: &[Action], keys: &'k [String]) -> Option<&'k String> {
        keys.iter().find(|key| actions.iter().all(|action| self.may(*action, &self.object(key))))
    }

    fn object(&self, key: &str) -> Resource {
        Resource::object(self.folder.bucket(), key)
    }

    /// What the policy would say of what is said about an artifact.
    pub(super) fn may_know(&self, action: Action, resource: &Resource) -> bool {
        self.app.authority.may_know(&self.caller, action, resource)
    }

    /// What the policy would say.
    pub(super) fn may(&self, action: Action, resource: &Resource) -> bool {
        self.app.authority.may(&self.caller, action, resource)
    }

    /// What is not there, or not for whoever asks; a stranger who may read nothing in the bucket is asked to log in.
    pub(super) async fn nothing(&self, code: Code) -> Error {
        if self.caller.principal().is_anonymous()
            && let Err(error) = self.permit_somewhere(&[Action::GetObject]).await
        {
            return error;
        }
        code.into()
    }

    /// Puts a read on record, before the client hears of it.
    ///
    /// # Errors
    /// `SlowDown` where that takes too long.
    pub(super) async fn record(&self, permit: &Permit, status: u16, digest: Option<&Digest>) -> Result<()> {
        let Some(record) = permit.recorded(audit::Kind::Operation) else { return Ok(()) };
        let record = match digest {
            Some(digest) => record.digest(digest),
            None => record,
        };
        self.app.journal.record(record.answered(status, None)).await
    }

    fn check_scope(&self, action: Action) -> Result<()> {
        match &self.granted {
            Some(granted) if !scope::covers(granted, action, Some(self.name)) => Err(Code::InsufficientScope.into()),
            _ => Ok(()),
        }
    }
}

/// The tag that the path names.
fn tag(route: &Route) -> Option<&str> {
    match route {
        Route::Manifest { reference: Reference::Tag(tag), .. } => Some(tag),
        _ => None,
    }
}

/// What the same listing by S3 says under the condition keys of policies.
fn listed(route: &Route, folder: &Folder, conditions: Conditions) -> Conditions {
    match (route, folder.prefix()) {
        (Route::Tags { .. }, "") => conditions.with(KeyName::Delimiter, "/"),
        (Route::Tags { .. }, prefix) => conditions.with(KeyName::Delimiter, "/").with(KeyName::Prefix, prefix),
        _ => conditions,
    }
}

/// As a repository, a bucket that is not there is an unknown name.
pub(super) fn as_repository(error: Error) -> Error {
    match error.code() {
        Code::NoSuchBucket => Code::NameUnknown.into(),
        Code::NoSuchKey => Code::ManifestUnknown.into(),
        _ => error,
    }
}

fn unless_denied(permit: Result<Option<Permit>>) -> Result<Option<Permit>> {
    match permit {
        // Too many of them too: what is not there would not be answered otherwise.
        Err(error) if matches!(error.code(), Code::AccessDenied | Code::DeniedTooOften) => Ok(None),
        // Told by `nothing`, once everything was looked at.
        Err(error) if error.code() == Code::Unauthenticated => Ok(None),
        permit => permit,
    }
}

fn trail(context: &RequestContext, headers: &HeaderMap) -> Trail {
    Trail::of(Facts::of(Api::Oci, context, headers))
}
