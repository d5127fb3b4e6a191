//! `/policies/{policy}/attachments`: whom a policy concerns. Whom is a parameter and not a part of the path: names of groups have slashes.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zas_policy::{Resource, builtin_policy};

use super::caller::asks;
use super::page::bounded;
use super::text::{optional_text, text};
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index::{self, DocumentKind, cut};

asks! { "policy":
    /// Asks whom a policy concerns.
    ListPolicyAttachments: GetPolicy, |name| Resource::managed("policy", name);
    /// Asks to attach it.
    AttachPolicy: AttachPolicy, |name| Resource::managed("policy", name);
    /// Asks to detach it.
    DetachPolicy: DetachPolicy, |name| Resource::managed("policy", name);
}

/// What a policy can be attached to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetKind {
    /// A user, by name.
    User,
    /// A role.
    Role,
    /// A group, such as `/teams/build`.
    Group,
}

impl TargetKind {
    const ALL: [&'static str; 3] = [Self::User.as_str(), Self::Role.as_str(), Self::Group.as_str()];

    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }
}

/// Whom a policy concerns.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Target {
    /// What it is.
    #[param(inline)]
    kind: TargetKind,
    /// The name, with the issuer's prefix.
    #[serde(deserialize_with = "text::<_, 512>")]
    #[param(min_length = 1, max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
}

/// Which page of what a policy concerns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttachmentPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; unset: the first page.
    #[serde(default, deserialize_with = "optional_text::<_, 520>")]
    #[param(pattern = r"^(user|role|group)/[^\x00-\x1f\x7f-\x9f]{1,512}$")]
    after: Option<String>,
}

/// A page of whom a policy concerns, by kind and name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attachments {
    /// Whom.
    attachments: Vec<AttachedTo>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Whom a policy concerns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttachedTo {
    /// `user`, `role` or `group`.
    kind: String,
    /// The name.
    name: String,
}

impl AttachmentPage {
    /// The kind and the name that the page begins behind; both empty: at the first.
    fn place(&self) -> Result<(&str, &str), Error> {
        let Some(after) = &self.after else { return Ok(("", "")) };
        let place = after.split_once('/').filter(|(kind, name)| TargetKind::ALL.contains(kind) && !name.is_empty());
        place
            .ok_or_else(|| Error::new(Code::InvalidArgument, "after: not a `next` of this list").with("field", "after"))
    }
}

/// List whom a policy concerns.
#[utoipa::path(get, path = "/policies/{policy}/attachments", tag = "policies",
    params(("policy" = String, Path, description = "The name."), AttachmentPage),
    responses((status = 200, body = Attachments), (status = 404, description = "There is no such policy.")))]
pub(super) async fn list_attachments(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListPolicyAttachments>,
    Path(policy): Path<String>,
    page: Result<Query<AttachmentPage>, QueryRejection>,
) -> Result<Json<Attachments>, Refusal> {
    let Query(page) = page?;
    let (after, limit) = (page.place()?, bounded(page.limit)?);
    exists(&app, &policy).await?;
    let found = app.index.policy_attachments(&policy, after, limit + 1).await?;
    let (found, more) = cut(found, limit);
    let next = found.last().filter(|_| more).map(|last| format!("{}/{}", last.target_kind, last.target));
    let attachments = found.into_iter();
    let attachments =
        attachments.map(|attachment| AttachedTo { kind: attachment.target_kind, name: attachment.target });
    Ok(Json(Attachments { attachments: attachments.collect(), next }))
}

/// Attach a policy. Nothing happens where it is attached already.
#[utoipa::path(put, path = "/policies/{policy}/attachments", tag = "policies",
    params(("policy" = String, Path, description = "The name."), Target),
    responses((status = 204, description = "It is attached."), (status = 404, description = "There is no such policy.")))]
pub(super) async fn attach_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<AttachPolicy>,
    Path(policy): Path<String>,
    target: Result<Query<Target>, QueryRejection>,
) -> Result<StatusCode, Refusal> {
    let Query(target) = target?;
    let attachment = attachment(policy, target)?;
    let by = permitted.permit.principal().to_string();
    app.index.attach_policy(&attachment, &by, permitted.permit.record().as_slice()).await?;
    app.authority.policies().refresh(&app.index).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Detach a policy.
#[utoipa::path(delete, path = "/policies/{policy}/attachments", tag = "policies",
    params(("policy" = String, Path, description = "The name."), Target),
    responses((status = 204, description = "It is detached."), (status = 404, description = "It is not attached.")))]
pub(super) async fn detach_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<DetachPolicy>,
    Path(policy): Path<String>,
    target: Result<Query<Target>, QueryRejection>,
) -> Result<StatusCode, Refusal> {
    let Query(target) = target?;
    let attachment = attachment(policy, target)?;
    let by = permitted.permit.principal().to_string();
    app.index.detach_policy(&attachment, &by, permitted.permit.record().as_slice()).await?;
    app.authority.policies().refresh(&app.index).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn exists(app: &App, policy: &str) -> Result<(), Error> {
    if builtin_policy(policy).is_some() {
        return Ok(());
    }
    app.index.policy_document(DocumentKind::Policy, policy).await?.map(drop).ok_or_else(|| Code::NoSuchEntity.into())
}

fn attachment(policy: String, target: Target) -> Result<index::Attachment, Error> {
    if target.name.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "name: at least one character").with("field", "name"));
    }
    Ok(index::Attachment { policy, target_kind: target.kind.as_str().to_owned(), target: target.name })
}
