use std::process::Command;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn right() -> Value {
    right_config(&Options {
        root_directory: "/var/lib/zot/oci".into(),
        s3_root_directory: "/var/lib/zot/s3".into(),
        address: "127.0.0.1".to_owned(),
        port: 5001,
        prefix: "s3".to_owned(),
        token_key: None,
    })
}

/// The findings when a right configuration is changed at one place (a JSON pointer); `null` takes the key away.
fn changed(pointer: &str, value: Value) -> Findings {
    let mut config = right();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let object = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    let key = key.replace("~1", "/");
    if value.is_null() {
        object.remove(&key);
    } else {
        object.insert(key, value);
    }
    check(&config.to_string(), "s3")
}

fn fields(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.field.as_str()).collect()
}

#[test]
fn the_configuration_that_we_print_has_no_findings() {
    assert_eq!(check(&right().to_string(), "s3"), Findings::default());
}

#[test]
fn everything_that_would_lose_bytes_is_refused_by_name() {
    for (pointer, value, field) in [
        ("/storage/subPaths/~1s3/gc", json!(true), "storage.subPaths./s3.gc"),
        ("/storage/subPaths/~1s3/gc", json!("true"), "storage.subPaths./s3.gc"),
        ("/storage/subPaths/~1s3/gc", json!("yes"), "storage.subPaths./s3.gc"),
        ("/storage/subPaths/~1s3/dedupe", json!(true), "storage.subPaths./s3.dedupe"),
        ("/storage/subPaths/~1s3/commit", json!(false), "storage.subPaths./s3.commit"),
        ("/storage/subPaths/~1s3/commit", Value::Null, "storage.subPaths./s3.commit"),
        ("/storage/subPaths/~1s3/redirectBlobURL", json!(true), "storage.subPaths./s3.redirectBlobURL"),
        ("/storage/subPaths/~1s3/rootDirectory", json!("/var/lib/zot/oci/s3"), "storage.subPaths./s3.rootDirectory"),
        ("/storage/subPaths/~1s3/rootDirectory", json!("/var/lib/zot/oci/"), "storage.subPaths./s3.rootDirectory"),
        ("/storage/subPaths/~1s3/rootDirectory", json!("/var/lib"), "storage.subPaths./s3.rootDirectory"),
        (
            "/storage/subPaths/~1s3/rootDirectory",
            json!("/srv/../var/lib/zot/oci/x"),
            "storage.subPaths./s3.rootDirectory",
        ),
        ("/storage/subPaths/~1s3/rootDirectory", Value::Null, "storage.subPaths./s3.rootDirectory"),
        ("/storage/subPaths/~1s3", Value::Null, "storage.subPaths./s3"),
        ("/storage/subPaths", Value::Null, "storage.subPaths./s3"),
        ("/http/readTimeout", Value::Null, "http.readTimeout"),
        ("/http/writeTimeout", Value::Null, "http.writeTimeout"),
        ("/http/readTimeout", json!("60s"), "http.readTimeout"),
        ("/http/writeTimeout", json!("10h"), "http.writeTimeout"),
        ("/http/writeTimeout", json!(1), "http.writeTimeout"),
        ("/http/readTimeout", json!(""), "http.readTimeout"),
    ] {
        let findings = changed(pointer, value.clone());
        assert_eq!(fields(&findings.refusals), [field], "{field} {value}");
    }
}

#[test]
fn rules_that_would_lose_signatures_keep_them_from_being_attached_and_nothing_else() {
    let with = |policies: Value| changed("/storage/retention/policies", policies);
    let all = |rule: Value| json!([rule]);
    for (policies, field) in [
        (all(json!({"repositories": ["**"], "deleteReferrers": true})), "storage.retention.policies.0.deleteReferrers"),
        (
            all(json!({"repositories": ["team/**", "zas/*/**"], "deleteReferrers": "yes"})),
            "storage.retention.policies.0.deleteReferrers",
        ),
        (
            all(json!({"repositories": ["**"], "keepTags": [{"patterns": ["v.*"]}]})),
            "storage.retention.policies.0.keepTags",
        ),
        (
            json!([{"repositories": ["team/**"]}, {"repositories": ["*/**"], "deleteReferrers": true}]),
            "storage.retention.policies.1.deleteReferrers",
        ),
    ] {
        let findings = with(policies.clone());
        assert_eq!(fields(&findings.attaching), [field], "{policies}");
        assert!(findings.refusals.is_empty(), "{policies}");
    }
    for policies in [
        all(json!({"repositories": ["team/**"], "deleteReferrers": true})),
        json!([{"repositories": ["zas/**"]}, {"repositories": ["**"], "deleteReferrers": true}]),
        json!([]),
    ] {
        assert_eq!(with(policies.clone()), Findings::default(), "{policies}");
    }
    let mut config = right();
    config["storage"]["retention"]["policies"][0]["deleteReferrers"] = json!(true);
    config["storage"]["gc"] = json!(false);
    assert_eq!(check(&config.to_string(), "s3"), Findings::default(), "nothing is collected");
}

#[test]
fn a_store_of_another_prefix_is_not_ours() {
    assert_eq!(fields(&check(&right().to_string(), "bytes").refusals), ["storage.subPaths./bytes"]);
}

#[test]
fn another_sub_path_on_the_same_folder_is_refused() {
    let mut config = right();
    config["storage"]["subPaths"]["/other"] = json!({"rootDirectory": "/var/lib/zot/s3", "gc": true});
    let findings = check(&config.to_string(), "s3");
    assert_eq!(fields(&findings.refusals), ["storage.subPaths./s3.rootDirectory"]);
    assert!(findings.refusals[0].wanted.contains("/other"));
}

