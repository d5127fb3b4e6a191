//! `[[identity.issuers]]`: who may vouch for people and CI jobs, and how their tokens are read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory::{self, Directory, Introspection, IssuerClient};

/// An OpenID Connect issuer whose tokens (JWT) are taken as proof of who asks: Keycloak, GitHub, GitLab, a Kubernetes cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct Issuer {
    /// A short name: `kc`. Ids of its people begin with it, and nothing else may have it.
    pub name: String,
    /// The issuer as its tokens name it in `iss`, to the letter.
    pub url: String,
    /// What `aud` must hold one of: this service, as the issuer names it.
    pub audiences: Vec<String>,
    /// What names of users, roles and groups begin with in policies; unset: the name and a colon. One issuer may have the empty
    /// prefix, so that policies speak of its people by their plain names.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The signature algorithms that are accepted; symmetric ones never are.
    #[serde(default = "algorithms")]
    #[schemars(default = "algorithms")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// Whether ID tokens are accepted too, as CI systems issue them; otherwise only access tokens are.
    #[serde(default)]
    pub id_tokens: bool,
    /// The clients (`azp`) whose tokens are accepted; empty: all that the audience was meant for.
    #[serde(default)]
    pub authorized_parties: Vec<String>,
    /// How long ago a token may have been issued at the most.
    #[serde(default = "max_age", with = "humantime_serde")]
    #[schemars(with = "String", default = "max_age_text")]
    pub max_token_age: Duration,
    /// Where in the claims the user's name is (JSON pointers; the first that is there).
    #[serde(default = "username")]
    #[schemars(default = "username")]
    pub username: Vec<String>,
    /// Where roles are; unset: `/realm_access/roles` and `/resource_access/<audience>/roles` of each audience.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Where groups are.
    #[serde(default = "groups")]
    #[schemars(default = "groups")]
    pub groups: Vec<String>,
    /// Claims that policies may ask for as `jwt:<name>` and `aws:PrincipalTag/<name>`, by name: where they are.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Roles for whoever has the claims that a rule names.
    #[serde(default)]
    pub role_rules: Vec<RoleRule>,
    /// Where the keys (JWKS) are, for an issuer without discovery.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// A file with the keys, for an issuer that cannot be reached.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// A PEM file with the certificates that the issuer's own must be signed by; unset: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A file with a token that `url` and `jwks_url` are shown (Bearer) when they are asked for metadata and keys, for an issuer that
    /// answers nobody unknown, such as the API server of a Kubernetes cluster. Read anew each time, for such tokens change.
    #[serde(default)]
    pub fetch_token_file: Option<PathBuf>,
    /// Whether the issuer may be asked over plain HTTP: for trying things out on one machine.
    #[serde(default)]
    pub allow_http: bool,
    /// The clients that tokens of a back-channel logout are for (`aud`); unset: `audiences` and `authorized_parties`.
    #[serde(default)]
    pub logout_audiences: Option<Vec<String>>,
    /// How this service is known to the issuer, where it asks for more than keys.
    #[serde(default)]
    pub client: Option<IssuerClient>,
    /// Whether the issuer, a Keycloak, is asked about the owners of access keys and sessions; unset: it is not.
    #[serde(default)]
    pub directory: Option<Directory>,
    /// Whether the issuer is asked about each token; unset: tokens must hold everything themselves.
    #[serde(default)]
    pub introspection: Option<Introspection>,
    /// Networks that the issuer may be in although they are not public, such as `10.0.0.0/8` for one in the same cluster.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_networks: Vec<IpNet>,
}

/// A role for whoever has these claims: all of them, each with one of its values.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The role, as policies name it; the issuer's prefix is not put before it.
    pub role: String,
    /// Values by JSON pointer; `*` stands for any run of characters, but never for all of them.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// A signature algorithm of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Issuer {
    /// What its names begin with in policies.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.prefix.clone().unwrap_or_else(|| format!("{}:", self.name))
    }

    /// Whom tokens of a logout may be for.
    #[must_use]
    pub fn logout_audiences(&self) -> Vec<&String> {
        match &self.logout_audiences {
            Some(named) => named.iter().collect(),
            None => self.audiences.iter().chain(&self.authorized_parties).collect(),
        }
    }

    /// Where its tokens have roles.
    #[must_use]
    pub fn role_pointers(&self) -> Vec<String> {
        self.roles.clone().unwrap_or_else(|| {
            let escaped = |audience: &String| audience.replace('~', "~0").replace('/', "~1");
            let clients = self.audiences.iter().map(|client| format!("/resource_access/{}/roles", escaped(client)));
            ["/realm_access/roles".to_owned()].into_iter().chain(clients).collect()
        })
    }
}

