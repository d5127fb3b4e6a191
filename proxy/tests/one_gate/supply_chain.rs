//! The management API of signatures: keys, whom to believe, artifacts, and rules of buckets.

use http::Method;
use serde_json::{Value, json};
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};

use super::ask::{Answer, Ask};
use super::case::{Case, Need, need};
use super::oci::let_prepare;
use super::sidecar::Sidecar;

const API: &str = "/-/api/v1";
const REPORT: &str = "https://example.com/report";

/// Makes cases, each with an id of its own.
struct Cases<'a> {
    sidecar: &'a Sidecar,
    made: Vec<Case>,
}

/// An operation: method, path, query, body, status.
type Operation<'a> = (Method, &'a str, &'a str, &'a Value, u16);

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let_prepare(sidecar).await;
    let mut cases = Cases { sidecar, made: Vec::new() };
    cases.of_signing_keys().await;
    cases.of_trusted_keys().await;
    cases.of_trusted_identities().await;
    cases.of_rules().await;
    cases.of_artifacts().await;
    cases.made
}

impl Cases<'_> {
    fn id(&self) -> String {
        format!("supply-{}", self.made.len())
    }

    /// A case; in the path stand these values for these names.
    fn add(&mut self, (method, path, query, body, success): Operation<'_>, values: &[(&str, &str)], needs: &[Need]) {
        let mut target = format!("{API}{path}{query}");
        for (name, value) in values {
            target = target.replace(&format!("{{{name}}}"), value);
        }
        let operation = format!("{method} {API}{path}");
        let ask = Ask::new(method, target);
        let ask = if body.is_null() { ask } else { ask.json(body) };
        self.made.push(Case::new(Door::Rest, &self.id(), &operation, ask, needs, success));
    }

    /// Does something that must work, as root.
    async fn prepare(&self, method: Method, path: &str, body: &Value) -> Answer {
        let ask = Ask::new(method, format!("{API}{path}"));
        let ask = if body.is_null() { ask } else { ask.json(body) };
        let answer = self.sidecar.as_root(&ask).await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer
    }

    /// A signing key of its own.
    async fn key(&self, usage: &str) -> String {
        let name = format!("{}-{usage}", self.id());
        let body = json!({"name": name, "usage": usage, "exportable": true});
        self.prepare(Method::POST, "/signing-keys", &body).await;
        name
    }

    async fn of_signing_keys(&mut self) {
        let (new, null) = (json!({"name": "made", "usage": "release"}), Value::Null);
        let on_service = |action| [need(action, Resource::Service)];
        self.add((Method::GET, "/signing-keys", "", &null, 200), &[], &on_service(Action::ListSigningKeys));
        self.add((Method::POST, "/signing-keys", "", &new, 201), &[], &on_service(Action::CreateSigningKey));
        let (name, one) = ("/signing-keys/{signing_key}", "/signing-keys/{signing_key}/generations/{generation}");
        let of = |rest: &str| format!("{name}/{rest}");
        let of_one = |rest: &str| format!("{one}/{rest}");
        let (off, password) = (json!({"disabled": true}), json!({"password": "a long password"}));
        for (method, path, body, action, success) in [
            (Method::GET, name.to_owned(), &null, Action::GetSigningKey, 200),
            (Method::GET, of("public-key"), &null, Action::GetSigningKey, 200),
            (Method::POST, of("rotate"), &json!({}), Action::RotateSigningKey, 201),
            (Method::GET, one.to_owned(), &null, Action::GetSigningKey, 200),
            (Method::PATCH, one.to_owned(), &off, Action::UpdateSigningKey, 200),
            (Method::POST, of_one("revoke"), &json!({}), Action::RevokeSigningKey, 200),
            (Method::POST, of_one("export"), &password, Action::ExportSigningKey, 200),
        ] {
            let key = self.key("release").await;
            let needs = [need(action, Resource::managed("signing-key", &*key))];
            self.add((method, &path, "", body, success), &[("signing_key", &key), ("generation", "1")], &needs);
        }
    }

    async fn of_trusted_keys(&mut self) {
        let key = || KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().to_pem();
        let new = json!({"name": "made", "public_key": key()});
        self.of_signers(
            ("/trusted-keys", "trusted_key", "fingerprint"),
            "fingerprint",
            "trusted-key",
            &new,
            |id| json!({"name": id, "public_key": key()}),
        )
        .await;
    }

    async fn of_trusted_identities(&mut self) {
        let new = |name: &str| json!({"name": name, "issuer": "https://issuer.example", "subject": "*@acme.example"});
        let place = ("/trusted-identities", "trusted_identity", "identity");
        self.of_signers(place, "id", "trusted-identity", &new("made"), new).await;
    }

    async fn of_signers(
        &mut self,
        (list, name, id): (&str, &str, &str),
        member: &str,
        kind: &'static str,
        new: &Value,
        another: impl Fn(&str) -> Value,
    ) {
        let null = Value::Null;
        let on_service = |action| [need(action, Resource::Service)];
        self.add((Method::GET, list, "", &null, 200), &[], &on_service(Action::ListTrustedSigners));
        self.add((Method::POST, list, "", new, 201), &[], &on_service(Action::AddTrustedSigner));
        let one = format!("{list}/{{{name}}}/{{{id}}}");
        let validity = json!({"valid_from": null, "valid_to": null});
        for (method, path, body, action, success) in [
            (Method::GET, one.clone(), &null, Action::GetTrustedSigner, 200),
            (Method::PUT, one.clone(), &validity, Action::UpdateTrustedSigner, 200),
            (Method::DELETE, one.clone(), &null, Action::DeleteTrustedSigner, 204),
            (Method::POST, format!("{one}/revoke"), &json!({}), Action::UpdateTrustedSigner, 200),
        ] {
            let holder = self.id();
            let added = self.prepare(Method::POST, list, &another(&holder)).await.json();
            let needs = [need(action, Resource::managed(kind, &*holder))];
            let values = [(name, holder.as_str()), (id, added[member].as_str().unwrap())];
            self.add((method, &path, "", body, success), &values, &needs);
        }
    }

    async fn of_rules(&mut self) {
        let key = self.key("release").await;
        let (rules, null) = (json!({"rules": [{"name": "all", "key": key}]}), Value::Null);
        let (path, queue) = ("/buckets/{bucket}/signing-rules", "/buckets/{bucket}/signing-queue");
        for (method, path, body, action, success) in [
            (Method::GET, path, &null, Action::GetSigningRules, 200),
            (Method::PUT, path, &rules, Action::PutSigningRules, 200),
            (Method::DELETE, path, &null, Action::DeleteSigningRules, 204),
            (Method::GET, queue, &null, Action::GetSigningRules, 200),
            (Method::POST, "/buckets/{bucket}/signing-queue/retry", &null, Action::PutSigningRules, 200),
        ] {
            let bucket = format!("{}-bucket", self.id());
            self.prepare(Method::POST, "/buckets", &json!({"name": bucket})).await;
            self.prepare(Method::PUT, &format!("/buckets/{bucket}/signing-rules"), &rules).await;
            let mut needs = vec![need(action, Resource::bucket(&*bucket))];
            if method == Method::PUT {
                needs.push(need(Action::UseSigningKey, Resource::managed("signing-key", &*key)));
            }
            self.add((method, path, "", body, success), &[("bucket", &bucket)], &needs);
        }
    }

    async fn of_artifacts(&mut self) {
        let (release, reports) = (self.key("release").await, self.key("report").await);
        let use_key = |key: &str| need(Action::UseSigningKey, Resource::managed("signing-key", key));
        for (path, key, action) in
            [("/artifacts/sign", &release, Action::Sign), ("/artifacts/attest", &reports, Action::Attest)]
        {
            let (artifact, on_object) = self.object().await;
            let mut body = json!({"artifact": artifact, "key": key});
            if action == Action::Attest {
                body["predicate_type"] = json!(REPORT);
                body["predicate"] = json!({});
            }
            self.add((Method::POST, path, "", &body, 201), &[], &[on_object(action), use_key(key)]);
        }
        for (kind, action) in [
            ("signature", Action::GetSignature),
            ("sbom", Action::GetSbom),
            ("attestation", Action::GetAttestation),
            ("other", Action::GetObject),
        ] {
            let (artifact, on_object) = self.object().await;
            let query = format!("?artifact={artifact}&kind={kind}");
            self.add((Method::GET, "/artifacts/referrers", &query, &Value::Null, 200), &[], &[on_object(action)]);
        }
        for (method, action, success) in
            [(Method::GET, Action::GetAttestation, 200), (Method::DELETE, Action::DeleteAttestation, 204)]
        {
            let (artifact, on_object) = self.object().await;
            let body = json!({"artifact": artifact, "key": reports, "predicate_type": REPORT, "predicate": {}});
            let attested = self.prepare(Method::POST, "/artifacts/attest", &body).await.json();
            let digest = attested["attestation"]["digest"].as_str().unwrap();
            let query = format!("?artifact={artifact}");
            let operation = (method, "/artifacts/attestations/{digest}", query.as_str(), &Value::Null, success);
            self.add(operation, &[("digest", digest)], &[on_object(action)]);
        }
    }

    /// The name of an object of its own, and rights on it.
    async fn object(&self) -> (String, impl Fn(Action) -> Need + use<>) {
        let bucket = format!("{}-bucket", self.id());
        super::oci::prepare(self.sidecar, Ask::put(format!("/{bucket}")), 200).await;
        super::oci::prepare(self.sidecar, Ask::put(format!("/{bucket}/app")).body("bytes"), 200).await;
        (format!("s3://{bucket}/app"), move |action| need(action, Resource::object(&*bucket, "app")))
    }
}
