//! Scopes of registry tokens: what a client asks for, and what it gets of it (distribution, "Token Scope Documentation").

use zas_policy::{Action, Resource};

use super::artifact;
use super::name::Name;
use crate::authz::{Authority, Caller};
use crate::error::{Code, Error, Result};
use crate::identity::Access;

/// Scopes of one request, and characters of one.
const MOST: usize = 64;
const LONGEST: usize = 512;

/// Actions on repositories, by what the policy calls them.
const ACTIONS: [(&str, Action); 3] = [("pull", Action::Pull), ("push", Action::Push), ("delete", Action::Delete)];

/// One scope: `repository:team/app:pull,push` or `registry:catalog:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// Reads the scopes of a request; a value may hold several, with spaces in between. What nobody here understands gives nothing.
///
/// # Errors
/// `InvalidArgument`: too many, or too long.
pub(super) fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<Scope>> {
    let texts: Vec<&str> =
        values.flat_map(|value| value.split(' ')).filter(|text| !text.is_empty()).take(MOST + 1).collect();
    if texts.len() > MOST || texts.iter().any(|text| text.len() > LONGEST) {
        return Err(Error::new(Code::InvalidArgument, "There may be at most 64 scopes, of 512 characters each."));
    }
    Ok(texts.into_iter().filter_map(Scope::parse).collect())
}

impl Scope {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        // A name may hold a port.
        let (name, actions) = rest.rsplit_once(':')?;
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// What the caller gets of it: the actions that the policy allows, none is no error.
    pub(super) fn granted(
        self,
        authority: &Authority,
        caller: &Caller,
        is_reserved: impl Fn(&Name) -> bool,
    ) -> Option<Access> {
        let wants = |action: &str| self.actions.iter().any(|wanted| wanted == action || wanted == "*");
        let actions: Vec<String> = match self.kind.as_str() {
            // Which of them are shown, the catalog decides for each.
            "registry" if self.name == "catalog" && wants("*") => vec!["*".to_owned()],
            "repository" => {
                let name = Name::parse(&self.name)?;
                if artifact::owns(&name) {
                    // What one may do there is a question of each object, asked with each request.
                    let words = ACTIONS.iter().filter(|(word, _)| wants(word)).map(|(word, _)| (*word).to_owned());
                    let actions: Vec<String> = words.collect();
                    return (!actions.is_empty()).then_some(Access { kind: self.kind, name: self.name, actions });
                }
                if is_reserved(&name) {
                    return None;
                }
                let resource = Resource::repository(name.as_str());
                // What is known of each artifact is asked with each request.
                let allowed = ACTIONS
                    .iter()
                    .filter(|(word, action)| wants(word) && authority.may_know(caller, *action, &resource));
                allowed.map(|(word, _)| (*word).to_owned()).collect()
            }
            _ => return None,
        };
        (!actions.is_empty()).then_some(Access { kind: self.kind, name: self.name, actions })
    }
}

/// An access as a scope is written.
pub(super) fn written(access: &Access) -> String {
    format!("{}:{}:{}", access.kind, access.name, access.actions.join(","))
}

/// What a client must ask for to be let through; none where being somebody is enough.
pub(super) fn needed(action: Option<Action>, name: Option<&Name>) -> Option<Access> {
    let access = |kind: &str, name: &str, actions: &[&str]| Access {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
    };
    match (action?, name) {
        // Whoever pushes asks what is there first.
        (Action::Push | Action::UpdateTag, Some(name)) => Some(access("repository", name.as_str(), &["pull", "push"])),
        (Action::Delete, Some(name)) => Some(access("repository", name.as_str(), &["delete"])),
        (_, Some(name)) => Some(access("repository", name.as_str(), &["pull"])),
        (_, None) => Some(access("registry", "catalog", &["*"])),
    }
}

/// Whether what was granted covers an action.
pub(super) fn covers(granted: &[Access], action: Action, name: Option<&Name>) -> bool {
    let word = match action {
        Action::Push | Action::UpdateTag | Action::Sign | Action::AttachSbom | Action::Attest | Action::Attach => {
            "push"
        }
        Action::Delete | Action::DeleteSignature | Action::DeleteSbom | Action::DeleteAttestation | Action::Detach => {
            "delete"
        }
        Action::Catalog => "*",
        _ => "pull",
    };
    let (kind, name) = name.map_or(("registry", "catalog"), |name| ("repository", name.as_str()));
    granted
        .iter()
        .any(|access| access.kind == kind && access.name == name && access.actions.iter().any(|one| one == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_in_lists_and_with_ports_and_what_is_no_scope_is_passed_over() {
        let read = parse(
            ["repository:a/b:pull,push repository:host:5000/a:pull", "registry:catalog:*", "nonsense"].into_iter(),
        )
        .unwrap();
        let shown: Vec<String> =
            read.iter().map(|scope| format!("{} {} {:?}", scope.kind, scope.name, scope.actions)).collect();
        assert_eq!(
            shown,
            [r#"repository a/b ["pull", "push"]"#, r#"repository host:5000/a ["pull"]"#, r#"registry catalog ["*"]"#]
        );
        assert!(parse(std::iter::repeat_n("repository:a:pull", 65)).is_err());
        assert!(parse([format!("repository:{}:pull", "a".repeat(600)).as_str()].into_iter()).is_err());
    }

    #[test]
    fn a_token_to_push_does_not_delete_and_none_is_for_another_repository() {
        let name = Name::parse("team/app").unwrap();
        let other = Name::parse("team/other").unwrap();
        let granted = vec![needed(Some(Action::Push), Some(&name)).unwrap()];
        for action in [Action::Push, Action::Pull, Action::ListTags, Action::UpdateTag] {
            assert!(covers(&granted, action, Some(&name)), "{action}");
            assert!(!covers(&granted, action, Some(&other)), "{action}");
        }
        assert!(!covers(&granted, Action::Delete, Some(&name)));
        assert!(!covers(&granted, Action::Catalog, None));
        assert!(covers(&[needed(Some(Action::Catalog), None).unwrap()], Action::Catalog, None));
    }
}
