//! The register that a key is, with its contents as numbers: what an operation asks of it and makes of it.

use std::collections::{HashMap, HashSet};

use super::history::{Action, Condition, Observation, Operation};

/// What the register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State(u32);

impl State {
    /// Nothing.
    pub(super) const ABSENT: Self = Self(0);
    /// Some content that nobody has seen or asked for. Which of them it is makes no difference to anybody, so they are one.
    const UNSEEN: Self = Self(1);
}

/// What must hold for a step to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Guard {
    Anything,
    Absent,
    Present,
    Is(State),
    IsNot(State),
}

impl Guard {
    fn allows(self, state: State) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => state == State::ABSENT,
            Self::Present => state != State::ABSENT,
            Self::Is(wanted) => state == wanted,
            Self::IsNot(unwanted) => state != unwanted,
        }
    }
}

/// An operation as the register sees it: equal steps are interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Step {
    guard: Guard,
    /// What is held afterwards; `None`: what was held before.
    becomes: Option<State>,
}

impl Step {
    /// The state after the step, if it can be taken.
    pub(super) fn take(self, state: State) -> Option<State> {
        self.guard.allows(state).then(|| self.becomes.unwrap_or(state))
    }

    /// Whether it only looks. Taking it as soon as it can be taken never hinders anything.
    pub(super) const fn is_look(self) -> bool {
        self.becomes.is_none()
    }
}

/// The numbers of the contents of one key.
#[derive(Debug)]
pub(super) struct Contents<'a>(HashMap<&'a str, State>);

impl<'a> Contents<'a> {
    /// Numbers each content that an answer shows or a condition names.
    pub(super) fn of(operations: &'a [Operation]) -> Self {
        let seen: HashSet<&str> = operations.iter().filter_map(|operation| named(&operation.action)).collect();
        Self(seen.into_iter().zip(State::UNSEEN.0 + 1..).map(|(content, number)| (content, State(number))).collect())
    }

    /// The step that an operation is.
    pub(super) fn step(&self, action: &Action) -> Step {
        match action {
            Action::Write(content, condition) => {
                Step { guard: self.guard(condition), becomes: Some(self.state(content)) }
            }
            Action::Delete(condition) => Step { guard: self.guard(condition), becomes: Some(State::ABSENT) },
            Action::Observe(observation) => Step { guard: self.look(observation), becomes: None },
        }
    }

    /// What a state is, for a person.
    pub(super) fn describe(&self, state: State) -> String {
        match state {
            State::ABSENT => "nothing".to_owned(),
            State::UNSEEN => "a content that nobody has seen".to_owned(),
            _ => self
                .0
                .iter()
                .find(|(_, number)| **number == state)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }

    fn state(&self, content: &str) -> State {
        self.0.get(content).copied().unwrap_or(State::UNSEEN)
    }

    fn guard(&self, condition: &Condition) -> Guard {
        match condition {
            Condition::None => Guard::Anything,
            Condition::Absent => Guard::Absent,
            Condition::Is(content) => Guard::Is(self.state(content)),
        }
    }

    fn look(&self, observation: &Observation) -> Guard {
        match observation {
            Observation::Is(content) => Guard::Is(self.state(content)),
            Observation::Absent => Guard::Absent,
            Observation::Present => Guard::Present,
            Observation::IsNot(content) => Guard::IsNot(self.state(content)),
        }
    }
}

/// The content that an operation has seen or asks for.
fn named(action: &Action) -> Option<&str> {
    match action {
        Action::Write(_, Condition::Is(content))
        | Action::Delete(Condition::Is(content))
        | Action::Observe(Observation::Is(content) | Observation::IsNot(content)) => Some(content),
        Action::Write(..) | Action::Delete(_) | Action::Observe(_) => None,
    }
}
