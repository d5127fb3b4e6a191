//! Whom a statement of a bucket's policy or of a role's trust policy is about.

use crate::{Identity, Principal};

/// One entry of a `Principal` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    /// `*`: everybody, anonymous requests included.
    Everybody,
    User(Box<str>),
    Role(Box<str>),
    /// `arn:aws:sts:::assumed-role/<role>/<session>`.
    Session {
        role: Box<str>,
        session: Box<str>,
    },
    Group(Box<str>),
    /// `Federated`: whoever comes from this issuer.
    Issuer(Box<str>),
}

impl PrincipalPattern {
    /// Reads an entry of `AWS`: `*`, `user/alice`, `role/deploy`, `group//teams/build`, or the same after `arn:aws:iam::…:`.
    ///
    /// # Errors
    /// What an entry looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let name = after_account(text, "arn:aws:iam:").or_else(|| after_account(text, "arn:aws:sts:")).unwrap_or(text);
        let pattern = match name.split_once('/') {
            None if text == "*" => Some(Self::Everybody),
            Some(("user", user)) => Some(Self::User(user.into())),
            Some(("role", role)) => Some(Self::Role(role.into())),
            Some(("group", group)) => Some(Self::Group(group.into())),
            Some(("assumed-role", rest)) => {
                rest.split_once('/').map(|(role, session)| Self::Session { role: role.into(), session: session.into() })
            }
            _ => None,
        };
        let named = name.split_once('/').is_none_or(|(_, name)| !name.is_empty());
        pattern.filter(|_| named && (text == "*" || !text.contains(['*', '?']))).ok_or_else(|| {
            format!(
                "{text:?} is no principal: \"*\", or \"user/…\", \"role/…\" or \"group/…\", also after \"arn:aws:iam:::\", \
                 without wildcards."
            )
        })
    }

    /// Whether it is about this principal.
    pub(crate) fn is_about(&self, principal: &Principal) -> bool {
        match (self, principal) {
            (Self::Everybody, _) => true,
            (_, Principal::Identity(identity)) => self.is_about_identity(identity),
            _ => false,
        }
    }

    fn is_about_identity(&self, identity: &Identity) -> bool {
        match (self, &identity.session) {
            // A session acts as its role, no longer as the user or the groups that took it.
            (Self::User(user), None) => **user == *identity.name,
            (Self::Group(group), None) => identity.groups.iter().any(|name| **name == **group),
            (Self::Issuer(issuer), None) => **issuer == *identity.issuer,
            (Self::Role(role), _) => identity.roles.iter().any(|name| **name == **role),
            (Self::Session { role, session }, Some(is)) => {
                **session == *is.name && identity.roles.iter().any(|name| **name == **role)
            }
            _ => false,
        }
    }
}

/// What stands after `arn:aws:iam:<region>:<account>:`; both are usually empty here.
fn after_account<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split_once(':')?.1.split_once(':').map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_read_with_and_without_its_arn() {
        let alice = PrincipalPattern::User("alice".into());
        assert_eq!(PrincipalPattern::parse("user/alice"), Ok(alice.clone()));
        assert_eq!(PrincipalPattern::parse("arn:aws:iam:::user/alice"), Ok(alice.clone()));
        assert_eq!(PrincipalPattern::parse("arn:aws:iam::123456789012:user/alice"), Ok(alice));
        assert_eq!(PrincipalPattern::parse("group//teams/build"), Ok(PrincipalPattern::Group("/teams/build".into())));
    }

    #[test]
    fn a_principal_with_a_wildcard_or_without_a_name_is_refused() {
        for text in
            ["user/*", "arn:aws:iam::*:user/alice", "alice", "", "user/", "role", "**", "arn:aws:sts:::assumed-role/x"]
        {
            assert!(PrincipalPattern::parse(text).is_err(), "{text}");
        }
    }
}
