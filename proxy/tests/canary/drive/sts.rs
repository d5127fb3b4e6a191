//! STS, and the sessions that it begins.

use std::time::Duration;

use serde_json::json;

use super::Drive;
use super::s3::signed;
use crate::ask::Ask;
use crate::signing::Signer;
use crate::sinks::MARK;

const ROLE: (&str, &str) = ("RoleArn", "arn:aws:iam:::role/deploy");

pub(super) async fn drive(drive: &mut Drive<'_>) {
    let root = drive.root();
    let role = json!({"trust_policy": {"Statement": {"Effect": "Allow", "Principal": {"Federated": "kc"},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"jwt:sub": "id-of-alice"}}}}});
    drive.expect(200, Ask::put("/-/api/v1/roles/deploy").json(&role), Some(&root)).await;
    let attach = "/-/api/v1/policies/read-write/attachments?kind=role&name=deploy";
    drive.expect(204, Ask::put(attach), Some(&root)).await;
    let token = |user: &str| drive.installation.issuer.token(user, &json!({})).unwrap();
    let (alice, bob) = (token("alice"), token("bob"));
    drive.secrets.add("a web identity token", &alice);
    drive.secrets.add("a token that the role does not trust", &bob);
    let opaque = drive.secret("an opaque web identity token");
    let policy = drive.secret("a secret in a session's policy");
    let code = drive.secret("a code of a second factor");
    let session = session(drive, &alice).await;
    for (status, fields) in [
        (403, vec![("WebIdentityToken", bob.as_str())]),
        (400, vec![("WebIdentityToken", &opaque)]),
        (400, vec![("WebIdentityToken", &alice), ("Policy", &policy)]),
        (501, vec![("WebIdentityToken", &alice), ("TokenCode", &code)]),
    ] {
        drive.expect(status, ask(&fields), None).await;
    }
    let in_url = Ask::post(format!("/?Action=AssumeRoleWithWebIdentity&WebIdentityToken={alice}"));
    drive.expect(400, in_url, None).await;
    use_session(drive, session).await;
}

fn ask(fields: &[(&str, &str)]) -> Ask {
    let all = [&[("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ROLE], fields].concat();
    Ask::post("/").form(&all)
}

async fn session(drive: &mut Drive<'_>, token: &str) -> Signer {
    let answer = drive.expect_secret(200, ask(&[("WebIdentityToken", token)]), None).await;
    let (secret, token) = (answer.element("SecretAccessKey"), answer.element("SessionToken"));
    drive.secrets.add("the secret of a session", &secret);
    drive.secrets.add("a session token", token.rsplit('.').next().unwrap());
    Signer { session_token: Some(token), ..Signer::new(&answer.element("AccessKeyId"), &secret) }
}

async fn use_session(drive: &mut Drive<'_>, session: Signer) {
    let key = format!("/{MARK}/key");
    signed(drive, &session, 200, Ask::get(&key)).await;
    let presigned = session.presign(drive.base(), Ask::get(&key), Duration::from_secs(60));
    drive.expect(200, presigned, None).await;
    signed(drive, &session, 403, Ask::delete(format!("/{MARK}?policy"))).await;
    let token = session.session_token.as_deref().map(|token| format!("{token}x"));
    signed(drive, &Signer { session_token: token, ..session.clone() }, 400, Ask::get(&key)).await;
    let who = Signer { service: "sts", ..session };
    signed(drive, &who, 200, Ask::post("/").form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")])).await;
}
