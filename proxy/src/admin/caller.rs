//! [`Permitted`]: who calls, and the proof that they may.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::Method;
use http::request::Parts;
use zas_policy::{Action, Resource};

use super::Refusal;
use super::on_record::Reads;
use crate::app::App;
use crate::audit::{Api, Facts, Trail};
use crate::authz::{Caller, Conditions, Permit};
use crate::digest::Digest;
use crate::error::{Code, Error};
use crate::gateway::RequestContext;

/// What an operation asks of the policy.
pub trait Asks: Send + Sync + 'static {
    /// The operation's name in logs and metrics.
    const NAME: &'static str;

    /// What the caller must be allowed to do; unset: to have said who they are is enough.
    const ACTION: Option<Action>;

    /// Whether it changes nothing though it is a POST: it is on record as reads are, then.
    const ONLY_READS: bool = false;
    /// Whether a read that is permitted here is put on record. Where the handler asks the policy for more, it says what is, by
    /// `Permitted::reads`.
    const RECORDED: bool = true;

    /// On what; `parameter` gives what stands in the path.
    fn resource(parameter: impl Fn(&str) -> String) -> Resource {
        let _ = parameter;
        Resource::Service
    }
}

/// A caller who may do what `O` asks for. A read is put on record with how it is answered, by [`super::Api::call`]; a change is recorded
/// with itself, by the handler.
#[derive(Debug, Clone)]
pub struct Permitted<O> {
    /// The proof.
    pub permit: Permit,
    on_record: Reads,
    operation: PhantomData<O>,
}

impl<O> Permitted<O> {
    /// Puts a read on record that the policy was asked for besides, once it is known how the request is answered; `digest` says of
    /// which bytes.
    pub(super) fn reads(&self, permit: &Permit, digest: Option<Digest>) {
        self.on_record.add(permit, digest);
    }
}

/// Types that ask for an action on what a parameter of the path names.
macro_rules! asks {
    ($parameter:literal: $($(#[doc = $doc:literal])+ $name:ident: $action:ident, $on:expr;)+) => {
        $($(#[doc = $doc])+
        pub(super) struct $name;

        impl $crate::admin::Asks for $name {
            const NAME: &'static str = stringify!($name);
            const ACTION: Option<zas_policy::Action> = Some(zas_policy::Action::$action);

            fn resource(parameter: impl Fn(&str) -> String) -> Resource {
                let on: fn(String) -> Resource = $on;
                on(parameter($parameter))
            }
        })+
    };
}
pub(super) use asks;

impl<O: Asks> FromRequestParts<Arc<App>> for Permitted<O> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let context = parts.extensions.get::<RequestContext>().cloned();
        if let Some(context) = &context {
            let _ = context.operation.set(O::NAME);
        }
        let principal = app.identity.principal(&parts.headers).await?;
        if principal.is_anonymous() {
            return Err(Code::Unauthenticated.into());
        }
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(unreadable)?;
        check_path(&parameters)?;
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(parameter, _)| *parameter == name);
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let resource = O::resource(parameter);
        let facts = context.map(|context| Facts::of(Api::Rest, &context, &parts.headers));
        let caller = Caller::new(principal, facts.map_or_else(Trail::none, Trail::of), Conditions::of(&parts.headers));
        let action = O::ACTION.unwrap_or(Action::GetCallerIdentity);
        let permit = app.authority.authorize(&caller, action, resource).await?;
        let on_record = parts.extensions.get::<Reads>().cloned().unwrap_or_default();
        if O::RECORDED && (O::ONLY_READS || matches!(parts.method, Method::GET | Method::HEAD)) {
            on_record.add(&permit, None);
        }
        Ok(Self { permit, on_record, operation: PhantomData })
    }
}

/// A part of the path that is no UTF-8.
fn unreadable(rejection: RawPathParamsRejection) -> Error {
    let text = rejection.body_text();
    // "Invalid UTF-8 in `bucket`".
    let name = text.split('`').nth(1).unwrap_or_default();
    Error::new(Code::InvalidArgument, format!("{name}: not UTF-8")).with("field", name)
}

/// No name has control characters, and Postgres takes no NUL.
fn check_path(parameters: &RawPathParams) -> Result<(), Error> {
    match parameters.iter().find(|(_, value)| value.contains(char::is_control)) {
        None => Ok(()),
        Some((name, _)) => {
            let text = format!("{name}: no control characters");
            Err(Error::new(Code::InvalidArgument, text).with("field", name))
        }
    }
}
