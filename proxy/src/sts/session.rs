//! What both ways of assuming a role have in common: what may be asked for, how long it lasts, and the answer.

use time::{Duration, OffsetDateTime};
use zas_policy::{Action, Identity, KeyName, Policy, Principal, Session};

use super::From;
use super::answer::{Answer, time};
use super::parameters::Parameters;
use crate::audit::Kind;
use crate::authz::{Caller, Conditions};
use crate::error::{Code, Error, Result};
use crate::identity::{Bearer, LONGEST_SESSION, NewSession, OpenSession, SessionCredentials};
use crate::index::NewRoleSession;

/// Seconds of a session: the fewest, how many where it is not said, and the most of one that was assumed from another (AWS STS,
/// "DurationSeconds").
const SHORTEST: u32 = 900;
const USUAL: u32 = 3600;
const LONGEST_CHAINED: u32 = 3600;

/// Characters of a session's policy.
const LONGEST_POLICY: usize = 2048;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asking {
    /// The role's name; unset: the one role that the caller may take.
    role: Option<String>,
    name: Option<String>,
    policy: Option<String>,
    seconds: Option<u32>,
}

/// Where a session comes from.
#[derive(Debug)]
pub(super) struct Chain {
    /// Seconds since 1970 at which its first credential was issued; where that was an access key, at which its first session was begun.
    pub issued_at: i64,
    /// When it ends.
    pub ends: OffsetDateTime,
    /// The token that it was begun with.
    pub token_id: Option<String>,
    /// The login that the token was issued for.
    pub login_id: Option<String>,
    /// The access key that it was begun with.
    pub access_key: Option<String>,
    /// Whether the session is its first.
    pub is_first: bool,
}

impl Chain {
    /// One that a token begins: it is revoked with the token, and with all that the token is revoked with.
    pub(super) fn of_token(bearer: &Bearer) -> Self {
        Self {
            issued_at: bearer.issued_at,
            ends: OffsetDateTime::now_utc() + LONGEST_SESSION,
            token_id: bearer.token_id.clone(),
            login_id: bearer.login_id.clone(),
            access_key: None,
            is_first: true,
        }
    }

    /// One that an access key begins: it is good for as long as the key is.
    pub(super) fn of_key(id: &str) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            issued_at: now.unix_timestamp(),
            ends: now + LONGEST_SESSION,
            token_id: None,
            login_id: None,
            access_key: Some(id.to_owned()),
            is_first: true,
        }
    }

    /// The one that a session stands in.
    pub(super) fn of_session(open: &OpenSession, session: &Session) -> Self {
        Self {
            issued_at: session.issued_at,
            ends: open.chain_ends,
            token_id: open.token_id.clone(),
            login_id: open.login_id.clone(),
            access_key: open.access_key.clone(),
            is_first: false,
        }
    }
}

/// A session that has begun.
pub(super) struct Assumed {
    credentials: SessionCredentials,
    role: String,
    name: String,
    expires_at: OffsetDateTime,
}

impl Asking {
    /// Takes what both actions have of the parameters.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Self> {
        let role = parameters.take("RoleArn").map(|arn| role_name(&arn)).transpose()?;
        let name = parameters.take("RoleSessionName");
        if name.as_deref().is_some_and(|name| !is_session_name(name)) {
            return Err(invalid("RoleSessionName", "has 2 to 64 letters, digits or any of + = , . @ _ -"));
        }
        let policy = parameters.take("Policy");
        if let Some(policy) = &policy {
            check_policy(policy)?;
        }
        let seconds = parameters.take("DurationSeconds").map(|text| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = text.parse().ok().filter(|seconds| digits && *seconds >= SHORTEST);
            seconds.ok_or_else(|| invalid("DurationSeconds", "is a number from 900 to the role's maximum"))
        });
        Ok(Self { role, name, policy, seconds: seconds.transpose()? })
    }
}

