//! The part of Keycloak's admin API that the watch over a directory asks, with people that tests change and faults on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Shared;

/// The confidential client that may ask.
pub const CLIENT: &str = "zas";

/// Its secret.
pub const CLIENT_SECRET: &str = "secret of the client";

/// The people of a realm, by id.
#[derive(Debug, Default)]
pub struct People {
    people: Mutex<BTreeMap<String, Person>>,
    /// What every question about one person is answered with, instead of the truth.
    pub fault: Mutex<Option<(StatusCode, String)>>,
    /// How many questions with a good token were asked.
    pub asked: AtomicUsize,
    /// How many tokens were given away: only the last is good.
    pub tokens: AtomicUsize,
}

/// One person.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Whether the person may not log in.
    pub is_disabled: bool,
    /// Groups by their paths.
    pub groups: Vec<String>,
    /// Roles of the realm.
    pub roles: Vec<String>,
    /// Roles of the client `zas`, which the realm calls `internal-id-of-zas`.
    pub client_roles: Vec<String>,
}

impl People {
    /// Puts a person into the realm, or in the place of who was there.
    pub fn put(&self, id: &str, person: Person) {
        self.lock().insert(id.to_owned(), person);
    }

    /// Takes a person out of the realm.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Answers every question about one person so until it is unset.
    pub fn fail(&self, fault: Option<(StatusCode, &str)>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault.map(|(code, text)| (code, text.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Person>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: &str, answer: impl FnOnce(&Person) -> Value) -> Answer {
        if let Some((status, text)) = &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            return (*status, text.clone());
        }
        match self.lock().get(id) {
            Some(person) => (StatusCode::OK, answer(person).to_string()),
            None => (StatusCode::NOT_FOUND, json!({"error": "User not found"}).to_string()),
        }
    }
}

type Answer = (StatusCode, String);
type Asked = State<Arc<Shared>>;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/realms/zas/protocol/openid-connect/token", post(token))
        .route("/admin/realms/zas/users", get(users))
        .route("/admin/realms/zas/users/{id}", get(user))
        .route("/admin/realms/zas/users/{id}/groups", get(groups))
        .route("/admin/realms/zas/users/{id}/role-mappings/realm/composite", get(realm_roles))
        .route("/admin/realms/zas/users/{id}/role-mappings/clients/{client}/composite", get(client_roles))
        .with_state(shared)
}

async fn token(State(shared): Asked, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    if !is_client(&headers) || body.as_ref() != b"grant_type=client_credentials" {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "unauthorized_client"})));
    }
    let number = shared.people.tokens.fetch_add(1, Ordering::Relaxed) + 1;
    (StatusCode::OK, Json(json!({"access_token": format!("token-{number}"), "expires_in": 60})))
}

/// Whether somebody shows the client's secret, encoded as RFC 6749 has it.
pub(super) fn is_client(headers: &HeaderMap) -> bool {
    let secret = CLIENT_SECRET.replace(' ', "+");
    let pair = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == pair.as_bytes())
}

/// Counts a question; what it is answered with where it may not be asked.
fn check(shared: &Shared, headers: &HeaderMap) -> Option<Answer> {
    let good = format!("Bearer token-{}", shared.people.tokens.load(Ordering::Relaxed));
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != good.as_bytes()) {
        return Some((StatusCode::UNAUTHORIZED, json!({"error": "HTTP 401 Unauthorized"}).to_string()));
    }
    shared.people.asked.fetch_add(1, Ordering::Relaxed);
    let is_down = shared.is_down.load(Ordering::Relaxed);
    is_down.then(|| (StatusCode::SERVICE_UNAVAILABLE, "<html>no upstream</html>".to_owned()))
}

fn named(names: &[String]) -> Value {
    let of = |name: &String| json!({"id": name, "name": name.rsplit('/').next().unwrap_or_default(), "path": name});
    names.iter().map(of).collect()
}

async fn users(State(shared): Asked, headers: HeaderMap) -> Answer {
    if let Some(refusal) = check(&shared, &headers) {
        return refusal;
    }
    let people = shared.people.lock();
    let first = people.iter().take(1).map(|(id, person)| json!({"id": id, "enabled": !person.is_disabled}));
    (StatusCode::OK, first.collect::<Value>().to_string())
}

async fn user(State(shared): Asked, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let answer = |person: &Person| json!({"id": id, "enabled": !person.is_disabled});
    check(&shared, &headers).unwrap_or_else(|| shared.people.answer(&id, answer))
}

async fn groups(State(shared): Asked, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    check(&shared, &headers).unwrap_or_else(|| shared.people.answer(&id, |person| named(&person.groups)))
}

async fn realm_roles(State(shared): Asked, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    check(&shared, &headers).unwrap_or_else(|| shared.people.answer(&id, |person| named(&person.roles)))
}

async fn client_roles(State(shared): Asked, headers: HeaderMap, Path((id, client)): Path<(String, String)>) -> Answer {
    let answer = |person: &Person| if client == "internal-id-of-zas" { named(&person.client_roles) } else { json!([]) };
    check(&shared, &headers).unwrap_or_else(|| shared.people.answer(&id, answer))
}
