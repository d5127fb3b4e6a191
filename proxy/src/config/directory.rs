//! `[identity.issuers.client]`, `[identity.issuers.directory]`, `[identity.issuers.introspection]`: what an issuer is asked besides its
//! keys, and as whom.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Issuer, Secret};

/// How this service is known to an issuer: a confidential client (OAuth 2.0, client credentials).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerClient {
    /// The client's id.
    pub id: String,
    /// Its secret. Give this or `secret_file`.
    pub secret: Option<Secret>,
    /// A file that holds the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
}

/// A Keycloak that is asked about the owners of access keys and sessions, as the issuer's `client`: its service account needs the
/// role `view-users` of `realm-management`. Whoever is disabled or gone there is revoked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Directory {
    /// The realm in Keycloak's admin API; unset: the issuer's `url` with `/admin/realms/` in place of `/realms/`.
    pub admin_url: Option<String>,
    /// Where the client gets its tokens; unset: `/protocol/openid-connect/token` behind the issuer's `url`.
    pub token_url: Option<String>,
    /// How often everybody is asked about; 60 s where it is unset. Whoever is disabled is dead here after this and five seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Whether access keys of people lose groups that they are no longer in (it does where it is unset). Switch it off where the
    /// groups of tokens are not Keycloak's.
    pub groups: bool,
    /// Whether they lose roles that they no longer have (so where it is unset). Switch it off where the roles of tokens are not
    /// Keycloak's.
    pub roles: bool,
    /// Clients whose roles tokens hold, by their ids: what Keycloak calls them itself, a UUID. Without it, roles of clients count as
    /// lost: only whoever may view clients, with their secrets, could ask what they are called.
    pub clients: BTreeMap<String, String>,
    /// People who may be found disabled or gone in one round; 20 where it is unset. Where there are more, none is revoked: a
    /// directory that has lost its own is likelier than a company that has.
    pub revoke_at_most: u32,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            admin_url: None,
            token_url: None,
            interval: Duration::from_secs(60),
            groups: true,
            roles: true,
            clients: BTreeMap::new(),
            revoke_at_most: 20,
        }
    }
}

impl Directory {
    /// The realm in the admin API, without a slash at the end.
    #[must_use]
    pub fn admin_url(&self, issuer: &Issuer) -> String {
        let url = self.admin_url.clone().unwrap_or_else(|| issuer.url.replacen("/realms/", "/admin/realms/", 1));
        url.trim_end_matches('/').to_owned()
    }

    /// Where tokens for the admin API are.
    #[must_use]
    pub fn token_url(&self, issuer: &Issuer) -> String {
        let of_keycloak = || format!("{}/protocol/openid-connect/token", issuer.url.trim_end_matches('/'));
        self.token_url.clone().unwrap_or_else(of_keycloak)
    }
}

/// Asking the issuer whether a token is still good, and for claims that it does not hold itself (RFC 7662), as the issuer's `client`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Introspection {
    /// Where; unset: Keycloak's, `/protocol/openid-connect/token/introspect` behind the issuer's `url`.
    pub url: Option<String>,
    /// How long an answer holds; 15 s where it is unset.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub fresh: Duration,
}

impl Default for Introspection {
    fn default() -> Self {
        Self { url: None, fresh: Duration::from_secs(15) }
    }
}

impl Introspection {
    /// Where tokens are asked about.
    #[must_use]
    pub fn url(&self, issuer: &Issuer) -> String {
        let of_keycloak = || format!("{}/protocol/openid-connect/token/introspect", issuer.url.trim_end_matches('/'));
        self.url.clone().unwrap_or_else(of_keycloak)
    }
}

