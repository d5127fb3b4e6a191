//! Access control lists of a question as the engine has them.

use serde_json::Value;
use zas_policy::{AccessControlList, AccessLists, AclGrant};

/// Lists that were read.
pub(crate) struct Read {
    bucket: AccessControlList,
    object: Option<AccessControlList>,
    ignores_public: bool,
}

impl Read {
    pub(crate) fn of(lists: &Value) -> Self {
        let object = Some(&lists["object"]).filter(|list| !list.is_null());
        Self {
            bucket: list(&lists["bucket"]),
            object: object.map(list),
            ignores_public: lists["ignores_public"] == true,
        }
    }

    pub(crate) fn lists(&self) -> AccessLists<'_> {
        AccessLists { bucket: &self.bucket, object: self.object.as_ref(), ignores_public: self.ignores_public }
    }
}

fn list(list: &Value) -> AccessControlList {
    let grant = |grant: &Value| AclGrant {
        grantee: grant[0].as_str().unwrap().parse().unwrap(),
        permission: grant[1].as_str().unwrap().parse().unwrap(),
    };
    let grants = list["grants"].as_array().unwrap().iter().map(grant).collect();
    AccessControlList { owner: list["owner"].as_str().unwrap().to_owned(), grants }
}
