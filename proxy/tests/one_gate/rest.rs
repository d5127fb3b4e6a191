//! The management API, and metrics.

use http::Method;
use serde_json::{Value, json};
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Case, Need, need};
use super::sboms;
use super::sidecar::Sidecar;
use super::supply_chain;

const API: &str = "/-/api/v1";

/// Makes cases, each with an id of its own.
struct Cases<'a> {
    sidecar: &'a Sidecar,
    made: Vec<Case>,
}

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let mut cases = Cases { sidecar, made: Vec::new() };
    cases.of_the_service();
    cases.of_buckets().await;
    cases.of_bucket_policies().await;
    cases.of_quotas().await;
    cases.of_lifecycles().await;
    cases.of_policies().await;
    cases.of_event_targets().await;
    cases.of_roles().await;
    cases.of_sessions().await;
    cases.of_access_keys().await;
    cases.of_own_access_keys().await;
    cases.made.extend(supply_chain::cases(sidecar).await);
    cases.made.extend(sboms::cases(sidecar).await);
    cases.made.extend(super::verdicts::cases(sidecar).await);
    let heads = cases.made.iter().filter(|case| case.ask.method == Method::GET).map(head).collect::<Vec<_>>();
    [heads, cases.made].concat()
}

/// The same without its body.
fn head(case: &Case) -> Case {
    let ask = Ask { method: Method::HEAD, ..case.ask.clone() };
    // Metrics have no description.
    let operation = case.operation.replace("GET ", if case.operation.ends_with("metrics") { "GET " } else { "HEAD " });
    Case { operation, ask, ..case.clone() }
}

