//! The policies that every installation has. They are attached like others; their names cannot be taken by others.

use crate::document::{Kind, Policy};

/// A policy that the program brings along.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its JSON text.
    pub document: &'static str,
}

const ALL: &[Builtin] = &[
    Builtin {
        name: "admin",
        description: "Everything, management included.",
        document: include_str!("builtin/admin.json"),
    },
    Builtin {
        name: "auditor",
        description: "Reads the audit log, policies, roles, quotas and the configuration; no artifact.",
        document: include_str!("builtin/auditor.json"),
    },
    Builtin {
        name: "ci-push",
        description: "Adds artifacts, signs and attests them; moves no tag and deletes nothing.",
        document: include_str!("builtin/ci-push.json"),
    },
    Builtin {
        name: "read-only",
        description: "Reads every artifact and what is known of it.",
        document: include_str!("builtin/read-only.json"),
    },
    Builtin {
        name: "read-write",
        description: "Reads, writes and deletes artifacts and buckets, and sees quotas; manages no one else's rights.",
        document: include_str!("builtin/read-write.json"),
    },
];

/// Every built-in policy, by name.
#[must_use]
pub const fn all() -> &'static [Builtin] {
    ALL
}

/// A built-in policy by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

impl Builtin {
    /// The policy, read. A test holds that each can be; one that could not would deny everything.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::parse(Kind::Identity, self.name, self.document).unwrap_or_else(|_| Policy::deny_all(self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_policy_can_be_read() {
        for builtin in all() {
            if let Err(error) = Policy::parse(Kind::Identity, builtin.name, builtin.document) {
                panic!("{}: {error}", builtin.name);
            }
        }
    }
}
