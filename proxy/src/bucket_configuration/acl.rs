//! Access control lists as the index keeps them: an array of grants, named as S3 names them; nothing where the owner alone may do everything.

use serde::Deserialize;
use serde_json::Value;
use zas_policy::{AccessControlList, AclGrant};

/// A line of a list.
#[derive(Debug, Deserialize)]
struct Line {
    grantee: String,
    permission: String,
}

/// A list as it is kept; none where it says no more than that the owner may do everything.
#[must_use]
pub fn written(list: &AccessControlList) -> Option<Value> {
    if list.is_private() {
        return None;
    }
    let lines = list.grants.iter().map(|grant| {
        let (grantee, permission) = (grant.grantee.to_string(), grant.permission.as_str());
        serde_json::json!({"grantee": grantee, "permission": permission})
    });
    Some(Value::Array(lines.collect()))
}

/// A list as it was kept, of what this owner has. A line that this version cannot read gives nobody anything.
#[must_use]
pub fn read(owner: String, document: Option<Value>) -> AccessControlList {
    let Some(document) = document else { return AccessControlList::private(owner) };
    let lines = match document {
        Value::Array(lines) => lines,
        _ => Vec::new(),
    };
    let read = |line: Value| {
        let grant = grant(&line);
        if grant.is_none() {
            tracing::error!(owner, %line, "a line of a stored access control list cannot be read");
        }
        grant
    };
    let grants = lines.into_iter().filter_map(read).collect();
    AccessControlList { owner, grants }
}

fn grant(line: &Value) -> Option<AclGrant> {
    let line = Line::deserialize(line).ok()?;
    Some(AclGrant { grantee: line.grantee.parse().ok()?, permission: line.permission.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use zas_policy::{Grantee, Permission};

    #[test]
    fn a_list_is_read_as_it_was_written_and_that_of_the_owner_alone_is_not_kept() {
        let mut list = AccessControlList::private("user/alice");
        assert_eq!(written(&list), None);
        assert_eq!(read("user/alice".into(), None), list);
        for (grantee, permission) in [
            (Grantee::AllUsers, Permission::Read),
            (Grantee::LogDelivery, Permission::Write),
            (Grantee::Principal("role/deploy/job-7".into()), Permission::ReadAcp),
        ] {
            list.grants.push(AclGrant { grantee, permission });
        }
        assert_eq!(read("user/alice".into(), written(&list)), list);
        list.grants.clear();
        assert_eq!(written(&list), Some(json!([])), "nobody is not the owner alone");
        assert_eq!(read("user/alice".into(), written(&list)), list);
    }

    #[test]
    fn what_cannot_be_read_gives_nobody_anything() {
        let good = json!({"grantee": "user/bob", "permission": "READ"});
        for bad in [
            json!({}),
            json!("READ"),
            json!({"grantee": "user/bob", "permission": "ALL"}),
            json!({"grantee": "bob", "permission": "READ"}),
        ] {
            let list = read("user/alice".into(), Some(json!([bad, good])));
            assert_eq!(list.grants.len(), 1, "{bad}");
        }
        assert!(read("user/alice".into(), Some(json!({"all": true}))).grants.is_empty());
    }
}