impl Cases<'_> {
    fn id(&self) -> String {
        format!("rest-{}", self.made.len())
    }

    /// An operation on the service as a whole.
    fn add(&mut self, method: Method, path: &str, query: &str, body: &Value, action: Action, success: u16) {
        self.add_on(method, path, ("", ""), query, body, need(action, Resource::Service), success);
    }

    /// An operation on what the parameter `{name}` of the path names.
    #[expect(clippy::too_many_arguments, reason = "one line an operation is what makes the table readable")]
    fn add_on(
        &mut self,
        method: Method,
        path: &str,
        (parameter, value): (&str, &str),
        query: &str,
        body: &Value,
        need: Need,
        success: u16,
    ) {
        let operation = format!("{method} {API}{path}");
        let target = format!("{API}{path}{query}").replace(&format!("{{{parameter}}}"), value);
        let mut ask = Ask::new(method, target);
        if !body.is_null() {
            ask = ask.json(body);
        }
        self.made.push(Case::new(Door::Rest, &self.id(), &operation, ask, &[need], success));
    }

    /// Does something that must work, as root.
    async fn prepare(&self, method: Method, path: &str, body: &Value) -> Answer {
        let mut ask = Ask::new(method, format!("{API}{path}"));
        if !body.is_null() {
            ask = ask.json(body);
        }
        let answer = self.sidecar.as_root(&ask).await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer
    }

    fn of_the_service(&mut self) {
        let question = json!({"principal": {"name": "alice"}, "action": "s3:GetObject", "resource": "*"});
        self.add(Method::POST, "/authorize/explain", "", &question, Action::Explain, 200);
        self.add(Method::POST, "/tokens/explain", "", &json!({"token": "none of anybody"}), Action::Explain, 200);
        self.add(Method::GET, "/audit", "?from=2026-01-01T00:00:00Z", &Value::Null, Action::QueryAudit, 200);
        let lines = Ask::get(format!("{API}/audit?from=2026-01-01T00:00:00Z&format=ocsf"));
        let needs = [need(Action::QueryAudit, Resource::Service), need(Action::ExportAudit, Resource::Service)];
        self.made.push(Case::new(Door::Rest, &self.id(), &format!("GET {API}/audit"), lines, &needs, 200));
        self.add(Method::GET, "/configuration", "", &Value::Null, Action::ReadConfiguration, 200);
        let whoami = format!("{API}/whoami");
        let case = Case::for_the_known(Door::Rest, &self.id(), &format!("GET {whoami}"), Ask::get(whoami), 200);
        self.made.push(case);
        let needs = [need(Action::ReadMetrics, Resource::Service)];
        let ask = Ask::get("/-/metrics");
        self.made.push(Case::new(Door::Rest, &self.id(), "GET /-/metrics", ask, &needs, 200));
    }

    async fn of_buckets(&mut self) {
        self.add(Method::GET, "/buckets", "", &Value::Null, Action::ListAllMyBuckets, 200);
        let on = |action, bucket: &str| need(action, Resource::bucket(bucket));
        let new = json!({"name": "rest-new"});
        self.add_on(Method::POST, "/buckets", ("", ""), "", &new, on(Action::CreateBucket, "rest-new"), 201);
        for (method, path, query, action, success) in [
            (Method::GET, "/buckets/{bucket}", "", Action::GetBucketLocation, 200),
            (Method::DELETE, "/buckets/{bucket}", "", Action::DeleteBucket, 204),
            (Method::GET, "/buckets/{bucket}/effective", "?user=alice", Action::GetEffective, 200),
        ] {
            let bucket = format!("{}-bucket", self.id());
            self.prepare(Method::POST, "/buckets", &json!({"name": bucket})).await;
            self.add_on(method, path, ("bucket", &bucket), query, &Value::Null, on(action, &bucket), success);
        }
    }

    async fn of_bucket_policies(&mut self) {
        let policy = json!({"document": {"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/nobody"},
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}});
        let (one, history) = ("/buckets/{bucket}/policy", "/buckets/{bucket}/policy/history");
        for (method, path, sends, action, success) in [
            (Method::GET, one, false, Action::GetBucketPolicy, 200),
            (Method::PUT, one, true, Action::PutBucketPolicy, 200),
            (Method::DELETE, one, false, Action::DeleteBucketPolicy, 204),
            (Method::GET, history, false, Action::GetBucketPolicy, 200),
        ] {
            let bucket = format!("{}-bucket", self.id());
            let policy: Value = serde_json::from_str(&policy.to_string().replace("{bucket}", &bucket)).unwrap();
            self.prepare(Method::POST, "/buckets", &json!({"name": bucket})).await;
            self.prepare(Method::PUT, &format!("/buckets/{bucket}/policy"), &policy).await;
            let need = need(action, Resource::bucket(&*bucket));
            let body = if sends { policy } else { Value::Null };
            self.add_on(method, path, ("bucket", &bucket), "", &body, need, success);
        }
    }

    async fn of_quotas(&mut self) {
        self.add(Method::GET, "/quotas", "", &Value::Null, Action::ListQuotas, 200);
        let quota = json!({"max_objects": 7});
        for (method, path, body, action, success) in [
            (Method::GET, "/buckets/{bucket}/quota", &Value::Null, Action::GetQuota, 200),
            (Method::PUT, "/buckets/{bucket}/quota", &quota, Action::PutQuota, 200),
            (Method::DELETE, "/buckets/{bucket}/quota", &Value::Null, Action::DeleteQuota, 204),
            (Method::POST, "/buckets/{bucket}/quota/recount", &Value::Null, Action::PutQuota, 200),
        ] {
            let bucket = format!("{}-bucket", self.id());
            self.prepare(Method::POST, "/buckets", &json!({"name": bucket})).await;
            self.prepare(Method::PUT, &format!("/buckets/{bucket}/quota"), &quota).await;
            let need = need(action, Resource::bucket(&*bucket));
            self.add_on(method, path, ("bucket", &bucket), "", body, need, success);
        }
    }

    async fn of_lifecycles(&mut self) {
        let bucket = format!("{}-bucket", self.id());
        self.prepare(Method::POST, "/buckets", &json!({"name": bucket})).await;
        let need = need(Action::GetLifecycleStatus, Resource::bucket(&*bucket));
        // A bucket that nobody has given rules has no passes to tell of.
        self.add_on(Method::GET, "/buckets/{bucket}/lifecycle", ("bucket", &bucket), "", &Value::Null, need, 404);
    }

    async fn of_policies(&mut self) {
        self.add(Method::GET, "/policies", "", &Value::Null, Action::ListPolicies, 200);
        let policy = json!({"document":
            {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "nothing/*"}}});
        let target = "?kind=group&name=/nobody";
        for (method, path, query, body, action, success) in [
            (Method::GET, "/policies/{policy}", "", &Value::Null, Action::GetPolicy, 200),
            (Method::PUT, "/policies/{policy}", "", &policy, Action::PutPolicy, 200),
            (Method::PUT, "/policies/{policy}", "?dry_run=true", &policy, Action::PutPolicy, 200),
            (Method::DELETE, "/policies/{policy}", "", &Value::Null, Action::DeletePolicy, 204),
            (Method::GET, "/policies/{policy}/history", "", &Value::Null, Action::GetPolicy, 200),
            (Method::GET, "/policies/{policy}/attachments", "", &Value::Null, Action::GetPolicy, 200),
            (Method::PUT, "/policies/{policy}/attachments", target, &Value::Null, Action::AttachPolicy, 204),
            (Method::DELETE, "/policies/{policy}/attachments", target, &Value::Null, Action::DetachPolicy, 204),
        ] {
            let name = format!("{}-policy", self.id());
            self.prepare(Method::PUT, &format!("/policies/{name}"), &policy).await;
            if action == Action::DetachPolicy {
                self.prepare(Method::PUT, &format!("/policies/{name}/attachments{target}"), &Value::Null).await;
            }
            let need = need(action, Resource::managed("policy", &*name));
            self.add_on(method, path, ("policy", &name), query, body, need, success);
        }
    }

    async fn of_event_targets(&mut self) {
        self.add(Method::GET, "/event-targets", "", &Value::Null, Action::ListEventTargets, 200);
        let target = json!({"url": "https://hooks.example/zas"});
        let (one, dead) = ("/event-targets/{event_target}", "/event-targets/{event_target}/dead-events");
        let redeliver = "/event-targets/{event_target}/dead-events/redeliver";
        for (method, path, body, action, success) in [
            (Method::GET, one, &Value::Null, Action::GetEventTarget, 200),
            (Method::PUT, one, &target, Action::PutEventTarget, 200),
            (Method::DELETE, one, &Value::Null, Action::DeleteEventTarget, 204),
            (Method::GET, dead, &Value::Null, Action::GetEventTarget, 200),
            (Method::POST, redeliver, &Value::Null, Action::RedeliverEvents, 200),
        ] {
            let name = format!("{}-target", self.id());
            self.prepare(Method::PUT, &format!("/event-targets/{name}"), &target).await;
            let need = need(action, Resource::managed("event-target", &*name));
            self.add_on(method, path, ("event_target", &name), "", body, need, success);
        }
    }

    async fn of_roles(&mut self) {
        self.add(Method::GET, "/roles", "", &Value::Null, Action::ListRoles, 200);
        let role = json!({"trust_policy":
            {"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/taker"}, "Action": "sts:AssumeRole"}}});
        let (one, history) = ("/roles/{role}", "/roles/{role}/history");
        for (method, path, body, action, success) in [
            (Method::GET, one, &Value::Null, Action::GetRole, 200),
            (Method::PUT, one, &role, Action::PutRole, 200),
            (Method::DELETE, one, &Value::Null, Action::DeleteRole, 204),
            (Method::GET, history, &Value::Null, Action::GetRole, 200),
        ] {
            let name = format!("{}-role", self.id());
            self.prepare(Method::PUT, &format!("/roles/{name}"), &role).await;
            let need = need(action, Resource::role(&*name));
            self.add_on(method, path, ("role", &name), "", body, need, success);
        }
    }

    async fn of_sessions(&mut self) {
        self.add(Method::GET, "/sessions", "", &Value::Null, Action::ListSessions, 200);
        self.add(Method::GET, "/revocations", "", &Value::Null, Action::ListSessions, 200);
        let revocation = json!({"kind": "subject", "value": "kc/id-of-somebody-else"});
        self.add(Method::POST, "/revocations", "", &revocation, Action::RevokeSession, 204);
        for (method, action, success) in
            [(Method::GET, Action::GetSession, 200), (Method::DELETE, Action::RevokeSession, 204)]
        {
            let session = self.session().await;
            let need = need(action, Resource::managed("session", &*session));
            self.add_on(method, "/sessions/{session}", ("session", &session), "", &Value::Null, need, success);
        }
    }

    /// The id of a session that somebody has begun.
    async fn session(&self) -> String {
        let role = format!("{}-taken", self.id());
        let trust = json!({"Effect": "Allow", "Principal": {"AWS": "user/taker"}, "Action": "sts:AssumeRole"});
        self.sidecar.role(&role, &trust).await;
        self.sidecar.refresh().await;
        let arn = format!("arn:aws:iam:::role/{role}");
        let ask = Ask::post("/").form(&[("Action", "AssumeRole"), ("RoleArn", &arn), ("RoleSessionName", "gate")]);
        let token = format!("Bearer {}", self.sidecar.token("taker", &[]));
        self.sidecar.send(&ask, Some(&token)).await.expect(200);
        let (sessions, _) = self.sidecar.app.index.role_sessions(None, 100).await.unwrap();
        sessions.iter().find(|session| session.role == role).unwrap().id.to_string()
    }

    async fn of_access_keys(&mut self) {
        self.add(Method::GET, "/access-keys", "", &Value::Null, Action::ListAccessKeys, 200);
        self.add(Method::POST, "/access-keys", "", &json!({"name": "made"}), Action::CreateAccessKey, 201);
        let (one, rotate) = ("/access-keys/{access_key}", "/access-keys/{access_key}/rotate");
        for (method, path, body, action, success) in [
            (Method::GET, one, Value::Null, Action::GetAccessKey, 200),
            (Method::PATCH, one, json!({"disabled": true}), Action::UpdateAccessKey, 200),
            (Method::DELETE, one, Value::Null, Action::DeleteAccessKey, 204),
            (Method::POST, rotate, json!({}), Action::UpdateAccessKey, 201),
        ] {
            let made = self.prepare(Method::POST, "/access-keys", &json!({"name": self.id()})).await.json();
            let id = made["id"].as_str().unwrap().to_owned();
            let need = need(action, Resource::managed("access-key", &*id));
            self.add_on(method, path, ("access_key", &id), "", &body, need, success);
        }
    }

    /// Each is the key of whoever does it in the end.
    async fn of_own_access_keys(&mut self) {
        self.add(Method::GET, "/me/access-keys", "", &Value::Null, Action::ListOwnAccessKeys, 200);
        self.add(Method::POST, "/me/access-keys", "", &json!({}), Action::CreateOwnAccessKey, 201);
        let makers = json!({"Statement": {"Effect": "Allow", "Action": "admin:CreateOwnAccessKey", "Resource": "*"}});
        self.sidecar.attach("makers", &makers, "/makers").await;
        self.sidecar.refresh().await;
        let (one, rotate) = ("/me/access-keys/{access_key}", "/me/access-keys/{access_key}/rotate");
        for (method, path, body, action, success) in [
            (Method::GET, one, Value::Null, Action::GetOwnAccessKey, 200),
            (Method::PATCH, one, json!({"disabled": true}), Action::UpdateOwnAccessKey, 200),
            (Method::DELETE, one, Value::Null, Action::DeleteOwnAccessKey, 204),
            (Method::POST, rotate, json!({}), Action::UpdateOwnAccessKey, 201),
        ] {
            let owner = format!("Bearer {}", self.sidecar.token(&format!("{}-only", self.id()), &["/makers"]));
            let ask = Ask::post(format!("{API}/me/access-keys")).json(&json!({}));
            let made = self.sidecar.send(&ask, Some(&owner)).await.expect(201).json();
            let id = made["id"].as_str().unwrap().to_owned();
            let need = need(action, Resource::managed("access-key", &*id));
            self.add_on(method, path, ("access_key", &id), "", &body, need, success);
        }
    }
}
