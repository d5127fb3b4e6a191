//! The search for an order of the operations of one key that explains all that was answered.
//!
//! Begins and answers are gone through in the order of time, with the set of all that may be the case at this moment: what the key
//! holds, which of the operations under way have taken effect, and which of those without an answer. An answer leaves only what
//! agrees with it, after other operations have taken effect or not, in any order. When nothing agrees, there is no such order.
//! Where nothing is under way the set is small by itself, so the length of a history costs no more than its time.

use std::{collections::BTreeMap, mem};

use super::{
    configurations::{Configuration, Configurations, Done, Spent},
    history::{History, Operation},
    register::{Contents, State, Step},
};

/// So many possibilities at one moment are too many to look at.
const MOST_CONFIGURATIONS: usize = 200_000;

/// How many operations before the one that cannot be explained a violation shows.
const SHOWN: usize = 24;

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys.
    pub keys: usize,
    /// Operations on them.
    pub operations: usize,
    /// Of these, how many have no answer and may have changed something.
    pub unknown: usize,
    /// The most that had to be thought possible at one moment: how hard the search was.
    pub most_configurations: usize,
}

/// Why a history did not pass.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// No order of the operations explains an answer.
    #[error(
        "{key}: nothing explains\n    {operation}\nbefore it the key could hold: {possible}\nwhat happened until then, the latest last:\n{before}"
    )]
    NotLinearizable {
        /// The key.
        key: String,
        /// The operation.
        operation: Box<Operation>,
        /// What the key could hold when the answer came, before anything that was under way.
        possible: String,
        /// The operations that had begun by then, one a line.
        before: String,
    },
    /// Too much was possible at once: the history neither passes nor fails.
    #[error("{key}: undecided, for more than {limit} things are possible at {operation}")]
    Undecided {
        /// The key.
        key: String,
        /// The operation whose answer was looked at.
        operation: Box<Operation>,
        /// The limit.
        limit: usize,
    },
}

/// Checks each key of a history, which held nothing at first.
///
/// # Errors
/// The first key, in the order of their names, that is not linearizable, or that cannot be decided.
pub fn check(history: &History) -> Result<Report, Violation> {
    let mut report = Report::default();
    for (key, operations) in history.keys() {
        let most = Search::new(operations).run().map_err(|failure| failure.tell(key, operations))?;
        report.keys += 1;
        report.operations += operations.len();
        report.unknown += operations.iter().filter(|operation| operation.returned.is_none()).count();
        report.most_configurations = report.most_configurations.max(most);
    }
    Ok(report)
}

/// Where the search ended early.
enum Failure<'a> {
    Unexplained { operation: &'a Operation, possible: Vec<String> },
    TooMany { operation: &'a Operation, limit: usize },
}

impl Failure<'_> {
    fn tell(self, key: &str, operations: &[Operation]) -> Violation {
        let key = key.to_owned();
        match self {
            Self::TooMany { operation, limit } => {
                Violation::Undecided { key, operation: Box::new(operation.clone()), limit }
            }
            Self::Unexplained { operation, possible } => {
                let mut begun: Vec<_> =
                    operations.iter().filter(|other| Some(other.invoked) <= operation.returned).collect();
                begun.sort_by_key(|other| (other.returned.unwrap_or(other.invoked), other.invoked));
                let shown = begun.iter().skip(begun.len().saturating_sub(SHOWN));
                let before = shown.map(|other| format!("    {other}\n")).collect();
                let possible = possible.join(", or ");
                Violation::NotLinearizable { key, operation: Box::new(operation.clone()), possible, before }
            }
        }
    }
}

/// A begin comes before an answer of the same moment: then the two may have overlapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin,
    Answer,
}

/// An operation between its begin and its answer.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    place: Done,
    step: Step,
}

