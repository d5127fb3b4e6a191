//! [`Narrower`]: the policies that a credential carries with it, of a session or of an access key, and of the credentials that a session
//! was begun with. They only narrow.

use moka::sync::Cache;
use smallvec::SmallVec;
use zas_policy::{Kind, Policy, Principal};

/// Documents that are remembered as they were read.
const REMEMBERED: u64 = 1_000;

/// Reads the policies of credentials, once each. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Narrower {
    read: Cache<String, Policy>,
}

impl Default for Narrower {
    fn default() -> Self {
        Self { read: Cache::new(REMEMBERED) }
    }
}

impl Narrower {
    /// The policies that must allow what this principal asks for, besides those that are attached to it.
    pub(super) fn of(&self, principal: &Principal) -> SmallVec<[Policy; 2]> {
        let Principal::Identity(identity) = principal else { return SmallVec::new() };
        let session = identity.session.as_ref();
        let of_session = session.and_then(|session| session.policy.as_ref());
        let own = [("session", of_session), ("access-key", identity.policy.as_ref())];
        let own = own.into_iter().filter_map(|(name, document)| Some(self.read(name, document?)));
        // Each has a name of its own: whoever asks which of them allow something tells them apart by it.
        let inherited = session.into_iter().flat_map(|session| session.inherited.iter().enumerate());
        own.chain(inherited.map(|(at, document)| self.read(&format!("inherited-{at}"), document))).collect()
    }

    /// One that cannot be read leaves nothing.
    fn read(&self, name: &str, document: &str) -> Policy {
        if let Some(known) = self.read.get(document).filter(|known| known.name() == name) {
            return known;
        }
        let policy = Policy::parse(Kind::Session, name, document).unwrap_or_else(|_| Policy::deny_all(name));
        self.read.insert(document.to_owned(), policy.clone());
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zas_policy::{Identity, Session};

    #[test]
    fn session_and_key_narrow_each_and_what_cannot_be_read_narrows_to_nothing() {
        let document = r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "a/*"}}"#;
        let inherited = vec![document.to_owned(), "{".to_owned()];
        let session = Session { policy: Some("{".into()), inherited, ..Session::default() };
        let both = Identity { session: Some(session), policy: Some(document.into()), ..Identity::default() };
        let narrower = Narrower::default();
        for _ in 0..2 {
            let read = narrower.of(&Principal::identity(both.clone()));
            assert_eq!(
                read.iter().map(Policy::name).collect::<Vec<_>>(),
                ["session", "access-key", "inherited-0", "inherited-1"]
            );
        }
        assert!(narrower.of(&Principal::root("AKIA")).is_empty());
        assert!(narrower.of(&Principal::identity(Identity::default())).is_empty());
    }
}