#[test]
fn what_a_sub_path_leaves_out_is_off_but_commit_must_be_said() {
    for key in ["gc", "dedupe"] {
        let findings = changed(&format!("/storage/subPaths/~1s3/{key}"), Value::Null);
        assert_eq!(findings, Findings::default(), "{key}");
    }
}

#[test]
fn keys_are_read_in_any_case_and_values_in_any_spelling() {
    let config = r#"{
        "STORAGE": {"RootDirectory": "/a", "DeDupe": 0, "SUBPATHS": {"/s3": {"ROOTDIRECTORY": "/b", "Commit": "true", "GC": 0, "dedupe": "F"}}},
        "Http": {"READTIMEOUT": "0", "writetimeout": 0, "future": {"key": 1}}
    }"#;
    assert_eq!(check(config, "s3"), Findings::default());
    for zero in ["0s", "0ms", "0m0s", "-0s", "0.0h"] {
        assert_eq!(changed("/http/readTimeout", json!(zero)), Findings::default(), "{zero}");
    }
}

#[test]
fn a_key_given_twice_is_refused_whatever_it_says() {
    let config = r#"{
        "storage": {"rootDirectory": "/a", "subPaths": {"/s3": {"rootDirectory": "/b", "commit": true, "gc": false, "GC": true}}},
        "http": {"readTimeout": "0s", "writeTimeout": "0s"}
    }"#;
    assert!(!check(config, "s3").refusals.is_empty());
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    for open in ["0.0.0.0", "::", "[::]", "", "8.8.8.8"] {
        assert_eq!(fields(&changed("/http/address", json!(open)).warnings), ["http.address"], "{open}");
    }
    for closed in ["127.0.0.1", "::1", "10.1.2.3", "localhost", "fd00::1"] {
        assert_eq!(changed("/http/address", json!(closed)), Findings::default(), "{closed}");
    }
    assert_eq!(changed("/http/address", Value::Null), Findings::default());
}

#[test]
fn what_turns_on_the_metadata_database_is_warned_of() {
    for (pointer, value, field) in [
        ("/extensions", json!({"search": {}}), "extensions.search"),
        ("/extensions", json!({"trust": {"enable": true}}), "extensions.trust"),
        ("/http/auth", json!({"htpasswd": {"path": "/secret"}}), "http.auth.htpasswd"),
        ("/http/auth", json!({"apikey": true}), "http.auth.apikey"),
        ("/http/ratelimit", json!({"rate": 10}), "http.ratelimit"),
        ("/storage/maxRepos", json!(10), "storage.maxRepos"),
        (
            "/storage/retention",
            json!({"policies": [{"keepTags": [{"pulledWithin": "24h"}]}]}),
            "storage.retention.policies.0.keepTags.0.pulledWithin",
        ),
    ] {
        let findings = changed(pointer, value);
        assert_eq!(fields(&findings.warnings), [field]);
        assert!(findings.refusals.is_empty());
        assert!(!format!("{findings:?}").contains("/secret"));
    }
    assert_eq!(changed("/extensions", json!({"search": {"enable": false}})), Findings::default());
}

#[test]
fn what_is_not_json_is_refused_with_a_hint() {
    for text in ["", "storage:\n  rootDirectory: /a\n", "{", "[storage]"] {
        let findings = check(text, "s3");
        assert!(findings.refusals[0].to_string().contains("wanted: JSON"), "{text:?}");
    }
    assert!(!check("[]", "s3").refusals.is_empty());
    assert!(!check("null", "s3").refusals.is_empty());
}

#[test]
fn a_finding_names_field_value_and_what_is_wanted() {
    let findings = changed("/storage/subPaths/~1s3/gc", json!(true));
    let text = findings.refusals[0].to_string();
    assert!(text.starts_with("storage.subPaths./s3.gc is true, wanted: false"), "{text}");
}

#[test]
fn a_stock_zot_takes_the_configuration_that_we_print() {
    let Some(zot) = std::env::var_os("ZOT_BIN").filter(|path| !path.is_empty()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = right_config(&Options {
        root_directory: folder.path().join("oci"),
        s3_root_directory: folder.path().join("s3"),
        address: "127.0.0.1".to_owned(),
        port: 5001,
        prefix: "s3".to_owned(),
        token_key: None,
    });
    let file = folder.path().join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let output = Command::new(zot).arg("verify").arg(&file).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// JSON with the keys that the check knows, so that it gets deep.
fn configuration() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "storage",
        "subPaths",
        "/s3",
        "gc",
        "GC",
        "dedupe",
        "commit",
        "rootDirectory",
        "http",
        "readTimeout",
        "address",
        "extensions",
        "search",
        "enable",
        "retention",
        "policies",
        "keepTags",
        "maxRepos",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["0s", "true", "/a", "/a/b", "..", "::"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_check_panic(bytes: Vec<u8>, prefix in "[a-z0-9]{1,8}") {
        drop(check(&String::from_utf8_lossy(&bytes), &prefix));
    }

    #[test]
    fn no_configuration_makes_the_check_panic_and_none_without_commit_passes(config in configuration()) {
        let findings = check(&config.to_string(), "s3");
        if !config.to_string().contains("commit") {
            prop_assert!(!findings.refusals.is_empty());
        }
    }
}

#[test]
fn links_between_the_repositories_of_clients_are_warned_of_and_not_refused() {
    for value in [json!(true), json!("true"), Value::Null] {
        let findings = changed("/storage/dedupe", value.clone());
        assert_eq!(fields(&findings.warnings), ["storage.dedupe"], "{value}");
        assert!(findings.refusals.is_empty(), "{value}");
    }
    assert_eq!(changed("/storage/dedupe", json!(false)), Findings::default());
}
