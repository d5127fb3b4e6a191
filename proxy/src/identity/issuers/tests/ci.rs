//! Workloads: tokens of GitHub, GitLab and Kubernetes as those issue them, read as docs/identity.md says; and issuers that want to know
//! who asks for their keys.

use std::path::Path;

use super::*;

const PAGE: &str = include_str!("../../../../../docs/identity.md");
const AUDIENCE: &str = "https://store.example.com";

/// The issuer of this name in docs/identity.md, asked at a mock in its place.
fn documented(name: &str, issuer: &MockIssuer) -> config::Issuer {
    let blocks = PAGE.split("```toml\n").skip(1).filter_map(|block| block.split("```").next());
    let tables = blocks.filter_map(|block| toml::from_str::<toml::Table>(block).ok());
    let issuers = tables.filter_map(|table| table.get("identity")?.get("issuers")?.as_array().cloned()).flatten();
    let mut found =
        issuers.filter_map(|issuer| issuer.try_into::<config::Issuer>().ok()).filter(|one| one.name == name);
    let found = found.next().unwrap_or_else(|| panic!("docs/identity.md has no issuer {name}"));
    config::Issuer {
        url: issuer.url().to_owned(),
        jwks_url: found.jwks_url.as_ref().map(|_| format!("{}/keys", issuer.url())),
        ca_file: None,
        fetch_token_file: None,
        allow_http: true,
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..found
    }
}

/// A mock that signs as these do, and what is believed of it by the documentation.
async fn workloads(name: &str) -> (MockIssuer, Issuers) {
    let (issuer, _) = issuer().await;
    issuer.rotate(Algorithm::RS256).unwrap();
    let issuers = Issuers::new(&[documented(name, &issuer)]).unwrap();
    (issuer, issuers)
}

/// Claims that all have, and those that one has.
fn claims(issuer: &MockIssuer, seconds: i64, own: &Value) -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut claims = json!({"iss": issuer.url(), "iat": now, "nbf": now - 5, "exp": now + seconds});
    claims.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    claims
}

/// "About security hardening with OpenID Connect", GitHub Docs.
fn of_github(issuer: &MockIssuer, repository_id: &str, sub: &str) -> Value {
    let own = json!({
        "jti": "29a8b7f0-0c3f-4c4e-9f5a-0d5c3a6d3a11", "sub": sub, "aud": AUDIENCE, "ref": "refs/heads/main",
        "sha": "c0ffee254729296a45a3885639ac7e10f9d54979", "repository": "acme/app", "repository_owner": "acme",
        "repository_owner_id": "65", "run_id": "30433642", "run_number": "562", "run_attempt": "1",
        "repository_visibility": "private", "repository_id": repository_id, "actor_id": "12", "actor": "alice",
        "workflow": "release", "head_ref": "", "base_ref": "", "event_name": "push", "ref_protected": "true",
        "ref_type": "branch", "workflow_ref": "acme/app/.github/workflows/release.yml@refs/heads/main",
        "workflow_sha": "c0ffee254729296a45a3885639ac7e10f9d54979", "runner_environment": "github-hosted",
        "job_workflow_ref": "acme/app/.github/workflows/release.yml@refs/heads/main", "enterprise_id": "5",
        "job_workflow_sha": "c0ffee254729296a45a3885639ac7e10f9d54979",
    });
    claims(issuer, 300, &own)
}

/// "OpenID Connect (OIDC) Authentication Using ID Tokens", GitLab Docs.
fn of_gitlab(issuer: &MockIssuer, ref_protected: &str) -> Value {
    let own = json!({
        "namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/app", "user_id": "1",
        "user_login": "alice", "user_email": "alice@acme.example", "user_access_level": "developer", "user_identities": [],
        "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": ref_protected, "groups_direct": ["acme/release"],
        "environment": "production", "environment_protected": "true", "deployment_tier": "production",
        "environment_action": "start", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.example.com/acme/app//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "sub": "project_path:acme/app:ref_type:branch:ref:main", "aud": AUDIENCE,
    });
    claims(issuer, 3600, &own)
}

