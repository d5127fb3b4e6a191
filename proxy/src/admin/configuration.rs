//! `GET /configuration`: what the process was started with, without secrets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use zas_policy::Action;

use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::error::Error;

/// Asks for the configuration.
pub(super) struct GetConfiguration;

impl Asks for GetConfiguration {
    const NAME: &'static str = "GetConfiguration";
    const ACTION: Option<Action> = Some(Action::ReadConfiguration);
}

/// Every key with its value; a secret reads `(hidden)`.
#[utoipa::path(get, path = "/configuration", tag = "service",
    responses((status = 200, body = Object, description = "The sections of docs/configuration.md.")))]
pub(super) async fn get_configuration(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetConfiguration>,
) -> Result<Json<Value>, Refusal> {
    let value = serde_json::to_value(&app.config)
        .map_err(|error| Error::internal("the configuration cannot be written as JSON").source(error))?;
    Ok(Json(value))
}
