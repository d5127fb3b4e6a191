mod by_hand;
mod generated;

use std::time::Duration;

use super::*;

const KEY: &str = "bucket/key";

/// An operation from one moment to another.
fn operation(action: Action, invoked: u64, returned: Option<u64>) -> Operation {
    let moment = Duration::from_millis;
    Operation { action, invoked: moment(invoked), returned: returned.map(moment), note: String::new() }
}

fn history(operations: impl IntoIterator<Item = Operation>) -> History {
    let mut history = History::default();
    operations.into_iter().for_each(|operation| history.add(KEY, operation));
    history
}

fn put(content: &str) -> Action {
    Action::Write(content.to_owned(), Condition::None)
}

fn create(content: &str) -> Action {
    Action::Write(content.to_owned(), Condition::Absent)
}

fn replace(old: &str, new: &str) -> Action {
    Action::Write(new.to_owned(), Condition::Is(old.to_owned()))
}

fn delete() -> Action {
    Action::Delete(Condition::None)
}

fn read(content: &str) -> Action {
    Action::Observe(Observation::Is(content.to_owned()))
}

fn nothing() -> Action {
    Action::Observe(Observation::Absent)
}