/// What is wrong with the issuers: the field of `identity.issuers`, and what is wanted.
///
/// # Errors
/// The first that is wrong.
pub(super) fn check(issuers: &[Issuer]) -> Result<(), (String, String)> {
    for (i, issuer) in issuers.iter().enumerate() {
        check_one(issuer).map_err(|(field, text)| (format!("[{i}].{field}"), text.to_owned()))?;
        for other in issuers.iter().take(i) {
            let (mine, theirs) = (issuer.prefix(), other.prefix());
            if issuer.name == other.name || issuer.url == other.url {
                return Err((format!("[{i}]"), "another issuer has this name or url".to_owned()));
            }
            // The empty one begins every name; what collides with it is refused name by name.
            let clash = mine.starts_with(&theirs) || theirs.starts_with(&mine);
            if mine == theirs || (clash && !mine.is_empty() && !theirs.is_empty()) {
                return Err((format!("[{i}].prefix"), "collides with that of another issuer".to_owned()));
            }
        }
    }
    Ok(())
}

fn check_one(issuer: &Issuer) -> Result<(), (&'static str, &'static str)> {
    let is_name = |text: &str| {
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_pointer = |text: &String| text.starts_with('/');
    // Under another name a policy could not tell that everybody has them.
    let is_their_own = |name: &String, pointer: &String| pointer.strip_prefix('/') == Some(name.as_str());
    let is_whole_wildcard = |value: &String| value.bytes().all(|b| matches!(b, b'*' | b'?'));
    let url = url::Url::parse(&issuer.url).map_err(|_| ("url", "must be a URL"))?;
    let pointers = [&issuer.username, &issuer.groups, &issuer.role_pointers()];
    let rules = &issuer.role_rules;
    let problems = [
        (!is_name(&issuer.name), ("name", "must have 1 to 32 letters, digits and -")),
        (!matches!(url.scheme(), "https" | "http"), ("url", "must be an https URL")),
        (url.scheme() == "http" && !issuer.allow_http, ("url", "must be https, unless allow_http is set")),
        (issuer.audiences.is_empty(), ("audiences", "must name at least one: tokens for others prove nothing here")),
        (issuer.algorithms.is_empty(), ("algorithms", "must name at least one")),
        (issuer.username.is_empty(), ("username", "must name at least one JSON pointer")),
        (!pointers.into_iter().flatten().all(is_pointer), ("username, roles, groups", "must be JSON pointers: /a/b")),
        (!issuer.attributes.values().all(is_pointer), ("attributes", "must be JSON pointers: /a/b")),
        (issuer.jwks_url.is_some() && issuer.jwks_file.is_some(), ("jwks_url", "give one of jwks_url and jwks_file")),
        (
            issuer.fetch_token_file.is_some() && issuer.jwks_file.is_some(),
            ("fetch_token_file", "is shown to nobody where the keys are in jwks_file"),
        ),
        (
            rules.iter().any(|rule| rule.claims.is_empty() || rule.role.is_empty()),
            ("role_rules", "each must name a role and at least one claim"),
        ),
        (
            rules.iter().any(|rule| rule.claims.values().any(|values| values.iter().any(is_whole_wildcard))),
            ("role_rules", "a value of wildcards alone is for everybody, and is refused"),
        ),
        (
            rules.iter().any(|rule| rule.claims.keys().all(|pointer| is_of_every_token(pointer))),
            ("role_rules", "/iss, /aud and /azp are in every token of the issuer: a rule names another claim besides"),
        ),
        (
            issuer.attributes.iter().any(|(name, pointer)| is_of_every_token(pointer) && !is_their_own(name, pointer)),
            ("attributes", "/iss, /aud and /azp are there already, as jwt:iss, jwt:aud and jwt:azp"),
        ),
        (
            !rules.iter().all(|rule| rule.claims.keys().all(is_pointer)),
            ("role_rules", "claims are named by JSON pointers: /a/b"),
        ),
    ];
    match problems.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, problem)) => Err(problem),
        None => directory::check(issuer),
    }
}

