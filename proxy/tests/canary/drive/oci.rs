//! The registry and its tokens.

use http::Method;
use zas_registry::{Fault, FaultKind, Route};

use super::Drive;
use crate::ask::{Ask, basic};
use crate::installation::ROOT;

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

pub(super) async fn drive(drive: &mut Drive<'_>) {
    let root = drive.root();
    let wrong = basic(ROOT, &drive.secret("a wrong password at the registry"));
    let query = drive.secret("a secret in a query of the registry");
    drive.expect(200, Ask::get("/v2/"), Some(&root)).await;
    drive.expect(401, Ask::get("/v2/"), Some(&wrong)).await;
    drive.expect(401, Ask::get("/v2/"), None).await;
    let upload = format!("/v2/team/app/blobs/uploads/?digest={DIGEST}&token={query}");
    drive.expect(201, Ask::post(upload).body("{}"), Some(&root)).await;
    let pull = || Ask::get(format!("/v2/team/app/blobs/{DIGEST}?access_token={query}"));
    drive.expect(200, pull(), Some(&root)).await;
    drive.expect(404, Ask::get("/v2/team/app/manifests/none"), Some(&root)).await;
    drive.expect(400, Ask::post(format!("/v2/team/app/blobs/uploads/?digest={query}")), Some(&root)).await;
    tokens(drive).await;
    // What a registry that fails is answered, and what is logged of it.
    for kind in [FaultKind::Status(500), FaultKind::CutConnection { after_bytes: 0 }, FaultKind::WrongDigest] {
        drive.installation.registry.inject(Fault::on(Route::Blob, kind).method(Method::GET).times(4));
        let answer = drive.send(pull(), Some(&root)).await;
        drive.answers.push_str(&format!("{answer:?}\n"));
        drive.installation.registry.clear();
    }
}

async fn tokens(drive: &mut Drive<'_>) {
    let scope = "repository:team/app:pull,push";
    let wrong = drive.secret("a wrong password for a token");
    let root = drive.root();
    let query = format!("/-/token?service=zot-artifact-store&scope={scope}&offline_token=true");
    let answer = drive.expect_secret(200, Ask::get(&query), Some(&root)).await.json();
    let (token, refresh) = (answer["token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
    drive.secrets.add("a token of the registry", token);
    drive.secrets.add("a refresh token", refresh);
    let shown = format!("Bearer {token}");
    drive.expect(200, Ask::get(format!("/v2/team/app/blobs/{DIGEST}")), Some(&shown)).await;
    drive.expect(401, Ask::get("/v2/other/manifests/v1"), Some(&shown)).await;
    drive.expect(401, Ask::get("/v2/"), Some(&format!("{shown}x"))).await;
    drive.expect(401, Ask::get(query), Some(&basic(ROOT, &wrong))).await;
    let password = drive.root_secret();
    let stale = format!("{refresh}x");
    for (status, fields) in [
        (200, [("grant_type", "password"), ("username", ROOT), ("password", &password)]),
        (401, [("grant_type", "password"), ("username", ROOT), ("password", &wrong)]),
        (401, [("grant_type", "password"), ("username", &wrong), ("password", "x")]),
        (400, [("grant_type", "client_credentials"), ("client_id", ROOT), ("client_secret", &wrong)]),
        (200, [("grant_type", "refresh_token"), ("client_id", "cli"), ("refresh_token", refresh)]),
        (401, [("grant_type", "refresh_token"), ("client_id", "cli"), ("refresh_token", &stale)]),
    ] {
        let ask = Ask::post("/-/token").form(&fields);
        match status {
            200 => {
                let answer = drive.expect_secret(200, ask, None).await.json();
                drive.secrets.add("a token of the registry by form", answer["access_token"].as_str().unwrap());
            }
            _ => drop(drive.expect(status, ask, None).await),
        }
    }
}
