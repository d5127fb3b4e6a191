//! What is refused, what rules say, and that nothing goes that no rule in force is about.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::error::Code;

const WRITTEN: OffsetDateTime = datetime!(2025-03-01 10:30 UTC);

fn expiring(id: &str, days: i32) -> Rule {
    Rule { id: id.to_owned(), enabled: true, expiration: Some(Expiration::Days(days)), ..Rule::default() }
}

fn about(scope: Scope) -> Rule {
    Rule { scope, ..expiring("r", 1) }
}

fn under(prefix: &str) -> Scope {
    Scope { prefix: Some(prefix.to_owned()), ..Scope::default() }
}

fn tagged(tags: &[(&str, &str)]) -> Scope {
    let tags = tags.iter().map(|(key, value)| Tag { key: (*key).to_owned(), value: (*value).to_owned() });
    Scope { form: Form::And, tags: tags.collect(), ..Scope::default() }
}

fn sized(greater_than: Option<i64>, less_than: Option<i64>) -> Scope {
    Scope { form: Form::And, greater_than, less_than, ..Scope::default() }
}

fn refusal(rules: Vec<Rule>) -> Option<Code> {
    Lifecycle { rules }.check().err().map(|error| error.code())
}

#[test]
fn rules_that_aws_takes_are_taken() {
    let aborting = Rule { expiration: None, abort_days: Some(7), ..expiring("abort", 1) };
    let kept = Noncurrent { days: 30, keep: Some(100) };
    for rules in [
        vec![expiring("whole", 1)],
        vec![about(under(""))],
        vec![about(Scope { form: Form::Legacy, ..under("logs/") })],
        vec![about(tagged(&[("a", "1"), ("b", "")]))],
        vec![about(sized(Some(0), Some(1)))],
        vec![aborting],
        vec![Rule { expiration: None, noncurrent: Some(kept), ..expiring("older", 1) }],
        vec![Rule { expiration: Some(Expiration::DeleteMarker(true)), ..expiring("markers", 1) }],
        vec![Rule { expiration: Some(Expiration::Date(datetime!(2020-01-01 00:00 UTC))), ..expiring("date", 1) }],
        (0..1_000).map(|number| expiring(&number.to_string(), 1)).collect(),
    ] {
        assert_eq!(refusal(rules.clone()), None, "{:?}", rules.first());
    }
}

#[test]
fn rules_that_aws_refuses_are_refused() {
    let noncurrent = |days, keep| Rule { noncurrent: Some(Noncurrent { days, keep }), ..expiring("n", 1) };
    let aborting = |days, scope| Rule { abort_days: Some(days), ..about(scope) };
    let markers = |scope| Rule { expiration: Some(Expiration::DeleteMarker(true)), ..about(scope) };
    let date = |date| Rule { expiration: Some(Expiration::Date(date)), ..expiring("d", 1) };
    let legacy = Scope { form: Form::Legacy, ..under("a") };
    let long = "x".repeat(256);
    let eleven: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|key| (key.as_str(), "")).collect();
    for (rules, code) in [
        (vec![], Code::MalformedXml),
        ((0..1_001).map(|number| expiring(&number.to_string(), 1)).collect(), Code::MalformedXml),
        (vec![expiring("same", 1), expiring("same", 2)], Code::InvalidArgument),
        (vec![expiring(&long, 1)], Code::InvalidArgument),
        (vec![Rule { expiration: None, ..expiring("nothing", 1) }], Code::InvalidRequest),
        (vec![expiring("zero", 0)], Code::InvalidArgument),
        (vec![expiring("less", -1)], Code::InvalidArgument),
        (vec![date(datetime!(2025-01-01 00:00:01 UTC))], Code::InvalidArgument),
        (vec![noncurrent(0, None)], Code::InvalidArgument),
        (vec![noncurrent(1, Some(0))], Code::InvalidArgument),
        (vec![noncurrent(1, Some(101))], Code::InvalidArgument),
        (vec![Rule { scope: legacy.clone(), ..noncurrent(1, Some(1)) }], Code::InvalidRequest),
        (vec![aborting(0, Scope::default())], Code::InvalidArgument),
        (vec![aborting(1, tagged(&[("a", "b")]))], Code::InvalidRequest),
        (vec![aborting(1, sized(Some(1), None))], Code::InvalidRequest),
        (vec![markers(tagged(&[("a", "b")]))], Code::InvalidRequest),
        (vec![markers(sized(None, Some(1)))], Code::InvalidRequest),
        (vec![about(Scope { form: Form::Filter, ..tagged(&[("a", "1"), ("b", "2")]) })], Code::MalformedXml),
        (vec![about(Scope { form: Form::And, ..Scope::default() })], Code::MalformedXml),
        (vec![about(tagged(&[("a", "1"), ("a", "2")]))], Code::InvalidRequest),
        (vec![about(tagged(&eleven))], Code::InvalidRequest),
        (vec![about(tagged(&[("aws:x", "1")]))], Code::InvalidTag),
        (vec![about(sized(Some(-1), None))], Code::InvalidRequest),
        (vec![about(sized(None, Some(0)))], Code::InvalidRequest),
        (vec![about(sized(Some(5), Some(5)))], Code::InvalidRequest),
        (vec![about(under(&"x".repeat(1_025)))], Code::InvalidRequest),
        (vec![about(legacy), expiring("filter", 1)], Code::InvalidRequest),
    ] {
        assert_eq!(refusal(rules.clone()), Some(code), "{:?}", rules.first());
    }
    let large = |number: i32| Rule { id: number.to_string(), ..about(under(&"x".repeat(1_000))) };
    assert_eq!(refusal((0..600).map(large).collect()), Some(Code::MaxMessageLengthExceeded));
}

