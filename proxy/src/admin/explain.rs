//! `/authorize/explain` and `/buckets/{bucket}/effective`: why a principal may or may not do something, and what it may do in a bucket.
//!
//! Both answer from the policies that this replica decides by; nothing is done, and nobody is denied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zas_policy::{
    Action, Considered, Context, Found, Grant, Identity, Key, Kind, Outcome, Policy, Principal, Resource, Session,
    Source,
};

use super::access_key::narrowing;
use super::answer::Answer;
use super::idempotency::Posted;
use super::openapi::schemas;
use super::policies::malformed;
use super::text::{optional_text, text};
use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::identity::principal_of;

/// Asks why.
pub(super) struct Explain;

impl Asks for Explain {
    const NAME: &'static str = "ExplainAuthorization";
    const ACTION: Option<Action> = Some(Action::Explain);
    const ONLY_READS: bool = true;
}

/// Asks what somebody may do in a bucket.
pub(super) struct GetEffective;

impl Asks for GetEffective {
    const NAME: &'static str = "GetEffectivePermissions";
    const ACTION: Option<Action> = Some(Action::GetEffective);

    fn resource(parameter: impl Fn(&str) -> String) -> Resource {
        Resource::bucket(parameter("bucket"))
    }
}

/// Somebody, as policies see them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Who {
    /// Whether nobody is known to ask; the rest is left out then.
    anonymous: bool,
    /// The user's name.
    #[schema(example = "alice")]
    name: String,
    /// The id, `<issuer>/<subject>`.
    id: String,
    /// The issuer's name.
    issuer: String,
    /// Roles.
    roles: Vec<String>,
    /// Groups.
    #[schema(example = json!(["/teams/build"]))]
    groups: Vec<String>,
    /// Attributes, for the condition keys `jwt:<name>` and `aws:PrincipalTag/<name>`.
    attributes: BTreeMap<String, Vec<String>>,
    /// The id of an access key that is shown: it says the rest, and the policy that narrows it counts.
    #[schema(example = "ZASKQ3VJ6XG2N5YTBWLA", max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    #[serde(deserialize_with = "optional_text::<_, 128>")]
    access_key_id: Option<String>,
    /// The session that a role was taken for: the role alone counts then, and not the roles, groups and name of who has taken it.
    session: Option<OfSession>,
}

/// A session.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfSession {
    /// The role that was taken.
    #[serde(deserialize_with = "text::<_, 64>")]
    #[schema(example = "deploy", max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    role: String,
    /// The policy that narrows it.
    #[serde(default)]
    #[schema(schema_with = schemas::maybe_policy_document)]
    policy: Option<Value>,
}

impl Who {
    async fn principal(self, app: &App) -> Result<Principal, Error> {
        let (anonymous, access_key_id) = (self.anonymous, self.access_key_id.clone());
        // Read in any case: what is wrong in it is said also where something else counts.
        let identity = self.identity()?;
        match (anonymous, access_key_id) {
            (true, _) => Ok(Principal::Anonymous),
            (false, Some(id)) => of_access_key(app, &id).await,
            (false, None) => Ok(Principal::identity(identity)),
        }
    }

    fn identity(self) -> Result<Identity, Error> {
        let Self { name, id, issuer, mut roles, groups, attributes, session, .. } = self;
        let session = session.map(|session| session.read(&mut roles)).transpose()?;
        Ok(Identity { id, name, issuer, roles, groups, attributes, session, ..Identity::default() })
    }
}

impl OfSession {
    /// The session; the roles are that of the session then.
    fn read(self, roles: &mut Vec<String>) -> Result<Session, Error> {
        let policy = narrowing(self.policy)?;
        if let Some(policy) = &policy {
            let read = Policy::parse(Kind::Session, "session", policy);
            read.map_err(|error| malformed("principal.session.policy", &error))?;
        }
        *roles = vec![self.role];
        Ok(Session { policy, ..Session::default() })
    }
}

