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
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index::{self, DocumentKind};

/// The most attachments that are shown.
const SHOWN: u32 = 10_000;

/// The longest name of a user, role or group.
const NAME: usize = 512;

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
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }
}

/// Whom a policy concerns.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Target {
    /// What it is.
    kind: TargetKind,
    /// The name, with the issuer's prefix.
    name: String,
}

/// All that a policy concerns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attachments {
    /// Whom, by kind and name.
    attachments: Vec<AttachedTo>,
}

/// Whom a policy concerns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttachedTo {
    /// `user`, `role` or `group`.
    kind: String,
    /// The name.
    name: String,
}

/// List whom a policy concerns.
#[utoipa::path(get, path = "/policies/{policy}/attachments", tag = "policies",
    params(("policy" = String, Path, description = "The name.")),
    responses((status = 200, body = Attachments), (status = 404, description = "There is no such policy.")))]
pub(super) async fn list_attachments(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListPolicyAttachments>,
    Path(policy): Path<String>,
) -> Result<Json<Attachments>, Refusal> {
    exists(&app, &policy).await?;
    let attachments = app.index.policy_attachments(&policy, SHOWN).await?;
    let attachments = attachments
        .into_iter()
        .map(|attachment| AttachedTo { kind: attachment.target_kind, name: attachment.target })
        .collect();
    Ok(Json(Attachments { attachments }))
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
    exists(&app, &policy).await?;
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
    if target.name.is_empty() || target.name.len() > NAME || target.name.contains(char::is_control) {
        let text = format!("A name has 1 to {NAME} bytes and no control characters.");
        return Err(Error::new(Code::InvalidArgument, text).with("field", "name"));
    }
    Ok(index::Attachment { policy, target_kind: target.kind.as_str().to_owned(), target: target.name })
}
