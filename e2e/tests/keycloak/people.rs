//! How the tests ask: curl, and tokens of people.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zas_e2e::clients::Room;

/// One request by curl; status and body.
pub(crate) fn curl(room: &Room<'_>, arguments: &[&str]) -> Result<(u16, String)> {
    let told = room.ok(Path::new("curl"), &[&["-s", "-w", "\n%{http_code}"], arguments].concat())?;
    let (body, status) = told.rsplit_once('\n').context("curl wrote no status")?;
    Ok((status.parse()?, body.to_owned()))
}

/// An access token of a person whose password is the name.
pub(crate) fn token(room: &Room<'_>, issuer: &str, user: &str) -> Result<String> {
    Ok(log_in(room, issuer, user)?.0)
}

/// An access token and a refresh token of a person whose password is the name.
pub(crate) fn log_in(room: &Room<'_>, issuer: &str, user: &str) -> Result<(String, String)> {
    let form = format!("client_id=zas-cli&grant_type=password&username={user}&password={user}");
    let (status, body) = curl(room, &[&format!("{issuer}/protocol/openid-connect/token"), "-d", &form])?;
    ensure!(status == 200, "{status} {body}");
    let answer: Value = serde_json::from_str(&body)?;
    Ok((text(&answer, "/access_token")?, text(&answer, "/refresh_token")?))
}

/// The text at a JSON pointer.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no text at {pointer} of {value}"))
}

/// A token as curl sends it.
pub(crate) fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

/// One request that must succeed; its body.
pub(crate) fn curl_ok(room: &Room<'_>, arguments: &[&str]) -> Result<String> {
    let (status, body) = curl(room, arguments)?;
    ensure!((200..300).contains(&status), "{status} {body}");
    Ok(body)
}