/// Who an access key speaks as. Whether it is good for anything now is not asked.
async fn of_access_key(app: &App, id: &str) -> Result<Principal, Error> {
    if app.config.access_keys.iter().any(|key| key.id == id) {
        return Ok(Principal::root(id));
    }
    let key = app.index.access_key(id).await?.ok_or_else(|| {
        Error::new(Code::NoSuchEntity, "There is no such access key.").with("field", "principal.access_key_id")
    })?;
    Ok(principal_of(key))
}

/// What somebody would ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Who.
    principal: Who,
    /// The action.
    #[schema(schema_with = schemas::action)]
    action: String,
    /// On what: `arn:aws:s3:::bucket/key`, `arn:zas:oci:::repository`; `*` for the service.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[schema(
        example = "arn:aws:s3:::releases/app.tar.gz",
        max_length = 2048,
        pattern = r"^(\*|(arn:aws:s3:::|arn:zas:oci:::|arn:aws:iam:::role/|arn:zas:admin:::(policy|access-key|session|signing-key|trusted-key|trusted-identity|event-target)/)[^\x00-\x1f\x7f-\x9f]{1,2000})$"
    )]
    resource: String,
    /// Condition keys of the request and of the artifact, by name. A key of the request that is not given is missing; one that tells what is
    /// said of an artifact is unknown, as it is to a decision before the artifact was looked at.
    #[serde(default)]
    #[schema(schema_with = schemas::context)]
    context: BTreeMap<String, Vec<String>>,
}

/// Why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// `Allow` or `Deny`.
    effect: String,
    /// Why, in words.
    reason: String,
    /// The statements that decided, as `policy#sid` or `policy#number`; of an access control list the grant, as `acl/object#READ:user/bob`.
    statements: Vec<String>,
    /// Condition keys that were missing, where it was denied.
    missing: Vec<String>,
    /// Condition keys whose values could not be told, where it was denied: give them in `context` to learn what depends on them.
    unknown: Vec<String>,
    /// Statements that would have denied it and are only put on record, where it was allowed.
    audited: Vec<String>,
    /// Every statement that concerns the principal or the bucket.
    considered: Vec<Statement>,
}

impl From<zas_policy::Explanation> for Explanation {
    fn from(explained: zas_policy::Explanation) -> Self {
        let decision = explained.decision;
        Self {
            effect: decision.effect.to_string(),
            reason: decision.reason.to_string(),
            statements: decision.statements.iter().map(ToString::to_string).collect(),
            missing: decision.missing.iter().map(ToString::to_string).collect(),
            unknown: decision.unknown.iter().map(ToString::to_string).collect(),
            audited: decision.audited.iter().map(ToString::to_string).collect(),
            considered: explained.statements.into_iter().map(Statement::from).collect(),
        }
    }
}

/// A statement that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Statement {
    /// Which: `policy#sid` or `policy#number`.
    statement: String,
    /// What it would do.
    effect: String,
    /// `audit`, where it is only put on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    /// `matches`, or why it does not: `other_action`, `other_principal`, `other_resource`, `condition_fails`, `unknown`.
    outcome: &'static str,
    /// The condition that fails, as `operator key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
}

impl From<Considered> for Statement {
    fn from(considered: Considered) -> Self {
        let (outcome, condition) = match considered.outcome {
            Outcome::Matches => ("matches", None),
            Outcome::Unknown => ("unknown", None),
            Outcome::OtherAction => ("other_action", None),
            Outcome::OtherPrincipal => ("other_principal", None),
            Outcome::OtherResource => ("other_resource", None),
            Outcome::ConditionFails { operator, key } => ("condition_fails", Some(format!("{operator} {key}"))),
        };
        let (statement, effect) = (considered.statement.to_string(), considered.effect.to_string());
        let mode = considered.is_audited.then_some("audit");
        Self { statement, effect, mode, outcome, condition }
    }
}

/// The keys that a question gives.
struct Given(Vec<(Key, Vec<String>)>);

impl Given {
    fn parse(context: BTreeMap<String, Vec<String>>) -> Result<Self, Error> {
        let keys = context.into_iter().map(|(name, values)| {
            let refused =
                |text: String| Error::new(Code::InvalidArgument, text).with("field", format!("context.{name}"));
            let key = Key::parse(&name).map_err(refused)?;
            if key.name.source() == Source::Principal {
                return Err(refused(format!("{key} is a key of the principal: say it there.")));
            }
            Ok((key, values))
        });
        keys.collect::<Result<_, _>>().map(Self)
    }
}

