//! Tokens of the registry: whoever is known gets one, and it is worth what its holder may.

use serde_json::json;
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;
use zas_proxy::oci::TOKEN_PATH;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Says, Who, all_but, need, only};
use super::sidecar::Sidecar;

const SCOPE: &str = "repository:gate/app:pull";

pub(crate) async fn cases(_: &Sidecar) -> Vec<Case> {
    vec![by_query(), by_form()]
}

/// What such a token is worth, `no_operation…` of the OCI door and `tests/registry_login` say.
fn by_query() -> Case {
    let ask = Ask::get(format!("{TOKEN_PATH}?service=zot-artifact-store&scope={SCOPE}"));
    Case::for_the_known(Door::Token, "token-query", &format!("GET {TOKEN_PATH}"), ask, 200)
}

/// The answer to a form says what was granted.
fn by_form() -> Case {
    let fields = [
        ("grant_type", "password"),
        ("service", "zot-artifact-store"),
        ("username", "somebody"),
        ("password", "{token}"),
        ("scope", SCOPE),
    ];
    let to_pull = need(Action::Pull, Resource::repository("gate/app"));
    let worthless = |answer: &Answer| answer.json()["scope"] == json!("");
    let attempt = |name: &str, policy| Attempt::new(Who::person(name, policy), Says::This(200, worthless), None);
    Case {
        door: Door::Token,
        operation: format!("POST {TOKEN_PATH}"),
        ask: Ask::post(TOKEN_PATH).form(&fields),
        refused: vec![
            Attempt::new(Who::Nobody, Says::WhoAreYou, None),
            attempt("token-none", None),
            attempt("token-lacks0", Some(all_but(&to_pull))),
        ],
        recorded: None,
        allowed: Who::person("token-only", Some(only(&[to_pull]))),
        success: 200,
        is_done: |answer| answer.json()["scope"] == json!(SCOPE),
        is_forwarded: false,
    }
}