/// Whether a JSON pointer leads to what all tokens of an issuer have alike: a rule or a condition on it is for everybody.
fn is_of_every_token(pointer: &str) -> bool {
    let claim = pointer.split('/').nth(1);
    claim.is_some_and(|claim| ["iss", "aud", "azp"].contains(&claim))
}

fn algorithms() -> Vec<TokenAlgorithm> {
    use TokenAlgorithm::{ES256, ES384, EdDSA, PS256, RS256};
    vec![RS256, PS256, ES256, ES384, EdDSA]
}

const fn max_age() -> Duration {
    Duration::from_secs(24 * 3600)
}

fn max_age_text() -> String {
    humantime::format_duration(max_age()).to_string()
}

fn username() -> Vec<String> {
    vec!["/preferred_username".to_owned(), "/sub".to_owned()]
}

fn groups() -> Vec<String> {
    vec!["/groups".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        let issuers: std::collections::BTreeMap<String, Vec<Issuer>> = toml::from_str(text).unwrap();
        check(&issuers["issuers"]).err().map(|(field, text)| format!("{field}: {text}"))
    }

    fn issuer(name: &str, rest: &str) -> String {
        format!("[[issuers]]\nname = \"{name}\"\nurl = \"https://{name}.example\"\naudiences = [\"zas\"]\n{rest}\n")
    }

    #[test]
    fn an_issuer_needs_a_name_a_url_and_an_audience() {
        assert_eq!(problem(&issuer("kc", "")), None);
        let issuers: std::collections::BTreeMap<String, Vec<Issuer>> = toml::from_str(&issuer("kc", "")).unwrap();
        let read = &issuers["issuers"][0];
        assert_eq!(read.prefix(), "kc:");
        assert_eq!(read.role_pointers(), ["/realm_access/roles", "/resource_access/zas/roles"]);
    }

    #[test]
    fn what_would_let_the_wrong_people_in_is_refused() {
        for (rest, says) in [
            ("algorithms = []", "[0].algorithms"),
            ("username = [\"sub\"]", "JSON pointers"),
            ("role_rules = [{ role = \"ci\", claims = {} }]", "at least one claim"),
            ("role_rules = [{ role = \"ci\", claims = { \"/sub\" = [\"**\"] } }]", "wildcards alone"),
            ("role_rules = [{ role = \"ci\", claims = { \"/aud\" = [\"zas\"], \"/iss\" = [\"x\"] } }]", "every token"),
            ("role_rules = [{ role = \"ci\", claims = { \"/aud/0\" = [\"zas\"] } }]", "every token"),
            ("attributes = { audience = \"/aud\" }", "jwt:aud"),
            ("jwks_url = \"https://x\"\njwks_file = \"x\"", "[0].jwks_url"),
            ("fetch_token_file = \"x\"\njwks_file = \"x\"", "[0].fetch_token_file"),
        ] {
            let problem = problem(&issuer("kc", rest)).unwrap();
            assert!(problem.contains(says), "{problem}");
        }
        let plain = "[[issuers]]\nname = \"kc\"\nurl = \"http://kc\"\naudiences = [\"zas\"]";
        assert!(problem(plain).unwrap().contains("allow_http"));
        assert!(problem(&plain.replace("[\"zas\"]", "[]")).unwrap().contains("http"));
    }

    #[test]
    fn two_issuers_cannot_share_names() {
        let two = |prefix: &str, other: &str| {
            problem(&(issuer("a", &format!("prefix = \"{prefix}\"")) + &issuer("b", &format!("prefix = \"{other}\""))))
        };
        assert_eq!(two("", "b:"), None);
        assert_eq!(two("a:", "b:"), None);
        for (prefix, other) in [("", ""), ("a:", "a:"), ("a:", "a:b:")] {
            assert!(two(prefix, other).unwrap().contains("collides"), "{prefix} {other}");
        }
        assert!(problem(&(issuer("a", "") + &issuer("a", ""))).unwrap().contains("this name"));
    }
}