impl Context for Given {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        match self.0.iter().find(|(known, _)| known == key) {
            Some((_, values)) => Found::Values(values.iter().map(|value| Cow::Borrowed(&**value)).collect()),
            None if key.name.is_evidence() => Found::Unknown,
            None => Found::Missing,
        }
    }
}

/// Tell why somebody may or may not do something.
#[utoipa::path(post, path = "/authorize/explain", tag = "policies", request_body = Question,
    responses((status = 200, body = Explanation), (status = 404, description = "There is no such access key.")))]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    permitted: Permitted<Explain>,
    Posted { body: question, once }: Posted<Question>,
) -> Result<Answer, Refusal> {
    let explanation = answer(&app, question).await?;
    once.carry_out(&app, &permitted.permit, async |_| Answer::json(StatusCode::OK, &explanation)).await
}

async fn answer(app: &App, question: Question) -> Result<Explanation, Error> {
    let wrong = |field: &'static str, text: String| Error::new(Code::InvalidArgument, text).with("field", field);
    let action = question.action.parse::<Action>().map_err(|error| wrong("action", error.to_string()))?;
    let resource = Resource::parse(&question.resource).map_err(|error| wrong("resource", error.to_string()))?;
    let context = Given::parse(question.context)?;
    let principal = question.principal.principal(app).await?;
    Ok(app.authority.explain(&principal, action, &resource, &context).await?.into())
}

/// Whose rights are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// An access key's id: the rights that it has, in place of those of a user.
    #[serde(default, deserialize_with = "optional_text::<_, 128>")]
    #[param(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    access_key_id: Option<String>,
    /// The user's name; unset: anonymous requests.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    user: Option<String>,
    /// Roles, with commas between them.
    #[serde(default, deserialize_with = "text::<_, 8192>")]
    #[param(max_length = 8192, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    roles: String,
    /// Groups, with commas between them.
    #[serde(default, deserialize_with = "text::<_, 8192>")]
    #[param(max_length = 8192, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    groups: String,
}

/// What somebody may do in a bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Effective {
    /// What statements give and take; a `Deny` wins where both stand.
    grants: Vec<Granted>,
}

/// What a statement gives or takes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Granted {
    /// The action.
    action: &'static str,
    /// `Allow` or `Deny`.
    effect: String,
    /// Whether for the whole bucket; otherwise for some keys.
    everywhere: bool,
    /// Whether it depends on conditions.
    conditional: bool,
    /// Whether it stands in the policy of the access key, which only narrows: another statement must give it too.
    narrows: bool,
    /// By which statement: `policy#sid` or `policy#number`.
    statement: String,
}

impl From<Grant> for Granted {
    fn from(grant: Grant) -> Self {
        Self {
            action: grant.action.as_str(),
            effect: grant.effect.to_string(),
            everywhere: grant.everywhere,
            conditional: grant.conditional,
            narrows: grant.narrows,
            statement: grant.statement.to_string(),
        }
    }
}

/// List what somebody may do in a bucket.
#[utoipa::path(get, path = "/buckets/{bucket}/effective", tag = "policies",
    params(("bucket" = String, Path, description = "The name."), Whose),
    responses((status = 200, body = Effective), (status = 404, description = "There is no such bucket.")))]
pub(super) async fn effective(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetEffective>,
    Path(bucket): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Effective>, Refusal> {
    let Query(whose) = whose?;
    app.index.bucket(&bucket).await?;
    let list = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let who = Who {
        anonymous: whose.user.is_none() && whose.access_key_id.is_none(),
        access_key_id: whose.access_key_id,
        name: whose.user.unwrap_or_default(),
        roles: list(&whose.roles),
        groups: list(&whose.groups),
        ..Who::default()
    };
    let grants = app.authority.effective(&who.principal(&app).await?, &bucket)?;
    Ok(Json(Effective { grants: grants.into_iter().map(Granted::from).collect() }))
}