/// Asks the role's trust policy, and begins the session: its row and its record are there before anybody has the credentials.
pub(super) async fn assumed(
    from: From<'_>,
    action: Action,
    asking: Asking,
    identity: Identity,
    chain: Chain,
) -> Result<Assumed> {
    let app = from.app;
    let name = asking.name.unwrap_or_else(|| session_name_of(&identity.name));
    let seconds = asking.seconds.unwrap_or(USUAL);
    let conditions = Conditions::of(from.headers)
        .with(KeyName::DurationSeconds, seconds.to_string())
        .with(KeyName::RoleSessionName, &name);
    let caller = Caller::new(from.principal, from.trail, conditions);
    let (permit, role) = app.authority.authorize_role(&caller, action, asking.role.as_deref()).await?;
    let most = if chain.is_first { role.max_session } else { LONGEST_CHAINED.min(role.max_session) };
    if asking.seconds.is_some_and(|seconds| seconds > most) {
        return Err(invalid("DurationSeconds", "is above the longest session that this role allows"));
    }
    let ends = OffsetDateTime::now_utc() + Duration::seconds(i64::from(seconds.min(most)));
    let expires_at = ends.min(chain.ends);
    let (subject, user) = (identity.id.clone(), identity.name.clone());
    let inherited = narrowers(&identity);
    let credentials = app.identity.sessions()?.begin(NewSession {
        identity,
        role: role.name.clone(),
        name: name.clone(),
        policy: asking.policy,
        inherited,
        issued_at: chain.issued_at,
        chain_ends: chain.ends,
        token_id: chain.token_id,
        login_id: chain.login_id,
        access_key: chain.access_key,
        expires_at,
    })?;
    let row = NewRoleSession {
        id: credentials.id,
        access_key_id: &credentials.access_key_id,
        subject: &subject,
        name: &user,
        role: &role.name,
        session_name: &name,
        expires_at,
    };
    let record =
        permit.recorded(Kind::Token).map(|record| record.reference(&credentials.id.to_string()).answered(200, None));
    app.index.begin_role_session(&row, record.as_slice()).await?;
    Ok(Assumed { credentials, role: role.name, name, expires_at })
}

/// The policies that narrow a credential: what it begins they narrow as well, so that taking a role is no way out of them. Each once,
/// for a session token has little room.
fn narrowers(identity: &Identity) -> Vec<String> {
    let session = identity.session.as_ref();
    let of_session = session.into_iter().flat_map(|session| session.inherited.iter().chain(&session.policy));
    let mut all: Vec<String> = Vec::new();
    for document in of_session.chain(&identity.policy) {
        if !all.contains(document) {
            all.push(document.clone());
        }
    }
    all
}

impl Assumed {
    /// The answer's elements.
    pub(super) fn written(&self, answer: Answer) -> Answer {
        let credentials = &self.credentials;
        answer
            .with_all(
                "Credentials",
                &[
                    ("AccessKeyId", &credentials.access_key_id),
                    ("SecretAccessKey", credentials.secret.expose()),
                    ("SessionToken", credentials.token.expose()),
                    ("Expiration", &time(self.expires_at)),
                ],
            )
            .with_all(
                "AssumedRoleUser",
                &[
                    ("AssumedRoleId", &format!("{}:{}", credentials.access_key_id, self.name)),
                    ("Arn", &format!("arn:aws:sts:::assumed-role/{}/{}", self.role, self.name)),
                ],
            )
    }
}

/// A principal as an ARN; there is one account, so that it is left out.
pub(super) fn arn(principal: &Principal) -> String {
    match principal {
        Principal::Root { .. } => "arn:aws:iam:::root".to_owned(),
        Principal::Anonymous => "arn:aws:iam:::anonymous".to_owned(),
        Principal::Identity(identity) => match (&identity.session, identity.roles.first()) {
            (Some(session), Some(role)) => format!("arn:aws:sts:::assumed-role/{role}/{}", session.name),
            _ => format!("arn:aws:iam:::user/{}", identity.name),
        },
    }
}

/// The name in `arn:aws:iam::<account>:role/<name>`, whatever the account; or the name alone.
fn role_name(arn: &str) -> Result<String> {
    let name = match arn.strip_prefix("arn:aws:iam::") {
        Some(rest) => rest.split_once(":role/").map(|(_, name)| name),
        None => Some(arn.strip_prefix("role/").unwrap_or(arn)),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    let name = name.filter(|name| !name.is_empty() && name.len() <= 64 && name.chars().all(allowed));
    name.map(str::to_owned).ok_or_else(|| invalid("RoleArn", "reads arn:aws:iam:::role/<name>"))
}

fn is_session_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (2..=64).contains(&name.len()) && name.chars().all(allowed)
}

/// A name for the session of somebody who gives none.
fn session_name_of(user: &str) -> String {
    let plain: String =
        user.chars().map(|c| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' }).collect();
    let name: String = plain.chars().take(64).collect();
    if is_session_name(&name) { name } else { "session".to_owned() }
}

fn check_policy(policy: &str) -> Result<()> {
    if policy.chars().count() > LONGEST_POLICY {
        return Err(invalid("Policy", "has at most 2,048 characters"));
    }
    match Policy::parse(zas_policy::Kind::Session, "session", policy) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(Code::MalformedPolicy, error.to_string())),
    }
}

fn invalid(parameter: &'static str, what: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("{parameter} {what}.")).with("field", parameter)
}
