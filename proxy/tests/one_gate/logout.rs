//! A back-channel logout: no policy is asked, for no principal asks. The issuer's signature on a logout token is the right to it.

use http::Method;
use serde_json::Value;
use zas_proxy::gateway::Door;
use zas_proxy::logout::PATH;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Says, Who};
use super::sidecar::Sidecar;

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let form = [("logout_token", "{token}")];
    let invalid = |answer: &Answer| answer.json()["error"] == "invalid_request";
    let refused = |who| Attempt::new(who, Says::This(400, invalid), None);
    let signed = sidecar.issuer.logout_token("logout-leaver", &Value::Null, &Value::Null).unwrap();
    vec![Case {
        door: Door::Logout,
        operation: format!("{} {PATH}", Method::POST),
        ask: Ask::post(PATH).form(&form),
        // A token that opens doors is none that closes them.
        refused: vec![refused(Who::Nobody), refused(Who::person("logout-other", None))],
        recorded: None,
        allowed: Who::Holder { token: signed },
        success: 200,
        is_done: |answer| answer.body.is_empty(),
        is_forwarded: false,
    }]
}
