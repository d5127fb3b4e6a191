//! [`Permitted`]: who calls, and the proof that they may.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use zas_policy::{Action, Resource};

use super::Refusal;
use crate::app::App;
use crate::authz::{Permit, authorize};
use crate::error::{Code, Error};
use crate::gateway::RequestContext;
use crate::identity::basic_principal;

/// What an operation asks of the policy.
pub trait Asks: Send + Sync + 'static {
    /// The operation's name in logs and metrics.
    const NAME: &'static str;

    /// What the caller must be allowed to do; unset: to have said who they are is enough.
    const ACTION: Option<Action>;

    /// On what; `parameter` gives what stands in the path.
    fn resource(parameter: impl Fn(&str) -> String) -> Resource {
        let _ = parameter;
        Resource::Service
    }
}

/// A caller who may do what `O` asks for.
#[derive(Debug, Clone)]
pub struct Permitted<O> {
    /// The proof.
    pub permit: Permit,
    operation: PhantomData<O>,
}

impl<O: Asks> FromRequestParts<Arc<App>> for Permitted<O> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        if let Some(context) = parts.extensions.get::<RequestContext>() {
            let _ = context.operation.set(O::NAME);
        }
        let principal = basic_principal(&app.access_keys, &parts.headers)?;
        if principal.is_anonymous() {
            return Err(Code::Unauthenticated.into());
        }
        let parameters = RawPathParams::from_request_parts(parts, app).await;
        let parameters = parameters.map_err(|error| Error::new(Code::InvalidArgument, error.body_text()))?;
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(parameter, _)| *parameter == name);
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let permit = authorize(&principal, O::ACTION.unwrap_or(Action::GetCallerIdentity), O::resource(parameter))?;
        Ok(Self { permit, operation: PhantomData })
    }
}