/// "Managing Service Accounts", Kubernetes documentation.
fn of_kubernetes(issuer: &MockIssuer, audience: &str, namespace: &str, account: &str) -> Value {
    let own = json!({
        "aud": [audience], "jti": "aed34954-b33a-4142-b1ec-389d6bbb4936",
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
            "pod": {"name": "build-7d9f", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
            "serviceaccount": {"name": account, "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
            "warnafter": 1_715_014_888,
        },
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
    });
    claims(issuer, 3607, &own)
}

#[tokio::test]
async fn a_job_of_github_is_its_repository_with_the_role_of_its_branch() {
    let (issuer, issuers) = workloads("gh").await;
    for sub in ["repo:acme/app:ref:refs/heads/main", "repo:acme@65/app@123456:ref:refs/heads/main"] {
        let token = issuer.sign(&of_github(&issuer, "123456", sub), &Value::Null).unwrap();
        let job = identity(&issuers, &token).await;
        assert_eq!((job.name, job.roles), (format!("gh:{sub}"), vec!["ci-push".to_owned()]));
        assert_eq!(job.attributes["repository_id"], ["123456"]);
    }
    // A repository that has taken over the name of one that was deleted.
    let token = issuer.sign(&of_github(&issuer, "999", "repo:acme/app:ref:refs/heads/main"), &Value::Null).unwrap();
    assert_eq!(identity(&issuers, &token).await.roles, [""; 0]);
}

#[tokio::test]
async fn a_job_of_gitlab_is_its_project_with_the_role_of_protected_branches() {
    let (issuer, issuers) = workloads("gl").await;
    let token = issuer.sign(&of_gitlab(&issuer, "true"), &Value::Null).unwrap();
    let job = identity(&issuers, &token).await;
    assert_eq!((job.name.as_str(), job.roles), ("gl:acme/app", vec!["ci-push".to_owned()]));
    assert_eq!((&job.attributes["project_id"], &job.attributes["ref"]), (&vec!["20".into()], &vec!["main".into()]));
    let token = issuer.sign(&of_gitlab(&issuer, "false"), &Value::Null).unwrap();
    assert_eq!(identity(&issuers, &token).await.roles, [""; 0]);
}

#[tokio::test]
async fn a_pod_is_its_service_account_in_the_group_of_its_namespace() {
    let (issuer, issuers) = workloads("k8s").await;
    // Kubernetes says nothing of the kind of its tokens.
    let sign = |claims: &Value| issuer.sign(claims, &json!({"typ": null})).unwrap();
    let pod = identity(&issuers, &sign(&of_kubernetes(&issuer, AUDIENCE, "build", "pusher"))).await;
    assert_eq!(pod.name, "k8s:system:serviceaccount:build:pusher");
    assert_eq!((pod.groups, pod.roles), (vec!["k8s:build".to_owned()], vec!["ci-push".to_owned()]));
    assert_eq!(pod.attributes["service_account"], ["pusher"]);
    for (namespace, account) in [("build", "default"), ("elsewhere", "pusher")] {
        let other = identity(&issuers, &sign(&of_kubernetes(&issuer, AUDIENCE, namespace, account))).await;
        assert_eq!(other.roles, [""; 0], "{namespace}/{account}");
    }
    // The token that every pod has is for the cluster, and no proof to anybody else.
    let own = of_kubernetes(&issuer, "https://kubernetes.default.svc.cluster.local", "build", "pusher");
    assert!(refusal(&issuers, &sign(&own)).await.message().contains("aud"));
}

/// A configuration that shows the token of a file.
fn showing(issuer: &MockIssuer, file: &Path) -> config::Issuer {
    config::Issuer { fetch_token_file: Some(file.to_owned()), ..issuer.config("k8s", "") }
}

#[tokio::test]
async fn an_issuer_that_answers_nobody_unknown_is_shown_a_token_that_is_read_anew_each_time() {
    let (issuer, _) = issuer().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    *issuer.shared().wants.lock().unwrap() = Some("first".to_owned());
    let nobody = Issuers::new(&[issuer.config("k8s", "")]).unwrap();
    let token = issuer.token("alice", &Value::Null).unwrap();
    assert_eq!(nobody.verify(&token).await.unwrap_err().code(), Code::IssuerUnavailable);
    let issuers = Issuers::new(&[showing(&issuer, &file)]).unwrap();
    issuers.verify(&token).await.unwrap();

    std::fs::write(&file, "second").unwrap();
    *issuer.shared().wants.lock().unwrap() = Some("second".to_owned());
    issuer.rotate(Algorithm::ES256).unwrap();
    issuers.issuers[0].warm_up().await;
    issuers.verify(&issuer.token("bob", &Value::Null).unwrap()).await.unwrap();
    // For the metadata, and for the keys.
    assert_eq!(*issuer.shared().shown.lock().unwrap(), ["first", "first", "second", "second"]);
}

#[tokio::test]
async fn the_token_for_an_issuer_is_shown_nowhere_else() {
    let (issuer, elsewhere) = (issuer().await.0, MockIssuer::start().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret").unwrap();
    *issuer.shared().keys_at.lock().unwrap() = Some(format!("{}/keys", elsewhere.url()));
    let issuers = Issuers::new(&[showing(&issuer, &file)]).unwrap();
    let token = issuer.token("alice", &Value::Null).unwrap();
    is_unproven(&issuers, &token).await;
    assert_eq!(elsewhere.shared().asked.load(Ordering::Relaxed), 1);
    assert_eq!(*elsewhere.shared().shown.lock().unwrap(), [""; 0]);
    assert_eq!(*issuer.shared().shown.lock().unwrap(), ["secret"]);
    // Where the operator says so it is.
    let named = config::Issuer { jwks_url: Some(format!("{}/keys", elsewhere.url())), ..showing(&issuer, &file) };
    is_unproven(&Issuers::new(&[named]).unwrap(), &token).await;
    assert_eq!(*elsewhere.shared().shown.lock().unwrap(), ["secret"]);
}

#[tokio::test]
async fn a_token_file_that_is_not_there_is_said_at_once() {
    let (issuer, _) = issuer().await;
    let error = Issuers::new(&[showing(&issuer, Path::new("/nowhere/token"))]).unwrap_err();
    assert!(error.for_operator().contains("fetch_token_file"), "{}", error.for_operator());
}