/// What is wrong with what an issuer is asked.
///
/// # Errors
/// The first that is wrong: the field, and what is wanted.
pub(super) fn check(issuer: &Issuer) -> Result<(), (&'static str, &'static str)> {
    let may_be_asked = |url: &str| {
        let url = url::Url::parse(url).ok().filter(|url| url.host().is_some());
        url.is_some_and(|url| url.scheme() == "https" || (url.scheme() == "http" && issuer.allow_http))
    };
    if issuer.client.is_none() && (issuer.directory.is_some() || issuer.introspection.is_some()) {
        return Err(("client", "is needed to ask the issuer for its directory, and to introspect tokens"));
    }
    if issuer.client.as_ref().is_some_and(|client| client.id.is_empty()) {
        return Err(("client.id", "must not be empty"));
    }
    if let Some(directory) = &issuer.directory {
        if directory.admin_url.is_none() && !issuer.url.contains("/realms/") {
            return Err(("directory.admin_url", "is needed where the issuer's url has no /realms/ in it"));
        }
        if !may_be_asked(&directory.admin_url(issuer)) || !may_be_asked(&directory.token_url(issuer)) {
            return Err(("directory", "must have https URLs, or http with allow_http"));
        }
        if directory.interval < Duration::from_secs(1) {
            return Err(("directory.interval", "must be at least one second"));
        }
        if directory.revoke_at_most == 0 {
            return Err(("directory.revoke_at_most", "must be at least 1"));
        }
    }
    match &issuer.introspection {
        Some(introspection) if !may_be_asked(&introspection.url(issuer)) => {
            Err(("introspection.url", "must be an https URL, or http with allow_http"))
        }
        Some(introspection) if introspection.fresh > Duration::from_secs(60) => {
            Err(("introspection.fresh", "must not be above a minute"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(rest: &str) -> Issuer {
        let text = "name = \"kc\"\nurl = \"https://kc.example/realms/acme\"\naudiences = [\"zas\"]\n";
        toml::from_str(&format!("{text}{rest}")).unwrap()
    }

    const CLIENT: &str = "client = { id = \"zas\", secret = \"x\" }\n";

    #[test]
    fn the_addresses_of_a_keycloak_follow_from_the_issuers() {
        let issuer = issuer(&format!("{CLIENT}directory = {{}}\nintrospection = {{}}"));
        check(&issuer).unwrap();
        let (directory, introspection) = (issuer.directory.clone().unwrap(), issuer.introspection.clone().unwrap());
        assert_eq!(directory.admin_url(&issuer), "https://kc.example/admin/realms/acme");
        assert_eq!(directory.token_url(&issuer), "https://kc.example/realms/acme/protocol/openid-connect/token");
        assert!(introspection.url(&issuer).ends_with("/protocol/openid-connect/token/introspect"));
        assert_eq!((directory.interval, introspection.fresh), (Duration::from_secs(60), Duration::from_secs(15)));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (rest, field) in [
            ("directory = {}", "client"),
            ("introspection = {}", "client"),
            ("client = { id = \"\", secret = \"x\" }", "client.id"),
            ("client = { id = \"zas\", secret = \"x\" }\ndirectory = { interval = \"10ms\" }", "directory.interval"),
            (
                "client = { id = \"zas\", secret = \"x\" }\ndirectory = { revoke_at_most = 0 }",
                "directory.revoke_at_most",
            ),
            ("client = { id = \"zas\", secret = \"x\" }\ndirectory = { admin_url = \"http://kc/admin\" }", "directory"),
            ("client = { id = \"zas\", secret = \"x\" }\nintrospection = { url = \"x\" }", "introspection.url"),
            ("client = { id = \"zas\", secret = \"x\" }\nintrospection = { fresh = \"2m\" }", "introspection.fresh"),
        ] {
            assert_eq!(check(&issuer(rest)).unwrap_err().0, field, "{rest}");
        }
        let mut elsewhere = issuer(&format!("{CLIENT}directory = {{}}"));
        elsewhere.url = "https://issuer.example".to_owned();
        assert_eq!(check(&elsewhere).unwrap_err().0, "directory.admin_url");
    }
}
