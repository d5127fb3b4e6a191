//! Documents that are refused, with the place; and what is said of documents that are not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use zas_policy::{
    Action, Effect, Empty, Identity, Kind, MAX_DOCUMENT, Policy, PolicySet, Principal, Request, Resource, Target,
};

fn refused(kind: Kind, text: &str) -> String {
    Policy::parse(kind, "test", text).unwrap_err().to_string()
}

fn identity(statement: &str) -> String {
    format!("{{\"Version\": \"2012-10-17\",\n \"Statement\": [{statement}]}}")
}

fn bucket(statement: &str) -> Policy {
    Policy::parse(Kind::Bucket, "bucket/b", &identity(statement)).unwrap()
}

#[test]
fn an_error_names_line_column_and_field() {
    let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\n    \"Effect\": \"Allow\",\n    \"Action\": \"s3:GetObjet\",\n    \"Resource\": \"*\"\n  }]\n}";
    let error = Policy::parse(Kind::Identity, "test", text).unwrap_err();
    assert_eq!((error.line, error.column, error.field.as_str()), (5, 15, "Statement[0].Action"));
    assert_eq!(error.message, "There is no action \"s3:GetObjet\".");
}

#[test]
fn what_the_grammar_does_not_know_is_refused() {
    let refusals = [
        ("{}", "A policy has a Statement."),
        (r#"{"Version": "2012", "Statement": []}"#, "Version: The Version is"),
        (r#"{"Statement": []}"#, "Statement: A policy has at least one statement."),
        (r#"{"Statement": {}, "Extra": 1}"#, "Extra: There is no element \"Extra\" here."),
        (r#"{"Statement": 7}"#, "Statement: An object stands here, not a number."),
    ];
    for (text, expected) in refusals {
        assert!(refused(Kind::Identity, text).starts_with(expected), "{}", refused(Kind::Identity, text));
    }
}

#[test]
fn what_a_statement_may_not_say_is_refused() {
    let refusals = [
        (r#"{"Action": "*", "Resource": "*"}"#, "A statement has an Effect."),
        (r#"{"Effect": "allow", "Action": "*", "Resource": "*"}"#, "The Effect is"),
        (r#"{"Effect": "Allow", "Resource": "*"}"#, "A statement has an Action"),
        (r#"{"Effect": "Allow", "Action": "*"}"#, "A statement has a Resource"),
        (r#"{"Effect": "Allow", "Action": [], "Resource": "*"}"#, "At least one value"),
        (
            r#"{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}"#,
            "A statement has Action or NotAction, not both.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ec2:::x"}"#,
            "\"arn:aws:ec2:::x\" names no resource",
        ),
        (r#"{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3"}"#, "\"arn:aws:s3\" names no resource"),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "a/${aws:user}"}"#,
            "The variable \"${aws:user}\": There is no condition key",
        ),
        (r#"{"Effect": "Allow", "Action": "*", "Resource": "a/${aws:username"}"#, "The variable in"),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "a/${aws:groups}"}"#,
            "The key aws:groups can have several values",
        ),
        (r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}"#, "A policy of users, roles"),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Like": {"s3:prefix": "a"}}}"#,
            "There is no condition operator",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringLike": {"s3:prefx": "a"}}}"#,
            "There is no condition key",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"zas:Signed": "yes"}}}"#,
            "\"yes\" is not true or false.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10/8"}}}"#,
            "\"10/8\" is not an address",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}"#,
            "\"soon\" is not a date",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NumericEquals": {"s3:max-keys": "NaN"}}}"#,
            "\"NaN\" is not a number",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": []}}}"#,
            "At least one value",
        ),
        (r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Sid": 7}"#, "A string stands here"),
        (r#"{"Effect": "Deny", "Mode": "audit", "Action": "*", "Resource": "*"}"#, "The Mode is"),
        (r#"{"Effect": "Allow", "Mode": "Audit", "Action": "*", "Resource": "*"}"#, "Only a Deny can be audited"),
    ];
    for (statement, expected) in refusals {
        let said = refused(Kind::Identity, &identity(statement));
        assert!(said.contains(expected), "{said}\nexpected: {expected}");
    }
}

#[test]
fn a_sid_that_stands_twice_and_a_document_that_is_too_long_are_refused() {
    let statement = r#"{"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    assert!(
        refused(Kind::Identity, &identity(&format!("{statement}, {statement}")))
            .contains("Two statements have the Sid \"A\".")
    );
    assert!(refused(Kind::Identity, &" ".repeat(MAX_DOCUMENT + 1)).contains("at most 20480 bytes"));
}

