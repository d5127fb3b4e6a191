//! Histories small enough to see whether they are linearizable.

use super::*;

fn passes(operations: impl IntoIterator<Item = (Action, u64, Option<u64>)>) -> bool {
    match check(&history(operations.into_iter().map(|(action, begin, end)| operation(action, begin, end)))) {
        Ok(_) => true,
        Err(Violation::NotLinearizable { .. }) => false,
        Err(undecided) => panic!("{undecided}"),
    }
}

#[test]
fn one_after_the_other_is_linearizable() {
    assert!(passes([
        (nothing(), 0, Some(1)),
        (put("a"), 2, Some(3)),
        (read("a"), 4, Some(5)),
        (replace("a", "b"), 6, Some(7)),
        (read("b"), 8, Some(9)),
        (Action::Delete(Condition::Is("b".into())), 10, Some(11)),
        (nothing(), 12, Some(13)),
        (delete(), 14, Some(15)),
        (create("c"), 16, Some(17)),
        (Action::Observe(Observation::Present), 18, Some(19)),
        (Action::Observe(Observation::IsNot("b".into())), 20, Some(21)),
        (read("c"), 22, Some(23)),
    ]));
}

#[test]
fn a_read_during_a_write_sees_the_old_or_the_new_and_never_the_old_after_the_new() {
    let with = |first: &str, second: &str| {
        passes([
            (put("old"), 0, Some(1)),
            (put("new"), 2, Some(20)),
            (read(first), 3, Some(5)),
            (read(second), 6, Some(8)),
        ])
    };
    assert!(with("old", "old") && with("old", "new") && with("new", "new"));
    assert!(!with("new", "old"));
}

#[test]
fn a_stale_read_is_found() {
    assert!(!passes([(put("a"), 0, Some(1)), (put("b"), 2, Some(3)), (read("a"), 4, Some(5))]));
    assert!(!passes([(put("a"), 0, Some(1)), (nothing(), 2, Some(3))]), "a list that does not show what was written");
    assert!(!passes([(read("a"), 0, Some(1)), (put("a"), 2, Some(3))]), "a content that nobody has written yet");
    assert!(!passes([(read("a"), 0, Some(1))]), "a content that nobody has written at all");
}

#[test]
fn what_touches_in_time_may_have_overlapped() {
    assert!(passes([(put("a"), 0, Some(5)), (read("a"), 5, Some(6))]));
    assert!(passes([(read("a"), 0, Some(5)), (put("a"), 5, Some(6))]));
}

#[test]
fn a_lost_update_is_found() {
    // Both replaced what only one of them can have found.
    assert!(!passes([(put("a"), 0, Some(1)), (replace("a", "b"), 2, Some(9)), (replace("a", "c"), 3, Some(8))]));
    // One of them was told so.
    assert!(passes([
        (put("a"), 0, Some(1)),
        (replace("a", "b"), 2, Some(9)),
        (Action::Observe(Observation::IsNot("a".into())), 3, Some(8)),
        (read("b"), 10, Some(11)),
    ]));
    // A write that was acknowledged, and is not what is read though nothing came after it.
    assert!(!passes([(put("a"), 0, Some(1)), (put("b"), 2, Some(3)), (delete(), 4, Some(5)), (read("b"), 6, Some(7))]));
}

#[test]
fn a_refusal_without_a_reason_is_found() {
    assert!(!passes([(Action::Observe(Observation::Present), 0, Some(1))]), "412 of a creation where there is nothing");
    assert!(!passes([(put("a"), 0, Some(1)), (Action::Observe(Observation::IsNot("a".into())), 2, Some(3))]));
    assert!(!passes([(put("a"), 0, Some(1)), (create("b"), 2, Some(3))]), "a creation of what is there");
}

#[test]
fn two_winners_of_one_creation_are_found() {
    assert!(!passes([(create("a"), 0, Some(10)), (create("b"), 1, Some(9))]));
    assert!(passes([(create("a"), 0, Some(10)), (Action::Observe(Observation::Present), 1, Some(9))]));
    assert!(passes([(create("a"), 0, Some(10)), (create("b"), 1, Some(9)), (delete(), 2, Some(8))]));
}

