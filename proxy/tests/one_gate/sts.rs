//! STS. Who may take a role its trust policy alone says: every other right is no right to that.

use serde_json::json;
use zas_policy::Action;
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Says, Who};
use super::sidecar::Sidecar;

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    vec![assume_role(sidecar).await, assume_role_with_web_identity(sidecar).await, get_caller_identity()]
}

fn ask(action: &str, fields: &[(&str, &str)]) -> Ask {
    Ask::post("/").form(&[&[("Action", action), ("Version", "2011-06-15")], fields].concat())
}

async fn assume_role(sidecar: &Sidecar) -> Case {
    let trust = json!({"Effect": "Allow", "Principal": {"AWS": ["user/sts-only", "user/sts-denied"]},
        "Action": "sts:AssumeRole"});
    sidecar.role("for-known", &trust).await;
    let fields = [("RoleArn", "arn:aws:iam:::role/for-known"), ("RoleSessionName", "gate")];
    Case {
        door: Door::Sts,
        operation: "AssumeRole".to_owned(),
        ask: ask("AssumeRole", &fields),
        refused: refused("sts", Attempt::new(Who::Nobody, Says::WhoAreYou, None), Action::AssumeRole),
        recorded: None,
        allowed: Who::person("sts-only", None),
        success: 200,
        is_done: |answer| answer.element("SessionToken").starts_with("ZAS1."),
        is_forwarded: false,
    }
}

async fn assume_role_with_web_identity(sidecar: &Sidecar) -> Case {
    let trust = json!({"Effect": "Allow", "Principal": {"Federated": "kc"}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"jwt:sub": ["id-of-web-only", "id-of-web-denied"]}}});
    sidecar.role("for-tokens", &trust).await;
    let fields =
        [("RoleArn", "arn:aws:iam:::role/for-tokens"), ("RoleSessionName", "gate"), ("WebIdentityToken", "{token}")];
    let lacks_token = |answer: &Answer| answer.element("Code") == "ValidationError";
    Case {
        door: Door::Sts,
        operation: "AssumeRoleWithWebIdentity".to_owned(),
        ask: ask("AssumeRoleWithWebIdentity", &fields),
        refused: refused(
            "web",
            Attempt::new(Who::Nobody, Says::This(400, lacks_token), None),
            Action::AssumeRoleWithWebIdentity,
        ),
        recorded: None,
        allowed: Who::person("web-only", None),
        success: 200,
        is_done: |answer| answer.element("SessionToken").starts_with("ZAS1."),
        is_forwarded: false,
    }
}

/// Somebody without rights; somebody with every right whom the role does not trust; somebody whom it trusts and a policy denies it.
fn refused(id: &str, nobody: Attempt, action: Action) -> Vec<Attempt> {
    let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let denied = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}]});
    let attempt =
        |name: &str, policy| Attempt::new(Who::person(format!("{id}-{name}"), policy), Says::Denied, Some(action));
    vec![nobody, attempt("none", None), attempt("lacks0", Some(everything)), attempt("denied", Some(denied))]
}

fn get_caller_identity() -> Case {
    Case::for_the_known(Door::Sts, "sts-who", "GetCallerIdentity", ask("GetCallerIdentity", &[]), 200)
}
