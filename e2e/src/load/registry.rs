//! The OCI operations: a blob pushed and pulled as registry clients do it.

use anyhow::{Context as _, Result};
use http::{Method, StatusCode, header};

use super::{
    connection::{Connection, drain},
    content::Payload,
    phase::Run,
};

/// POST for an upload session, then PUT of the whole blob to where the registry says.
pub(super) async fn push(run: &Run, connection: &mut Connection, index: u64) -> Result<u64> {
    let start = format!("/v2/{}/blobs/uploads/", run.repository());
    let request = run.target.oci(Method::POST, &start, Payload::empty())?;
    let response = connection.send(request, StatusCode::ACCEPTED).await?;
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.context("the registry names no upload")?.to_owned();
    drain(response).await?;
    let path = run.target.path_of(&location)?;
    let separator = if path.contains('?') { '&' } else { '?' };
    let finish = format!("{path}{separator}digest=sha256:{}", run.hash(index));
    let body = run.body(index);
    let size = body.len() as u64;
    let request = run.target.oci(Method::PUT, &finish, body)?;
    drain(connection.send(request, StatusCode::CREATED).await?).await?;
    Ok(size)
}

/// GET of the whole blob.
pub(super) async fn pull(run: &Run, connection: &mut Connection, index: u64) -> Result<u64> {
    let path = format!("/v2/{}/blobs/sha256:{}", run.repository(), run.hash(index));
    let request = run.target.oci(Method::GET, &path, Payload::empty())?;
    let received = drain(connection.send(request, StatusCode::OK).await?).await?;
    run.check(&received, index)
}
