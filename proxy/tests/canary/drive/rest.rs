//! The management API and metrics.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};

use super::Drive;
use crate::ask::{Ask, basic};
use crate::installation::ROOT;
use crate::sinks::MARK;

const API: &str = "/-/api/v1";

pub(super) async fn drive(drive: &mut Drive<'_>) {
    let root = drive.root();
    drive.expect(200, Ask::get(format!("{API}/whoami")), Some(&root)).await;
    drive.expect(201, Ask::post(format!("{API}/buckets")).json(&json!({"name": MARK})), Some(&root)).await;
    drive.expect(409, Ask::post(format!("{API}/buckets")).json(&json!({"name": MARK})), Some(&root)).await;
    keys(drive, &root).await;
    signing_keys(drive, &root).await;
    wrong_credentials(drive).await;
    secrets_in_wrong_places(drive, &root).await;
}

/// A key is made, used, rotated and switched off.
async fn keys(drive: &mut Drive<'_>, root: &str) {
    let new = json!({"name": "ci", "groups": ["/build"]});
    let made = drive.expect_secret(201, Ask::post(format!("{API}/access-keys")).json(&new), Some(root)).await.json();
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    drive.secrets.add("an access key's secret", &secret);
    let key = basic(&id, &secret);
    drive.expect(200, Ask::get(format!("{API}/whoami")), Some(&key)).await;
    drive.expect(403, Ask::get(format!("{API}/configuration")), Some(&key)).await;
    let rotate = Ask::post(format!("{API}/access-keys/{id}/rotate")).json(&json!({}));
    let second = drive.expect_secret(201, rotate, Some(root)).await.json();
    drive.secrets.add("a rotated key's secret", second["secret"].as_str().unwrap());
    drive.expect(200, Ask::get(format!("{API}/access-keys/{id}")), Some(root)).await;
    drive.expect(200, Ask::get(format!("{API}/access-keys")), Some(root)).await;
    let off = Ask::new(http::Method::PATCH, format!("{API}/access-keys/{id}")).json(&json!({"disabled": true}));
    drive.expect(200, off, Some(root)).await;
    drive.expect(401, Ask::get(format!("{API}/whoami")), Some(&key)).await;
}

/// Private keys are brought, in the clear and encrypted, and taken out; and what is wrong with some of them.
async fn signing_keys(drive: &mut Drive<'_>, root: &str) {
    let path = format!("{API}/signing-keys");
    let (clear, encrypted) = (KeyPair::generate(Algorithm::EcdsaP256), KeyPair::generate(Algorithm::EcdsaP256));
    let clear = pem(&clear.unwrap().to_pkcs8().unwrap());
    let password = drive.secret("the password of a private key");
    let encrypted = encrypted.unwrap().to_cosign_pem(password.as_bytes()).unwrap();
    for (name, key) in [("a private key", clear.as_str()), ("an encrypted private key", encrypted.as_str())] {
        for line in key.lines().filter(|line| line.len() == 64) {
            drive.secrets.add(name, line);
        }
    }
    let new = json!({"name": "clear", "usage": "release", "private_key": clear});
    drive.expect(201, Ask::post(&path).json(&new), Some(root)).await;
    let wrong = drive.secret("a wrong password of a private key");
    let mut new =
        json!({"name": "out", "usage": "release", "private_key": &*encrypted, "password": wrong, "exportable": true});
    drive.expect(400, Ask::post(&path).json(&new), Some(root)).await;
    new["password"] = json!(password);
    drive.expect(201, Ask::post(&path).json(&new), Some(root)).await;
    drive.expect(400, Ask::post(&path).json(&json!({"name": "x", "usage": {"private_key": clear}})), Some(root)).await;
    let rotate = json!({"private_key": format!("{clear}{clear}")});
    drive.expect(400, Ask::post(format!("{path}/clear/rotate")).json(&rotate), Some(root)).await;

    let password = drive.secret("the password that a private key is taken out with");
    let export = Ask::post(format!("{path}/out/generations/1/export")).json(&json!({"password": password}));
    let taken = drive.expect_secret(200, export, Some(root)).await.json();
    for line in taken["private_key"].as_str().unwrap().lines().filter(|line| line.len() == 64) {
        drive.secrets.add("a private key that was taken out", line);
    }
    let export = Ask::post(format!("{path}/clear/generations/1/export")).json(&json!({"password": password}));
    drive.expect(403, export, Some(root)).await;
    drive.expect(200, Ask::get(&path), Some(root)).await;
    drive.expect(200, Ask::get(format!("{path}/out/public-key")), Some(root)).await;
    let sign = json!({"artifact": format!("s3://{MARK}/none"), "key": "out"});
    drive.expect(404, Ask::post(format!("{API}/artifacts/sign")).json(&sign), Some(root)).await;
}