#[test]
fn of_several_rules_the_one_that_is_first_due_is_told() {
    let mut off = expiring("off", 1);
    off.enabled = false;
    let rules = Lifecycle { rules: vec![expiring("late", 9), off, expiring("early", 3)] };
    let (tags, midnight) = (Tags::new(), datetime!(2025-03-05 00:00 UTC));
    let subject = Subject { key: "k", size: 1, tags: &tags };
    assert_eq!(rules.expiry(subject, WRITTEN), Some(Due { at: midnight, rule: "early", by_tags: false }));
    let date = datetime!(2025-03-02 00:00 UTC);
    let dated = Rule { expiration: Some(Expiration::Date(date)), ..expiring("dated", 1) };
    let rules = Lifecycle { rules: vec![expiring("late", 9), dated] };
    assert_eq!(rules.expiry(subject, WRITTEN), Some(Due { at: date, rule: "dated", by_tags: false }));
}

#[test]
fn it_is_told_whether_the_rule_that_is_due_asks_for_tags() {
    let tags = Tags::from([("a".to_owned(), "1".to_owned())]);
    let subject = Subject { key: "k", size: 1, tags: &tags };
    let asks = |rules: Vec<Rule>| {
        let rules = Lifecycle { rules };
        rules.expiry(subject, WRITTEN).map(|due| due.by_tags)
    };
    assert_eq!(asks(vec![about(tagged(&[("a", "1")]))]), Some(true));
    assert_eq!(asks(vec![about(tagged(&[("a", "1")])), expiring("late", 9)]), Some(true));
    assert_eq!(
        asks(vec![
            expiring("early", 1),
            Rule { expiration: Some(Expiration::Days(9)), ..about(tagged(&[("a", "1")])) }
        ]),
        Some(false)
    );
    assert_eq!(asks(vec![about(tagged(&[("a", "2")]))]), None);
}

#[test]
fn older_versions_stay_while_they_are_among_those_that_a_rule_keeps() {
    let noncurrent = Some(Noncurrent { days: 1, keep: Some(2) });
    let rules = Lifecycle { rules: vec![Rule { expiration: None, noncurrent, ..expiring("r", 1) }] };
    let tags = Tags::new();
    let due = |newer| rules.noncurrent_expiry("k", Some(Subject { key: "k", size: 1, tags: &tags }), WRITTEN, newer);
    assert_eq!((due(0), due(1)), (None, None));
    assert_eq!(due(2).map(|due| due.at), Some(datetime!(2025-03-03 00:00 UTC)));
    assert_eq!(rules.most_kept(), 2);
}