#[test]
fn two_winners_of_one_conditional_delete_are_found() {
    let deletion = || Action::Delete(Condition::Is("a".into()));
    assert!(!passes([(put("a"), 0, Some(1)), (deletion(), 2, Some(10)), (deletion(), 3, Some(9))]));
    assert!(passes([(put("a"), 0, Some(1)), (deletion(), 2, Some(10)), (nothing(), 3, Some(9))]));
}

#[test]
fn a_resurrected_delete_is_found() {
    assert!(!passes([
        (put("a"), 0, Some(1)),
        (delete(), 2, Some(3)),
        (nothing(), 4, Some(5)),
        (read("a"), 6, Some(7)),
    ]));
}

#[test]
fn a_write_without_an_answer_may_be_seen_at_any_later_time_but_only_once() {
    assert!(passes([
        (put("a"), 0, Some(1)),
        (put("b"), 2, None),
        (read("a"), 4, Some(5)),
        (read("b"), 100, Some(101)),
    ]));
    assert!(!passes([(put("b"), 2, None), (read("b"), 4, Some(5)), (nothing(), 6, Some(7))]));
    assert!(!passes([(put("b"), 2, None), (read("b"), 4, Some(5)), (put("c"), 6, Some(7)), (read("b"), 8, Some(9)),]));
    assert!(!passes([(read("b"), 0, Some(1)), (put("b"), 2, None)]), "seen before it was begun");
}

#[test]
fn a_write_without_an_answer_may_never_be_seen() {
    assert!(passes([
        (put("a"), 0, Some(1)),
        (put("b"), 2, None),
        (create("c"), 2, None),
        (delete(), 3, None),
        (read("a"), 4, Some(5)),
        (read("a"), 6, Some(7)),
    ]));
}

#[test]
fn a_delete_without_an_answer_explains_one_absence_and_two_explain_two() {
    let history = |deletes: u64| {
        let deletes = (0..deletes).map(|at| (delete(), at, None));
        deletes.chain([
            (put("a"), 10, Some(11)),
            (nothing(), 12, Some(13)),
            (put("b"), 14, Some(15)),
            (nothing(), 16, Some(17)),
        ])
    };
    assert!(!passes(history(0)) && !passes(history(1)));
    assert!(passes(history(2)) && passes(history(50)));
}

#[test]
fn contents_that_nobody_has_seen_still_fill_the_key() {
    assert!(passes([(put("x"), 0, None), (Action::Observe(Observation::Present), 1, Some(2))]));
    assert!(passes([
        (put("x"), 0, Some(1)),
        (put("y"), 2, Some(3)),
        (Action::Observe(Observation::Present), 4, Some(5))
    ]));
    assert!(!passes([(put("x"), 0, Some(1)), (put("y"), 2, Some(3)), (create("z"), 4, Some(5))]));
}

#[test]
fn keys_are_told_apart_and_a_violation_names_its_key_and_its_operation() {
    let mut history = history([operation(put("a"), 0, Some(1))]);
    history.add("bucket/other", operation(nothing(), 2, Some(3)));
    assert_eq!(check(&history).unwrap().keys, 2);
    history.add("bucket/other", Operation { note: "by nobody".into(), ..operation(read("a"), 4, Some(5)) });
    let said = check(&history).unwrap_err().to_string();
    assert!(said.contains("bucket/other") && said.contains("by nobody") && said.contains("nothing"), "{said}");
}

#[test]
fn many_under_way_at_once_are_decided() {
    // All writes overlap, and the reads demand one order of them.
    let names: Vec<String> = (0..8).map(|i| format!("v{i}")).collect();
    let writes = names.iter().map(|name| (put(name), 0, Some(1000)));
    let reads = |order: Vec<&String>| -> Vec<_> {
        (1_u64..).zip(order).map(|(at, name)| (read(name), at * 10, Some(at * 10 + 5))).collect()
    };
    assert!(passes(writes.clone().chain(reads(names.iter().rev().collect()))));
    let first_again = names.iter().chain(names.first()).collect();
    assert!(!passes(writes.chain(reads(first_again))));
}