/// A private key in PEM.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

async fn wrong_credentials(drive: &mut Drive<'_>) {
    let wrong = basic(ROOT, &drive.secret("a wrong password"));
    let unknown = basic(&drive.secret("a user that is a password"), "x");
    let bearer = drive.installation.issuer.token("alice", &json!({})).unwrap();
    drive.secrets.add("a token of an issuer", &bearer);
    let expired = drive.installation.issuer.token("alice", &json!({"exp": 1})).unwrap();
    drive.secrets.add("an expired token", &expired);
    let stray = drive.installation.issuer.token("alice", &json!({"iss": "https://nobody.example"})).unwrap();
    drive.secrets.add("a token of nobody's", &stray);
    let key = drive.installation.issuer.sign(&drive.installation.issuer.claims("alice"), &json!({"kid": "unknown"}));
    let key = key.unwrap();
    drive.secrets.add("a token with an unknown key", &key);
    drive.expect(200, Ask::get(format!("{API}/whoami")), Some(&format!("Bearer {bearer}"))).await;
    drive.expect(403, Ask::get("/-/metrics"), Some(&format!("Bearer {bearer}"))).await;
    let opaque = drive.secret("an opaque token");
    // A key that the issuer was not asked about may be new.
    let key = format!("Bearer {key}");
    drive.expect_any(&[401, 503], Ask::get(format!("{API}/whoami")), Some(&key)).await;
    drive.expect_any(&[401, 503], Ask::get("/-/metrics"), Some(&key)).await;
    for shown in [wrong, unknown, format!("Bearer {expired}"), format!("Bearer {stray}"), format!("Bearer {opaque}")] {
        drive.expect(401, Ask::get(format!("{API}/whoami")), Some(&shown)).await;
        drive.expect(401, Ask::get("/-/metrics"), Some(&shown)).await;
    }
    let other = format!("Digest {}", drive.secret("a digest"));
    drive.expect(400, Ask::get(format!("{API}/whoami")), Some(&other)).await;
}

async fn secrets_in_wrong_places(drive: &mut Drive<'_>, root: &str) {
    for (name, body) in [
        ("a secret as a policy", json!({"name": "x", "policy": drive.secret("a secret as a policy")})),
        ("a secret in place of a list", json!({"name": "x", "groups": drive.secret("a secret in place of a list")})),
        (
            "a secret in place of a date",
            json!({"name": "x", "expires_at": drive.secret("a secret in place of a date")}),
        ),
    ] {
        assert!(body.to_string().contains("canary"), "{name}");
        drive.expect(400, Ask::post(format!("{API}/access-keys")).json(&body), Some(root)).await;
    }
    let query = drive.secret("a secret in a query");
    drive.expect(400, Ask::get(format!("{API}/buckets?limit={query}")), Some(root)).await;
    drive.expect(400, Ask::get(format!("{API}/buckets?access_token={query}")), Some(root)).await;
    drive.expect(404, Ask::get(format!("/-/nothing?access_token={query}")), Some(root)).await;
}
