//! What the door lets through, and as what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use proptest::prelude::*;

use super::*;
use crate::audit::Journal;
use crate::authz::Policies;
use crate::config::{AccessKey, RingKey, Secret};
use crate::error::RequestId;
use crate::identity::AccessKeys;
use crate::index::Index;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SECRET: &str = "0123456789abcdef";

fn keys() -> Authenticator {
    let key = AccessKey { id: "AKIA".into(), secret: Some(Secret::new(SECRET)), secret_file: None };
    Authenticator::new(AccessKeys::new(&[key]))
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target).header("host", "registry.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn admit_parts(parts: &Parts) -> Result<Admitted> {
    let route = Route::parse(parts.uri.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://zas@127.0.0.1:1/zas");
        let journal = Journal::new(Index::open(&config.database).unwrap(), &config.audit);
        let (authority, identity) = (Authority::new(journal, Policies::new(&config.authorization)), keys());
        let store = Store::new(&config.store).unwrap();
        let door = Door { config: &config, store: &store, identity: &identity, authority: &authority, app: None };
        let tags = tags::of(&route, &parts.method, parts.uri.query().unwrap_or_default())?;
        door.admit(&route, &tags, parts, &context(), &Span::none()).await
    })
}

fn context() -> RequestContext {
    RequestContext { request_id: RequestId::generate(), peer: None, secure: false, operation: Arc::default() }
}

/// As the holder of a key.
fn admit(method: &str, target: &str) -> Result<Admitted> {
    admit_parts(&parts(method, target, &[("authorization", &basic("AKIA", SECRET))]))
}

fn forwarded(method: &str, target: &str) -> Box<Forward> {
    match admit(method, target).unwrap() {
        Admitted::Forward(_, forward) => forward,
        other => panic!("{method} {target}: {other:?}"),
    }
}

fn code(method: &str, target: &str) -> Code {
    admit(method, target).unwrap_err().code()
}

#[test]
fn a_pull_goes_to_the_same_path_with_a_permit() {
    let Admitted::Forward(permit, forward) = admit("GET", "/v2/team/app/manifests/latest").unwrap() else { panic!() };
    assert_eq!(permit.action(), Action::Pull);
    assert_eq!(permit.resource(), &Resource::repository("team/app"));
    assert_eq!(forward.path_and_query, "/v2/team/app/manifests/latest");
    assert_eq!((forward.label, forward.body_limit), ("PullManifest", 0));
}

#[test]
fn a_push_by_digest_goes_on_with_the_tags_that_were_asked_about() {
    let push = forwarded("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=v1&x=y&tag=latest&t%61g=v1"));
    assert_eq!(push.path_and_query, format!("/v2/a/manifests/{DIGEST}?tag=v1&tag=latest").as_str());
    assert_eq!(code("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=..")), Code::ManifestInvalid);
    assert_eq!(code("PUT", "/v2/a/manifests/v1?tag=latest"), Code::ManifestInvalid);
    assert_eq!(forwarded("GET", "/v2/a/manifests/v1?tag=latest").path_and_query, "/v2/a/manifests/v1");
}

#[test]
fn uploads_have_the_limits_of_their_kind() {
    let manifest = forwarded("PUT", "/v2/a/manifests/latest");
    assert_eq!((manifest.body_limit, manifest.too_large), (4 << 20, Code::ManifestTooLarge));
    let blob = forwarded("PATCH", "/v2/a/blobs/uploads/x");
    assert_eq!((blob.body_limit, blob.too_large), (64 << 30, Code::BlobTooLarge));
}

#[test]
fn a_registry_may_take_its_time_to_hash_a_finished_upload() {
    let timeout = forwarded("PUT", &format!("/v2/a/blobs/uploads/x?digest={DIGEST}")).response_timeout.unwrap();
    assert!(timeout.as_secs() >= (64 << 30) / (50 << 20), "{timeout:?}");
    assert!(forwarded("GET", "/v2/a/tags/list").response_timeout.is_none());
}

