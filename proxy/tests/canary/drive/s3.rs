//! S3: signatures in headers and in URLs, bearer tokens, keys of encryption.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::json;

use super::Drive;
use crate::ask::Ask;
use crate::installation::ROOT;
use crate::signing::Signer;
use crate::sinks::MARK;

const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn drive(drive: &mut Drive<'_>) {
    let root = Signer::new(ROOT, &drive.root_secret());
    let key = format!("/{MARK}/key");
    signed(drive, &root, 200, Ask::put(&key).body("content")).await;
    signed(drive, &root, 200, Ask::get(&key)).await;
    signed(drive, &root, 404, Ask::get(format!("/{MARK}/none"))).await;
    let wrong = drive.secret("a wrong secret of an access key");
    signed(drive, &Signer::new(ROOT, &wrong), 403, Ask::get(&key)).await;
    signed(drive, &Signer::new("AKIANOBODY", &wrong), 403, Ask::get(&key)).await;
    let late = Signer { at: SystemTime::now() - Duration::from_secs(3600), ..root.clone() };
    signed(drive, &late, 403, Ask::get(&key)).await;
    presigned(drive, &root, &key).await;
    customers_keys(drive, &root, &key).await;
    forms_and_tokens(drive, &key).await;
    drive.expect(403, Ask::get(&key), None).await;
}

/// Sends a request with its signature, which is a secret from then on.
pub(super) async fn signed(drive: &mut Drive<'_>, signer: &Signer, status: u16, ask: Ask) {
    let ask = signer.sign(drive.base(), ask);
    let authorization = ask.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    drive.secrets.add("a signature", authorization.split_once("Signature=").unwrap().1);
    drive.expect(status, ask, None).await;
}

/// Whoever reads a presigned URL may do what it says.
async fn presigned(drive: &mut Drive<'_>, root: &Signer, key: &str) {
    let late = Signer { at: SystemTime::now() - Duration::from_secs(3600), ..root.clone() };
    let good = root.presign(drive.base(), Ask::get(key), MINUTE);
    let lapsed = late.presign(drive.base(), Ask::get(key), MINUTE);
    let other = root.presign(drive.base(), Ask::get(key), MINUTE);
    for (status, ask) in [(200, good), (403, lapsed), (403, Ask { method: http::Method::DELETE, ..other })] {
        let signature = ask.target.split_once("X-Amz-Signature=").unwrap().1.split('&').next().unwrap().to_owned();
        drive.secrets.add("the signature of a URL", &signature);
        drive.expect(status, ask, None).await;
    }
}

/// Keys that clients want objects to be encrypted with: whatever is made of them, they are not repeated.
async fn customers_keys(drive: &mut Drive<'_>, root: &Signer, key: &str) {
    for prefix in ["x-amz-server-side-encryption-customer", "x-amz-copy-source-server-side-encryption-customer"] {
        let bytes: [u8; 32] = rand::random();
        drive.secrets.add("a customer's key", &STANDARD.encode(bytes));
        drive.secrets.add("a customer's key in hexadecimal", &hex::encode(bytes));
        for ask in [Ask::put(key).body("content"), Ask::get(key)] {
            let ask = ask
                .header(&format!("{prefix}-algorithm"), "AES256")
                .header(&format!("{prefix}-key"), STANDARD.encode(bytes))
                .header(&format!("{prefix}-key-md5"), STANDARD.encode(Md5::digest(bytes)));
            let answer = drive.send(root.sign(drive.base(), ask), None).await;
            drive.answers.push_str(&format!("{answer:?}\n"));
        }
    }
}

async fn forms_and_tokens(drive: &mut Drive<'_>, key: &str) {
    let signature = drive.secret("the signature of a form");
    let field =
        |head: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; name={head}\r\n\r\n{value}\r\n");
    let form = [
        field("key", "key"),
        field("policy", "e30="),
        field("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        field("x-amz-credential", &format!("{ROOT}/20260101/us-east-1/s3/aws4_request")),
        field("x-amz-date", "20260101T000000Z"),
        field("x-amz-signature", &signature),
        field("file", "content"),
        "--x--\r\n".to_owned(),
    ]
    .concat();
    let ask = Ask::post(format!("/{MARK}")).header("content-type", "multipart/form-data; boundary=x").body(form);
    drive.expect(403, ask, None).await;
    let token = drive.installation.issuer.token("bob", &json!({})).unwrap();
    drive.secrets.add("a token at S3", &token);
    drive.expect(403, Ask::get(key), Some(&format!("Bearer {token}"))).await;
    let opaque = drive.secret("an opaque token at S3");
    drive.expect(401, Ask::get(key), Some(&format!("Bearer {opaque}"))).await;
    let session = drive.secret("a session token without a signature");
    drive.expect(400, Ask::get(key).header("x-amz-security-token", &session), None).await;
    let session = drive.secret("a session token in a query");
    drive.expect(400, Ask::get(format!("{key}?X-Amz-Security-Token={session}")), None).await;
}