#[test]
fn an_empty_sid_names_nothing_and_may_stand_often() {
    let statement = r#"{"Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let policy = Policy::parse(Kind::Identity, "test", &identity(&format!("{statement}, {statement}"))).unwrap();
    assert_eq!(policy.len(), 2);
}

#[test]
fn a_trust_policy_never_trusts_a_whole_issuer() {
    let trust = |condition: &str| {
        let statement = format!(
            r#"{{"Effect": "Allow", "Principal": {{"Federated": "gh"}}, "Action": "sts:AssumeRoleWithWebIdentity" {condition}}}"#
        );
        Policy::parse(Kind::Trust, "role/r", &identity(&statement))
    };
    let refused = [
        "",
        r#", "Condition": {"StringLike": {"jwt:sub": "*"}}"#,
        r#", "Condition": {"StringLike": {"jwt:sub": ["repo:acme/*", "*"]}}"#,
        r#", "Condition": {"StringNotEquals": {"jwt:sub": "x"}}"#,
        r#", "Condition": {"StringEqualsIfExists": {"jwt:sub": "x"}}"#,
        r#", "Condition": {"ForAllValues:StringEquals": {"aws:groups": "x"}}"#,
        r#", "Condition": {"StringEquals": {"aws:UserAgent": "x"}}"#,
        // What every token of the issuer has.
        r#", "Condition": {"StringEquals": {"jwt:aud": "zas", "jwt:iss": "https://gh.example", "jwt:azp": "cli"}}"#,
        r#", "Condition": {"StringEquals": {"aws:PrincipalTag/aud": "zas"}}"#,
        r#", "Condition": {"StringEquals": {"zas:Issuer": "gh"}}"#,
        r#", "Condition": {"StringEquals": {"jwt:sub": "${jwt:sub}"}}"#,
        r#", "Condition": {"StringLike": {"jwt:sub": "${aws:UserAgent}*"}}"#,
        // What every name begins with.
        r#", "Condition": {"StringLike": {"jwt:sub": "repo:*"}}"#,
        r#", "Condition": {"StringLike": {"aws:userid": ["gh/*"]}}"#,
        r#", "Condition": {"StringLike": {"aws:userid": "*/*"}}"#,
        r#", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:::user/*"}}"#,
        r#", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:::user/gh:*"}}"#,
        r#", "Condition": {"Bool": {"jwt:ref_protected": ["true", "false"]}}"#,
        r#", "Condition": {"NumericGreaterThan": {"jwt:repository_id": "0"}}"#,
        r#", "Condition": {"Null": {"jwt:sub": "false"}}"#,
    ];
    for condition in refused {
        assert!(trust(condition).unwrap_err().to_string().contains("A web identity needs a Condition"), "{condition}");
    }
    for condition in [
        r#"{"StringLike": {"jwt:sub": "repo:acme/*"}}"#,
        r#"{"StringEquals": {"jwt:aud": "zas", "jwt:repository_id": "42"}}"#,
        r#"{"NumericEquals": {"jwt:repository_id": 42}}"#,
        r#"{"StringLike": {"aws:groups": "/teams/*"}}"#,
        r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:::user/gh:acme-*"}}"#,
    ] {
        let narrowed = trust(&format!(r#", "Condition": {condition}"#));
        assert_eq!(narrowed.map(drop), Ok(()), "{condition}");
    }
    // A token is a credential of one's own too.
    let own = |principal: &str, condition: &str| {
        let statement = format!(r#"{{"Effect": "Allow", {principal}, "Action": "sts:AssumeRole" {condition}}}"#);
        Policy::parse(Kind::Trust, "role/r", &identity(&statement))
    };
    for open in [
        r#""Principal": "*""#,
        r#""Principal": {"AWS": ["user/alice", "*"]}"#,
        r#""Principal": {"Federated": "gh"}"#,
        r#""NotPrincipal": {"AWS": "user/alice"}"#,
    ] {
        for condition in ["", r#", "Condition": {"StringEquals": {"jwt:aud": "zas"}}"#] {
            assert!(
                own(open, condition).unwrap_err().to_string().contains("whoever has a token"),
                "{open} {condition}"
            );
        }
        assert!(own(open, r#", "Condition": {"StringEquals": {"aws:groups": "/dev"}}"#).is_ok(), "{open}");
    }
    for named in ["user/alice", "role/deploy", "group//dev"] {
        assert!(own(&format!(r#""Principal": {{"AWS": "{named}"}}"#), "").is_ok(), "{named}");
    }
}

#[test]
fn a_policy_is_public_unless_fixed_values_narrow_it() {
    let with = |condition: &str| {
        bucket(&format!(
            r#"{{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "b/*" {condition}}}"#
        ))
    };
    assert!(with("").is_public());
    assert!(with(r#", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#).is_public());
    assert!(with(r#", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#).is_public());
    assert!(with(r#", "Condition": {"StringLike": {"aws:username": "a*"}}"#).is_public());
    assert!(with(r#", "Condition": {"StringEquals": {"aws:UserAgent": "x"}}"#).is_public());
    assert!(!with(r#", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#).is_public());
    assert!(!with(r#", "Condition": {"StringEquals": {"aws:username": "alice"}}"#).is_public());
    assert!(!bucket(r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "b/*"}"#).is_public());
    assert!(
        !bucket(r#"{"Effect": "Allow", "Principal": {"AWS": "user/a"}, "Action": "s3:*", "Resource": "b/*"}"#)
            .is_public()
    );
    assert!(
        bucket(r#"{"Effect": "Allow", "NotPrincipal": {"AWS": "user/a"}, "Action": "s3:*", "Resource": "b/*"}"#)
            .is_public()
    );
}

#[test]
fn a_bucket_policy_that_reaches_into_another_bucket_is_found() {
    let on = |resource: &str| {
        bucket(&format!(
            r#"{{"Sid": "S", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": {resource}}}"#
        ))
    };
    for own in [r#""b""#, r#""b/*""#, r#"["arn:aws:s3:::b", "arn:aws:s3:::b/x/*"]"#, r#""b/${aws:username}/*""#] {
        assert_eq!(on(own).reaches_beyond("b"), None, "{own}");
    }
    for beyond in
        [r#""*""#, r#""b*""#, r#""bb/*""#, r#"["b/*", "c/*"]"#, r#""arn:aws:s3:::*/x""#, r#""arn:aws:s3:::b?/x""#]
    {
        assert_eq!(on(beyond).reaches_beyond("b").as_deref(), Some("S"), "{beyond}");
    }
}

#[test]
fn a_bucket_policy_gives_and_takes_no_rights_of_management() {
    let parse = |effect: &str, actions: &str| {
        let statement = format!(r#"{{"Effect": "{effect}", "Principal": "*", {actions}, "Resource": ["b", "b/*"]}}"#);
        Policy::parse(Kind::Bucket, "bucket/b", &identity(&statement))
    };
    for named in ["admin:PutQuota", "admin:*", "ADMIN:Put*", "audit:Query", "sts:AssumeRole"] {
        for effect in ["Allow", "Deny"] {
            let error = parse(effect, &format!(r#""Action": ["s3:GetObject", "{named}"]"#)).unwrap_err();
            assert_eq!(error.field, "Statement[0].Action[1]", "{error}");
            assert!(error.message.starts_with("A bucket's policy is about"), "{error}");
        }
    }
    let everything = identity(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
    let decide = |policy: Policy, name: &str, action| {
        let admin = Policy::parse(Kind::Identity, "everything", &everything).unwrap();
        let set = PolicySet::builder().bucket("b", policy).policy(admin);
        let set = set.attach("everything", Target::User("admin".into())).build();
        let principal = Principal::identity(Identity { name: name.into(), ..Identity::default() });
        let resource = zas_policy::Resource::bucket("b");
        let request = zas_policy::Request {
            principal: &principal,
            action,
            resource: &resource,
            context: &Empty,
            narrowed_by: &[],
        };
        set.decide(&request).is_allowed()
    };
    let management =
        [Action::PutQuota, Action::GetQuota, Action::PutSigningRules, Action::GetSigningRules, Action::GetEffective];
    for all in [r#""Action": "*""#, r#""Action": "*:*""#, r#""NotAction": "s3:DeleteBucket""#] {
        for action in management {
            assert!(!decide(parse("Allow", all).unwrap(), "alice", action), "{all} gives {action}");
            assert!(decide(parse("Deny", all).unwrap(), "admin", action), "{all} takes {action}");
        }
        assert!(decide(parse("Allow", all).unwrap(), "alice", Action::ListBucket), "{all}");
        assert!(!decide(parse("Deny", all).unwrap(), "admin", Action::ListBucket), "{all}");
    }
}

#[test]
fn what_is_effective_in_a_bucket_is_told_without_asking_for_each_key() {
    let policy = identity(
        r#"{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "b/*"},
           {"Sid": "Home", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "b/${aws:username}/*"},
           {"Sid": "Else", "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "c/*"},
           {"Sid": "Not", "Effect": "Deny", "Action": "s3:GetObject", "NotResource": "b/public/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#,
    );
    let set = PolicySet::builder()
        .policy(Policy::parse(Kind::Identity, "p", &policy).unwrap())
        .attach("p", Target::User("alice".into()))
        .build();
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    let grants = set.effective(&alice, "b", &Empty, &[]);
    let told: Vec<_> = grants
        .iter()
        .map(|grant| {
            (grant.action.as_str(), grant.effect, grant.everywhere, grant.conditional, grant.statement.to_string())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("s3:GetObject", Effect::Allow, true, false, "p#Read".to_owned()),
            ("s3:GetObject", Effect::Deny, false, true, "p#Not".to_owned()),
            ("s3:PutObject", Effect::Allow, false, false, "p#Home".to_owned()),
        ]
    );
}

#[test]
fn a_document_that_cannot_be_read_denies_in_place_of_what_it_said() {
    let set = PolicySet::builder()
        .policy(Policy::deny_all("broken"))
        .attach("broken", Target::User("alice".into()))
        .attach("admin", Target::User("alice".into()))
        .build();
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    let resource = zas_policy::Resource::bucket("b");
    let request = zas_policy::Request {
        principal: &alice,
        action: Action::ListBucket,
        resource: &resource,
        context: &Empty,
        narrowed_by: &[],
    };
    assert_eq!(set.decide(&request).statements.first().unwrap().to_string(), "broken#CannotBeRead");
}

#[test]
fn what_a_statement_asks_of_an_artifact_is_told() {
    let policy = identity(
        r#"{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "b/*"},
           {"Sid": "Safe", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "b/*",
            "Condition": {"Bool": {"zas:Signed": "false", "aws:SecureTransport": "true"},
                          "NumericGreaterThan": {"zas:VulnCritical": "0"}}}"#,
    );
    let set = PolicySet::builder()
        .policy(Policy::parse(Kind::Identity, "p", &policy).unwrap())
        .attach("p", Target::User("alice".into()))
        .build();
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    let resource = zas_policy::Resource::object("b", "k");
    let request = zas_policy::Request {
        principal: &alice,
        action: Action::GetObject,
        resource: &resource,
        context: &Empty,
        narrowed_by: &[],
    };
    let asked_for = |index: usize| {
        let statement = zas_policy::StatementRef { policy: "p".into(), index: index.try_into().unwrap(), sid: None };
        set.evidence_asked_for(&request, &statement)
    };
    assert!(asked_for(0).is_empty() && asked_for(9).is_empty());
    let mut asked: Vec<_> = asked_for(1).into_iter().map(zas_policy::KeyName::as_str).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["zas:Signed", "zas:VulnCritical"]);
}

#[test]
fn a_key_is_asked_for_by_whatever_concerns_the_request() {
    let policy = identity(
        r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
           {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"ForAllValues:StringNotEquals": {"zas:PassedPolicies": "release"}}}"#,
    );
    let set = PolicySet::builder()
        .policy(Policy::parse(Kind::Identity, "p", &policy).unwrap())
        .attach("p", Target::User("alice".into()))
        .build();
    let resource = zas_policy::Resource::object("b", "x");
    let asks = |user: &str, action, narrowed_by: &[&Policy], key| {
        let principal = Principal::identity(Identity { name: user.into(), ..Identity::default() });
        let request =
            zas_policy::Request { principal: &principal, action, resource: &resource, context: &Empty, narrowed_by };
        set.asks_for(&request, key)
    };
    let passed = zas_policy::KeyName::PassedPolicies;
    assert!(asks("alice", zas_policy::Action::GetObject, &[], passed));
    assert!(!asks("alice", zas_policy::Action::GetObject, &[], zas_policy::KeyName::Signed), "another key");
    assert!(!asks("alice", zas_policy::Action::PutObject, &[], passed), "another action");
    assert!(!asks("bob", zas_policy::Action::GetObject, &[], passed), "another's policy");
    let session = Policy::parse(Kind::Session, "session", &policy).unwrap();
    assert!(asks("bob", zas_policy::Action::GetObject, &[&session], passed));
}

#[test]
fn allowing_allocates_nothing() {
    let policy = identity(
        r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "b/${aws:username}/*",
            "Condition": {"StringLike": {"aws:username": "a*"}, "ForAnyValue:StringEquals": {"aws:groups": "/dev"}}}"#,
    );
    let set = PolicySet::builder()
        .policy(Policy::parse(Kind::Identity, "p", &policy).unwrap())
        .attach("p", Target::Group("/dev".into()))
        .build();
    let alice =
        Principal::identity(Identity { name: "alice".into(), groups: vec!["/dev".into()], ..Identity::default() });
    let resource = zas_policy::Resource::object("b", "alice/x");
    let request = zas_policy::Request {
        principal: &alice,
        action: Action::GetObject,
        resource: &resource,
        context: &Empty,
        narrowed_by: &[],
    };
    assert!(set.decide(&request).is_allowed());
    let counted = allocation_counter::measure(|| assert!(set.decide(&request).is_allowed()));
    assert_eq!(counted.count_total, 0);
}

/// The examples of docs/policy.md, each with what it is: "json identity", "json bucket" or "json trust".
#[test]
fn every_example_of_the_documentation_can_be_read() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md")).unwrap();
    let mut read = 0;
    for (label, kind) in [("identity", Kind::Identity), ("bucket", Kind::Bucket), ("trust", Kind::Trust)] {
        for example in text.split(&format!("```json {label}\n")).skip(1) {
            let document = example.split("```").next().unwrap();
            assert_eq!(Policy::parse(kind, "example", document).map(|_| ()), Ok(()), "{document}");
            read += 1;
        }
    }
    assert!(read >= 5, "{read}");
}

#[test]
fn the_documentation_names_every_condition_key_and_every_built_in_policy() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md")).unwrap();
    for key in zas_policy::KeyName::ALL {
        assert!(text.contains(&format!("`{}", key.as_str())), "{}", key.as_str());
    }
    for builtin in zas_policy::builtin_policies() {
        assert!(text.contains(&format!("`{}`", builtin.name)), "{}", builtin.name);
    }
}

#[test]
fn a_public_policy_that_is_restricted_lets_in_only_who_is_known() {
    let public = || bucket(r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "b/*"}"#);
    let narrow = || {
        bucket(
            r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "b/*",
                "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}"#,
        )
    };
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    let resource = Resource::object("b", "key");
    let may = |builder: zas_policy::PolicySetBuilder, principal: &Principal| {
        let request =
            Request { principal, action: Action::GetObject, resource: &resource, context: &Empty, narrowed_by: &[] };
        builder.build().decide(&request).is_allowed()
    };
    let with = |policy: Policy| PolicySet::builder().bucket("b", policy);
    assert!(may(with(public()), &Principal::Anonymous));
    assert!(!may(with(public()).restrict("b"), &Principal::Anonymous));
    assert!(may(with(public()).restrict("b"), &alice));
    assert!(may(with(public()).restrict("c"), &Principal::Anonymous));
    assert!(!narrow().is_public(), "what is narrow is not public, so that nothing is restricted");
    let explained = with(narrow()).restrict("b").build();
    assert_eq!(explained.effective(&Principal::Anonymous, "b", &Empty, &[]).len(), 1);
}
