//! [`Keycloak`]: what a realm says of its people, by its admin REST API.
//!
//! It answers with what the realm itself has said; everything else, an answer of something in front of it too, is an error.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::StatusCode;
use openidconnect::HttpResponse;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::super::guarded::{FetchError, Guarded};
use crate::config::{self, IssuerClient, Secret};
use crate::error::{Error, Result};

/// A token of ours is given up so long before it lapses.
const MARGIN: Duration = Duration::from_secs(10);

/// Bytes of an id: more than Keycloak gives, and no more than fit into a path.
const LONGEST_ID: usize = 256;

/// All but the unreserved characters of RFC 3986: Keycloak refuses paths where one of those is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A realm, and who we are to it.
#[derive(Debug)]
pub(super) struct Keycloak {
    guarded: Guarded,
    admin_url: String,
    token_url: String,
    client: IssuerClient,
    token: Mutex<Option<(Secret, Instant)>>,
}

/// What the realm knows of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// May log in.
    Enabled,
    /// Is known, and may not.
    Disabled,
    /// Is not known.
    Gone,
}

#[derive(Deserialize)]
struct User {
    id: String,
    enabled: bool,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    path: String,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

/// How the admin API says no.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Keycloak {
    /// Of an issuer that has a directory and a client.
    pub(super) fn new(issuer: &config::Issuer, directory: &config::Directory, client: &IssuerClient) -> Result<Self> {
        let wrong = |error| Error::internal(format!("identity.issuers {}: ca_file: {error}", issuer.name));
        Ok(Self {
            guarded: Guarded::new(issuer).map_err(wrong)?,
            admin_url: directory.admin_url(issuer),
            token_url: directory.token_url(issuer),
            client: client.clone(),
            token: Mutex::default(),
        })
    }

    /// Whether the realm answers as it should: it names somebody, and finds this somebody by the id.
    pub(super) async fn check(&self) -> Result<(), FetchError> {
        let users: Vec<User> = self.read("/users?max=1&briefRepresentation=true").await?;
        let user = users.first().ok_or_else(|| FetchError("the realm names nobody".to_owned()))?;
        match self.person(&user.id).await? {
            Person::Gone => Err(FetchError("the realm does not find by the id whom it names".to_owned())),
            Person::Enabled | Person::Disabled => Ok(()),
        }
    }

    /// What the realm knows of the person of an id.
    pub(super) async fn person(&self, id: &str) -> Result<Person, FetchError> {
        let answer = self.ask(&format!("/users/{}", segment(id)?)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let refusal: Refusal = parse(&answer)?;
            return if refusal.error == "User not found" { Ok(Person::Gone) } else { Err(FetchError(refusal.error)) };
        }
        let user: User = good(&answer)?;
        if user.id != id {
            return Err(FetchError("the realm answers for another person".to_owned()));
        }
        Ok(if user.enabled { Person::Enabled } else { Person::Disabled })
    }

    /// The groups that a person is in, each as tokens may call it: by path, with and without the slash in front, and by name.
    pub(super) async fn groups(&self, id: &str) -> Result<Vec<String>, FetchError> {
        let groups: Vec<Group> = self.read(&format!("/users/{}/groups", segment(id)?)).await?;
        let names = groups.into_iter().flat_map(|group| {
            let bare = group.path.trim_start_matches('/').to_owned();
            [group.path, bare, group.name]
        });
        Ok(names.collect())
    }

    /// The roles that a person has, by whatever way: those of the realm, and those of these clients.
    pub(super) async fn roles(&self, id: &str, clients: &BTreeMap<String, String>) -> Result<Vec<String>, FetchError> {
        let user = segment(id)?;
        let mut roles: Vec<Role> = self.read(&format!("/users/{user}/role-mappings/realm/composite")).await?;
        for client in clients.values() {
            let client = segment(client)?;
            let path = format!("/users/{user}/role-mappings/clients/{client}/composite");
            roles.extend(self.read::<Vec<Role>>(&path).await?);
        }
        Ok(roles.into_iter().map(|role| role.name).collect())
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, FetchError> {
        good(&self.ask(path).await?)
    }

    /// Asks once more with another token where ours is no longer good: the realm's keys may have changed.
    async fn ask(&self, path: &str) -> Result<HttpResponse, FetchError> {
        let url = format!("{}{path}", self.admin_url);
        let answer = self.guarded.get(&url, self.token(None).await?.expose()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let refused = self.token(None).await?;
        self.guarded.get(&url, self.token(Some(&refused)).await?.expose()).await
    }

    /// A token for the admin API (RFC 6749, section 4.4), which is not the one that was refused.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret, FetchError> {
        let mut held = self.token.lock().await;
        if let Some((token, end)) = held.as_ref()
            && Instant::now() < *end
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let form = [("grant_type", "client_credentials")];
        let answer = self.guarded.post(&self.token_url, &self.client, &form).await?;
        let token: Token = good(&answer)?;
        let lifetime = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        let secret = Secret::new(token.access_token);
        *held = Some((secret.clone(), Instant::now() + lifetime));
        Ok(secret)
    }
}

/// What a good answer holds.
fn good<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, FetchError> {
    if answer.status() == StatusCode::OK {
        return parse(answer);
    }
    // What the realm says is for the log, but it says what it likes.
    let said = parse::<Refusal>(answer).map(|refusal| refusal.error.escape_debug().take(200).collect::<String>());
    Err(FetchError(format!("it answers {}: {}", answer.status(), said.unwrap_or_else(|error| error.to_string()))))
}

fn parse<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, FetchError> {
    serde_json::from_slice(answer.body()).map_err(|error| FetchError(format!("the answer cannot be read: {error}")))
}

/// An id as a part of a path; never one that means another path.
fn segment(id: &str) -> Result<String, FetchError> {
    if id.is_empty() || id.len() > LONGEST_ID || id.bytes().all(|byte| byte == b'.') {
        return Err(FetchError("an id that no realm gives".to_owned()));
    }
    Ok(utf8_percent_encode(id, RESERVED).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_a_path_and_never_a_way_to_another() {
        assert_eq!(segment("0e7a-1").unwrap(), "0e7a-1");
        assert_eq!(segment("f:x:../a?b#c%").unwrap(), "f%3Ax%3A..%2Fa%3Fb%23c%25");
        for id in ["", ".", "..", &"a".repeat(257)] {
            assert!(segment(id).is_err(), "{id}");
        }
    }
}