struct Search<'a> {
    operations: &'a [Operation],
    contents: Contents<'a>,
    /// By the operation's index.
    under_way: BTreeMap<usize, UnderWay>,
    /// Operations that have no answer, and how many of each are not known to have taken effect.
    open: BTreeMap<Step, u32>,
    configurations: Configurations,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let first = Configuration { state: State::ABSENT, done: 0, spent: Spent::default() };
        Self {
            operations,
            contents: Contents::of(operations),
            under_way: BTreeMap::new(),
            open: BTreeMap::new(),
            configurations: Configurations::one(first),
        }
    }

    /// The most configurations that there were at once.
    fn run(mut self) -> Result<usize, Failure<'a>> {
        let mut most = 1;
        for (event, index) in events(self.operations) {
            let Some(operation) = self.operations.get(index) else { continue };
            match event {
                Event::Begin => self.begin(index, operation)?,
                Event::Answer => most = most.max(self.answer(index, operation)?),
            }
        }
        Ok(most)
    }

    fn begin(&mut self, index: usize, operation: &'a Operation) -> Result<(), Failure<'a>> {
        let step = self.contents.step(&operation.action);
        if operation.returned.is_none() {
            // Nobody knows what a look without an answer has seen.
            if !step.is_look() {
                *self.open.entry(step).or_default() += 1;
            }
            return Ok(());
        }
        let taken = self.under_way.values().fold(0, |taken, other| taken | other.place);
        let place = Done::from(1_u8).checked_shl(Done::trailing_ones(taken));
        let place = place.ok_or(Failure::TooMany { operation, limit: 128 })?;
        self.under_way.insert(index, UnderWay { place, step });
        if step.is_look() {
            let mut looked = Configurations::default();
            for configuration in mem::take(&mut self.configurations).into_all() {
                looked.insert(self.look(configuration));
            }
            self.configurations = looked;
        }
        Ok(())
    }

    /// Leaves what agrees with the answer; how much had to be looked at.
    fn answer(&mut self, index: usize, operation: &'a Operation) -> Result<usize, Failure<'a>> {
        let Some(UnderWay { place, .. }) = self.under_way.get(&index).copied() else { return Ok(0) };
        let (mut agreeing, mut seen) = (Configurations::default(), Configurations::default());
        let before: Vec<State> = self.configurations.states().collect();
        let mut reached: Vec<Configuration> = mem::take(&mut self.configurations).into_all().collect();
        while let Some(configuration) = reached.pop() {
            if configuration.done & place != 0 {
                agreeing.insert(Configuration { done: configuration.done & !place, ..configuration });
            } else if seen.insert(configuration.clone()) {
                reached.extend(self.successors(&configuration));
            }
            if seen.len() + agreeing.len() > MOST_CONFIGURATIONS {
                return Err(Failure::TooMany { operation, limit: MOST_CONFIGURATIONS });
            }
        }
        if agreeing.len() == 0 {
            return Err(Failure::Unexplained { operation, possible: self.describe(before) });
        }
        self.under_way.remove(&index);
        self.close(&agreeing.settle());
        self.configurations = agreeing;
        Ok(seen.len() + self.configurations.len())
    }

    /// What may be the case when one more operation has taken effect.
    fn successors(&self, from: &Configuration) -> Vec<Configuration> {
        let mut next = Vec::new();
        for UnderWay { place, step } in self.under_way.values() {
            if !step.is_look()
                && from.done & place == 0
                && let Some(state) = step.take(from.state)
            {
                next.push(self.look(Configuration { state, done: from.done | place, spent: from.spent.clone() }));
            }
        }
        for (step, count) in &self.open {
            // One that changes nothing explains nothing.
            if let Some(state) = step.take(from.state)
                && state != from.state
                && from.spent.of(*step) < *count
            {
                next.push(self.look(Configuration { state, done: from.done, spent: from.spent.with_one_more(*step) }));
            }
        }
        next
    }

    /// Takes every look under way that agrees with the state.
    fn look(&self, mut configuration: Configuration) -> Configuration {
        for UnderWay { place, step } in self.under_way.values() {
            if step.is_look() && step.take(configuration.state).is_some() {
                configuration.done |= place;
            }
        }
        configuration
    }

    /// Forgets operations without an answer that have certainly taken effect.
    fn close(&mut self, settled: &Spent) {
        for (step, count) in settled.iter() {
            if let Some(open) = self.open.get_mut(&step) {
                *open = open.saturating_sub(count);
            }
        }
        self.open.retain(|_, count| *count > 0);
    }

    fn describe(&self, mut states: Vec<State>) -> Vec<String> {
        states.sort_unstable();
        states.dedup();
        states.into_iter().map(|state| self.contents.describe(state)).collect()
    }
}

/// Begins and answers in the order of time.
fn events(operations: &[Operation]) -> Vec<(Event, usize)> {
    let mut events: Vec<_> = operations
        .iter()
        .enumerate()
        .flat_map(|(index, operation)| {
            let answer = operation.returned.map(|returned| (returned, Event::Answer, index));
            [Some((operation.invoked, Event::Begin, index)), answer].into_iter().flatten()
        })
        .collect();
    events.sort_unstable();
    events.into_iter().map(|(_, event, index)| (event, index)).collect()
}
