//! The drive: through every door, with good secrets and with bad ones.

mod oci;
mod raw;
mod rest;
mod s3;
mod sts;

use super::ask::{Answer, Ask};
use super::installation::Installation;
use super::secrets::Secrets;
use super::sinks::TRACE;

/// What a drive knows and gathers.
pub(crate) struct Drive<'a> {
    installation: &'a Installation,
    secrets: &'a mut Secrets,
    answers: String,
}

/// Goes through every door; gives all answers that should hold no secret.
pub(crate) async fn through_every_door(installation: &Installation, secrets: &mut Secrets) -> String {
    let mut drive = Drive { installation, secrets, answers: String::new() };
    rest::drive(&mut drive).await;
    oci::drive(&mut drive).await;
    s3::drive(&mut drive).await;
    sts::drive(&mut drive).await;
    raw::drive(&mut drive).await;
    drive.answers
}

impl Drive<'_> {
    /// A new secret, which a client will send.
    fn secret(&mut self, name: &str) -> String {
        let secret = format!("canary{}", hex::encode(rand::random::<[u8; 12]>()));
        self.secrets.add(name, &secret);
        secret
    }

    fn base(&self) -> &str {
        &self.installation.client.base
    }

    fn root_secret(&self) -> String {
        self.installation.secret("the access key's secret").to_owned()
    }

    /// Basic authentication as root.
    fn root(&self) -> String {
        super::ask::basic(super::installation::ROOT, &self.root_secret())
    }

    /// Sends a request; its answer must have the status, and should hold no secret.
    async fn expect(&mut self, status: u16, ask: Ask, authorization: Option<&str>) -> Answer {
        self.expect_any(&[status], ask, authorization).await
    }

    /// As [`Self::expect`], where it depends on the moment.
    async fn expect_any(&mut self, statuses: &[u16], ask: Ask, authorization: Option<&str>) -> Answer {
        let answer = self.send(ask, authorization).await;
        assert!(statuses.contains(&answer.status), "{statuses:?}: {answer:?}");
        self.answers.push_str(&format!("{} {:?} {}\n", answer.status, answer.headers, answer.body));
        answer
    }

    /// As [`Self::expect`], where the answer is there to hand out a secret.
    async fn expect_secret(&mut self, status: u16, ask: Ask, authorization: Option<&str>) -> Answer {
        self.send(ask, authorization).await.expect(status)
    }

    /// Each request has a cookie and its like, and says to be part of a trace.
    async fn send(&mut self, ask: Ask, authorization: Option<&str>) -> Answer {
        let ask = ask
            .header("cookie", format!("session={}", self.secret("a cookie")))
            .header("proxy-authorization", format!("Basic {}", self.secret("a proxy's password")))
            .header("x-api-key", self.secret("an API key"))
            .header("traceparent", format!("00-{}-b7ad6b7169203331-01", hex::encode(TRACE)));
        self.installation.client.send(&ask, authorization).await
    }
}
