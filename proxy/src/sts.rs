//! AWS STS, `POST /`: credentials for a while, in exchange for a token, or for other credentials. One file an operation.
//!
//! Signatures are checked as those of S3 are; a request with a web identity token needs none. What does not live here: what the
//! credentials are made of (`identity::sessions`), and who may take a role (`authz`, by the role's trust policy).

mod answer;
mod assume_role;
mod assume_role_with_web_identity;
mod get_caller_identity;
mod parameters;
mod session;

use std::sync::{Arc, Mutex, PoisonError};

use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use zas_policy::Principal;

use crate::app::App;
use crate::audit::{Api, Facts, Trail};
use crate::error::{Code, Error, RequestId, Result};
use crate::gateway::{Body, RequestContext};
use crate::s3::signature::{self, Asker, Secrets, Service as SignedFor};

use answer::Answer;
use parameters::Parameters;

/// Bytes of a request: a token of 16 KiB, and a policy, written as a form.
const LARGEST: usize = 64 * 1024;

/// STS as a function of a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    inner: S3Service,
    app: Arc<App>,
}

/// Builds STS.
#[must_use]
pub fn service(app: Arc<App>) -> Service {
    let mut builder = S3ServiceBuilder::new(Nothing);
    builder.set_auth(Secrets);
    builder.set_route(Route);
    Service { inner: builder.build(), app }
}

/// Whether a request is for STS: S3 has no POST to the root.
#[must_use]
pub fn owns(method: &Method, path: &str) -> bool {
    method == Method::POST && path == "/"
}

/// Answers one request.
pub async fn call(service: Service, request: Request<Body>) -> Response<Body> {
    let context = request.extensions().get::<RequestContext>().cloned();
    let request_id = context.as_ref().map_or_else(RequestId::generate, |context| context.request_id.clone());
    let asked = Asked::default();
    let result = ask(&service, request, context.as_ref(), &asked).await;
    let operation = asked.operation();
    if let (Some(context), Some(name)) = (&context, operation) {
        let _ = context.operation.set(name);
    }
    result.map_or_else(
        |error| {
            error.log(request_id.as_str(), operation.unwrap_or("unknown"));
            crate::telemetry::error(error.code());
            let mut answer = answer::failure(&error, &request_id);
            answer.extensions_mut().insert(error.code());
            answer
        },
        |answer| answer::success(&answer, &request_id),
    )
}

async fn ask(
    service: &Service,
    request: Request<Body>,
    context: Option<&RequestContext>,
    asked: &Asked,
) -> Result<Answer> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.query().is_some_and(|query| query.contains("Action=") || query.contains("WebIdentityToken")) {
        return Err(Error::new(
            Code::InvalidRequest,
            "Parameters are sent as a form, never in the URL: URLs are logged.",
        ));
    }
    let asker = signature::asker(&service.app, &mut parts, SignedFor::Sts).await?;
    let trail = context.map_or_else(Trail::none, |context| Trail::of(Facts::of(Api::Sts, context, &parts.headers)));
    let headers = parts.headers.clone();
    parts.extensions.insert(asked.clone());
    let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
    let answer = asker.scope(service.inner.call(request)).await;
    // `s3s` has an answer of its own only where it refuses.
    let Some((signed_with, form)) = asked.take() else {
        return Err(match answer {
            Ok(answer) => signature::error_of_s3s(answer).await,
            Err(error) => Error::internal(format!("s3s could not write its answer: {error:?}")),
        });
    };
    let form = form?;
    let parameters = Parameters::parse(&form)?;
    let principal = asker.principal(signed_with.as_deref())?;
    let from = From { app: &service.app, asker: &asker, principal, trail, headers: &headers };
    dispatch(from, parameters, asked).await
}

async fn dispatch(from: From<'_>, parameters: Parameters, asked: &Asked) -> Result<Answer> {
    let operation = Operation::parse(parameters.action()?).ok_or_else(|| {
        Error::new(
            Code::InvalidAction,
            "There are the actions AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity.",
        )
    })?;
    asked.set_operation(operation.name());
    match operation {
        Operation::AssumeRole => assume_role::assume_role(from, parameters).await,
        Operation::AssumeRoleWithWebIdentity => {
            assume_role_with_web_identity::assume_role_with_web_identity(from, parameters).await
        }
        Operation::GetCallerIdentity => get_caller_identity::get_caller_identity(from, &parameters).await,
    }
}

/// An operation, named as STS names it. What is not in [`Self::ALL`] nobody can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetCallerIdentity,
}

impl Operation {
    const ALL: [Self; 3] = [Self::AssumeRole, Self::AssumeRoleWithWebIdentity, Self::GetCallerIdentity];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// The name of every operation that exists here.
pub fn operations() -> impl Iterator<Item = &'static str> {
    Operation::ALL.into_iter().map(Operation::name)
}

/// Where a request comes from.
struct From<'a> {
    app: &'a App,
    asker: &'a Asker,
    principal: Principal,
    trail: Trail,
    headers: &'a HeaderMap,
}

/// What `s3s` has found of a request: who signed it, and its body.
type Found = (Option<String>, Result<Vec<u8>>);

/// One request, on its way through `s3s` and back.
#[derive(Debug, Clone, Default)]
struct Asked {
    found: Arc<Mutex<Option<Found>>>,
    operation: Arc<Mutex<Option<&'static str>>>,
}

impl Asked {
    fn take(&self) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set_operation(&self, name: &'static str) {
        *self.operation.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }

    fn operation(&self) -> Option<&'static str> {
        *self.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what `s3s` has checked out of it again: its answers are S3's.
struct Route;

#[async_trait::async_trait]
impl S3Route for Route {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        true
    }

    /// Without a signature too: a token may stand in the form.
    async fn check_access(&self, _: &mut S3Request<s3s::Body>) -> S3Result<()> {
        Ok(())
    }

    async fn call(&self, mut request: S3Request<s3s::Body>) -> S3Result<S3Response<s3s::Body>> {
        let Some(asked) = request.extensions.get::<Asked>().cloned() else {
            return Err(S3Error::new(S3ErrorCode::InternalError));
        };
        let form = request.input.store_all_limited(LARGEST).await.map(|form| form.to_vec());
        let form = form.map_err(|error| Error::new(Code::InvalidRequest, "The form cannot be read.").detail(error));
        let signed_with = request.credentials.map(|credentials| credentials.access_key);
        *asked.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((signed_with, form));
        Ok(S3Response::new(s3s::Body::empty()))
    }
}

/// `s3s` wants an S3; nothing of it is ever asked.
struct Nothing;

impl s3s::S3 for Nothing {}