#[test]
fn delete_markers_go_by_rules_about_them_and_by_those_about_age() {
    let with = |expiration| Lifecycle { rules: vec![Rule { expiration: Some(expiration), ..expiring("r", 1) }] };
    let at = |rules: Lifecycle| rules.marker_expiry("k", WRITTEN).map(|due| due.at);
    assert_eq!(at(with(Expiration::DeleteMarker(true))), Some(WRITTEN));
    assert_eq!(at(with(Expiration::DeleteMarker(false))), None);
    assert_eq!(at(with(Expiration::Days(1))), Some(datetime!(2025-03-03 00:00 UTC)));
    for scope in [tagged(&[("a", "b")]), sized(None, Some(9))] {
        assert_eq!(
            at(Lifecycle { rules: vec![about(scope.clone())] }),
            None,
            "a marker has no tags and no size: {scope:?}"
        );
    }
}

#[test]
fn a_bucket_is_gone_over_by_prefixes_of_which_none_lies_within_another() {
    let rule = |id: &str, prefix: &str| Rule { scope: under(prefix), ..expiring(id, 1) };
    let mut off = rule("off", "z/");
    off.enabled = false;
    let rules = Lifecycle { rules: vec![rule("1", "b/"), rule("2", "a/x"), rule("3", "a/"), rule("4", "b/"), off] };
    assert_eq!(rules.prefixes(|_| true), ["a/", "b/"]);
    let all = Lifecycle { rules: vec![rule("1", "b/"), expiring("2", 1)] };
    assert_eq!(all.prefixes(|_| true), [""]);
    assert!(all.prefixes(|_| false).is_empty());
}

#[test]
fn what_is_kept_in_the_index_is_read_back() {
    let date = Rule { expiration: Some(Expiration::Date(datetime!(2025-01-01 00:00 UTC))), ..expiring("d", 1) };
    let older = Rule { noncurrent: Some(Noncurrent { days: 3, keep: Some(2) }), abort_days: Some(4), ..date.clone() };
    let rules = Lifecycle { rules: vec![date, older, about(tagged(&[("a", "b")])), about(sized(Some(1), Some(9)))] };
    let json = serde_json::to_value(&rules).unwrap();
    assert_eq!(serde_json::from_value::<Lifecycle>(json).unwrap(), rules);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let tags = prop::collection::vec(("[ab]", "[xy]"), 0..3);
    let sizes = (prop::option::of(0_i64..4), prop::option::of(1_i64..5));
    (any::<bool>(), prop::option::of("[ab]{0,2}"), tags, sizes, 1_i32..4).prop_map(
        |(enabled, prefix, tags, (greater_than, less_than), days)| {
            let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
            let scope = Scope { form: Form::And, prefix, tags, greater_than, less_than };
            Rule { enabled, scope, ..expiring("r", days) }
        },
    )
}

/// What the rules mean, said as simply as can be.
fn days_of(rules: &[Rule], key: &str, size: i64, tags: &Tags) -> Option<i32> {
    let mut least = None;
    for rule in rules {
        let mut fits = rule.enabled;
        if let Some(prefix) = &rule.scope.prefix {
            fits = fits && key.get(..prefix.len()) == Some(prefix.as_str());
        }
        for tag in &rule.scope.tags {
            fits = fits && tags.get(&tag.key).is_some_and(|value| *value == tag.value);
        }
        if let Some(bound) = rule.scope.greater_than {
            fits = fits && size > bound;
        }
        if let Some(bound) = rule.scope.less_than {
            fits = fits && size < bound;
        }
        if let (true, Some(Expiration::Days(days))) = (fits, rule.expiration) {
            least = Some(least.map_or(days, |least: i32| least.min(days)));
        }
    }
    least
}

proptest! {
    #[test]
    fn nothing_expires_that_no_rule_in_force_is_about(
        rules in prop::collection::vec(any_rule(), 0..5),
        key in "[ab]{1,4}",
        size in 0_u64..6,
        tags in prop::collection::btree_map("[ab]", "[xy]", 0..3),
    ) {
        let expected = days_of(&rules, &key, i64::try_from(size).unwrap(), &tags);
        let lifecycle = Lifecycle { rules };
        let due = lifecycle.expiry(Subject { key: &key, size, tags: &tags }, WRITTEN).map(|due| due.at);
        let midnight = |days: i32| datetime!(2025-03-02 00:00 UTC) + time::Duration::days(days.into());
        prop_assert_eq!(due, expected.map(midnight));
        // And whatever expires lies within what is gone over.
        prop_assert!(due.is_none() || lifecycle.prefixes(|_| true).iter().any(|prefix| key.starts_with(prefix)));
    }
}