#[test]
fn reserved_repositories_are_unknown_whatever_the_method() {
    for name in ["s3", "s3/default/00", "zas", "zas/signatures/x", "a/blobs"] {
        for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            for rest in
                ["tags/list", "manifests/latest", "blobs/uploads/", "blobs/uploads/x", &format!("blobs/{DIGEST}")]
            {
                let target = format!("/v2/{name}/{rest}");
                assert_eq!(code(method, &target), Code::NameUnknown, "{method} {target}");
            }
        }
    }
}

#[test]
fn without_credentials_nothing_is_let_through() {
    for (method, target) in [
        ("GET", "/v2/"),
        ("HEAD", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/a/tags/list"),
        ("GET", "/v2/a/manifests/x"),
        ("PUT", "/v2/a/manifests/x"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("DELETE", "/v2/a/manifests/x"),
    ] {
        for headers in [
            vec![],
            vec![("authorization", basic("AKIA", "wrong"))],
            vec![("authorization", basic("NOPE", SECRET))],
            vec![("authorization", "Bearer x".to_owned())],
            vec![("authorization", "Basic !".to_owned())],
        ] {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let error = admit_parts(&parts(method, target, &headers)).unwrap_err();
            assert_eq!(error.row().status, 401, "{method} {target} {headers:?}");
        }
    }
}

#[test]
fn two_authorization_headers_are_a_bad_request() {
    let right = basic("AKIA", SECRET);
    let twice = [("authorization", right.as_str()), ("authorization", right.as_str())];
    assert_eq!(admit_parts(&parts("GET", "/v2/", &twice)).unwrap_err().row().status, 400);
}

#[test]
fn a_refusal_tells_how_to_go_on() {
    let mut config = Config::default();
    let asked = parts("PUT", "/v2/team/app/manifests/v1", &[]);
    let refuse = |config: &Config, error: Error| refusal(config, &asked, &context(), &error);
    let challenge =
        |response: &Response<Bytes>| response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
    let unauthenticated = refuse(&config, Code::Unauthenticated.into());
    assert_eq!(unauthenticated.status(), 401);
    // There is nothing to seal tokens with.
    assert!(challenge(&unauthenticated).starts_with("Basic realm="));
    config.identity.key_ring = vec![RingKey { id: "a".into(), secret: None, secret_file: None }];
    let expected = "Bearer realm=\"http://registry.example/-/token\",service=\"zot-artifact-store\",scope=\"repository:team/app:pull,push\"";
    assert_eq!(challenge(&refuse(&config, Code::Unauthenticated.into())), expected);
    let mounting = parts("POST", &format!("/v2/team/app/blobs/uploads/?mount={DIGEST}&from=other"), &[]);
    let scopes = challenge(&refusal(&config, &mounting, &context(), &Code::Unauthenticated.into()));
    assert!(scopes.ends_with("scope=\"repository:team/app:pull,push repository:other:pull\""), "{scopes}");
    let insufficient = challenge(&refuse(&config, Code::InsufficientScope.into()));
    assert_eq!(insufficient, format!("{expected},error=\"insufficient_scope\""));
    config.listen.external_url = Some("https://store.example/".into());
    assert!(challenge(&refuse(&config, Code::Unauthenticated.into())).contains("\"https://store.example/-/token\""));
    assert_eq!(unauthenticated.headers()["docker-distribution-api-version"], "registry/2.0");
    let not_allowed = refuse(&config, admit("POST", "/v2/a/manifests/x").unwrap_err());
    assert_eq!(not_allowed.status(), 405);
    assert_eq!(not_allowed.headers()[header::ALLOW], "GET, HEAD, PUT, DELETE");
    assert!(!not_allowed.headers().contains_key(header::WWW_AUTHENTICATE));
}

#[test]
fn the_base_is_answered_here() {
    let Admitted::Base(permit) = admit("GET", "/v2/").unwrap() else { panic!() };
    assert_eq!(permit.action(), Action::GetCallerIdentity);
    let Admitted::Catalog(permit) = admit("GET", "/v2/_catalog").unwrap() else { panic!() };
    assert_eq!(permit.action(), Action::Catalog);
    assert_eq!(base(&Method::GET).body(), "{}");
    assert!(base(&Method::HEAD).body().is_empty());
}

#[test]
fn a_mount_from_a_reserved_repository_becomes_a_plain_upload() {
    for from in ["s3/default/00", "zas/x", "s3", "a/blobs"] {
        let forward = forwarded("POST", &format!("/v2/a/blobs/uploads/?mount={DIGEST}&from={from}"));
        assert_eq!(forward.path_and_query, "/v2/a/blobs/uploads/", "{from}");
    }
    let readable = forwarded("POST", &format!("/v2/a/blobs/uploads/?mount={DIGEST}&from=b"));
    assert!(readable.path_and_query.query().unwrap().ends_with("&from=b"));
}

#[test]
fn a_push_to_a_name_that_the_registry_overlooks_is_refused_but_a_pull_is_not() {
    assert_eq!(code("PUT", "/v2/my-blobs/manifests/x"), Code::NameInvalid);
    assert_eq!(code("POST", "/v2/a.sync/blobs/uploads/"), Code::NameInvalid);
    forwarded("GET", "/v2/my-blobs/manifests/x");
    forwarded("DELETE", "/v2/my-blobs/manifests/x");
}

#[test]
fn host_and_name_together_have_a_limit_for_what_is_new() {
    // `registry.example` and the slash take 17 of the 255.
    let fits = "a".repeat(238);
    forwarded("PUT", &format!("/v2/{fits}/manifests/x"));
    assert_eq!(code("PUT", &format!("/v2/{fits}a/manifests/x")), Code::NameInvalid);
    forwarded("GET", &format!("/v2/{fits}a/manifests/x"));
}

#[test]
fn unknown_paths_and_methods_have_their_codes() {
    assert_eq!(code("GET", "/v2/_zot/ext/mgmt"), Code::NotFound);
    assert_eq!(code("GET", "/v2/a%2fb/tags/list"), Code::NotFound);
    assert_eq!(code("GET", "/v2/a/../s3/tags/list"), Code::NotFound);
    assert_eq!(code("DELETE", "/v2/"), Code::MethodNotAllowed);
    assert_eq!(code("OPTIONS", "/v2/a/tags/list"), Code::MethodNotAllowed);
}

#[test]
fn every_refusal_has_a_code_of_the_specification() {
    const CODES: [&str; 14] = [
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
    ];
    for target in
        ["/v2/x", "/v2/A/tags/list", "/v2/a/blobs/x", "/v2/a/manifests/.", "/v2/a/tags/list?n=x", "/v2/s3/tags/list"]
    {
        let error = admit("GET", target).unwrap_err();
        assert!(CODES.contains(&error.row().oci), "{target}: {}", error.row().oci);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_forwarded_stays_in_the_repository_that_was_authorised(
        name in "(s3|zas|a|blobs|[a-z0-9._-]{1,5})(/(s3|a|blobs|[a-z0-9._-]{1,5})){0,3}",
        rest in "(tags/list|manifests/[a-z.]{1,3}|blobs/uploads/|blobs/uploads/[a-z.%]{1,3})",
        query in "[a-z0-9=&%./]{0,20}",
        method in "(GET|PUT|POST|PATCH|DELETE)",
    ) {
        let Ok(uri) = format!("/v2/{name}/{rest}?{query}").parse::<http::Uri>() else { return Ok(()) };
        if let Ok(Admitted::Forward(permit, forward)) = admit(&method, &uri.to_string()) {
            let Resource::Repository { name: allowed } = permit.resource() else { panic!("no repository") };
            let path = forward.path_and_query.path();
            prop_assert!(path.starts_with(&format!("/v2/{allowed}/")), "{}", path);
            prop_assert_eq!(path, uri.path());
            let first = allowed.split('/').next().unwrap();
            prop_assert!(first != "s3" && first != "zas");
        }
    }
}
