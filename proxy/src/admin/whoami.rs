//! `GET /whoami`: who the service takes the caller for.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use zas_policy::{Action, Principal};

use super::{Asks, Permitted, Refusal};

/// Asks to be told who one is.
pub(super) struct Whoami;

impl Asks for Whoami {
    const NAME: &'static str = "Whoami";
    const ACTION: Option<Action> = None;
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Caller {
    /// As logs and audit records name the caller.
    #[schema(example = "user/alice")]
    principal: String,
    /// `root` for a key of the configuration, `identity` for everybody else.
    kind: &'static str,
    /// Unique for all time; unset for root.
    id: Option<String>,
    /// Roles, as policies name them.
    roles: Vec<String>,
    /// Groups, as policies name them.
    groups: Vec<String>,
}

/// Who am I?
#[utoipa::path(get, path = "/whoami", tag = "identity", responses((status = 200, body = Caller)))]
pub(super) async fn whoami(permitted: Permitted<Whoami>) -> Result<Json<Caller>, Refusal> {
    let principal = permitted.permit.principal();
    let identity = match principal {
        Principal::Identity(identity) => Some(identity),
        Principal::Root { .. } | Principal::Anonymous => None,
    };
    Ok(Json(Caller {
        principal: principal.to_string(),
        kind: if identity.is_some() { "identity" } else { "root" },
        id: identity.map(|identity| identity.id.clone()),
        roles: identity.map(|identity| identity.roles.clone()).unwrap_or_default(),
        groups: identity.map(|identity| identity.groups.clone()).unwrap_or_default(),
    }))
}
