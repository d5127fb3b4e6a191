//! Histories of a register that was real: the search must find what is known to be there, and must not find what is not.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;

/// Histories of each test. One that fails names its seed.
const HISTORIES: u64 = 100;

/// The time between the moments at which two operations take effect, in milliseconds.
const PACE: u64 = 10;

/// Plays operations on a register, one after the other, each with an interval around the moment at which it took effect.
struct Play {
    rng: StdRng,
    held: Option<String>,
    /// What was ever held: what conditions name.
    known: Vec<String>,
    operations: Vec<Operation>,
    /// How likely an answer is lost.
    loss: f64,
}

impl Play {
    fn new(seed: u64, loss: f64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), held: None, known: vec!["never".into()], operations: Vec::new(), loss }
    }

    fn of(seed: u64, operations: u64) -> Self {
        Self::losing(seed, operations, 0.04)
    }

    fn losing(seed: u64, operations: u64, loss: f64) -> Self {
        let mut play = Self::new(seed, loss);
        for number in 0..operations {
            let content = format!("v{number}");
            let action = play.act(content);
            play.record(action, 1000 + number * PACE);
        }
        play
    }

    /// Does something, as a server that is right would, and tells what was answered.
    fn act(&mut self, content: String) -> Action {
        let named = if self.rng.random_bool(0.7) { self.held.clone() } else { None };
        let named = named.unwrap_or_else(|| self.known[self.rng.random_range(0..self.known.len())].clone());
        let is = self.held.as_deref() == Some(named.as_str());
        match self.rng.random_range(0..10) {
            0 | 1 => self.write(content, Condition::None),
            2 if self.held.is_none() => self.write(content, Condition::Absent),
            2 => Action::Observe(Observation::Present),
            3 if is => self.write(content, Condition::Is(named)),
            4 if is => self.clear(Condition::Is(named)),
            3 | 4 => Action::Observe(Observation::IsNot(named)),
            5 => self.clear(Condition::None),
            // Contents may come back, as copies bring them.
            6 if self.rng.random_bool(0.2) => self.write(named, Condition::None),
            _ => Action::Observe(self.held.clone().map_or(Observation::Absent, Observation::Is)),
        }
    }

    fn write(&mut self, content: String, condition: Condition) -> Action {
        self.held = Some(content.clone());
        self.known.push(content.clone());
        Action::Write(content, condition)
    }

    fn clear(&mut self, condition: Condition) -> Action {
        self.held = None;
        Action::Delete(condition)
    }

    fn record(&mut self, action: Action, moment: u64) {
        let before = self.rng.random_range(0..6 * PACE);
        let after = self.rng.random_range(0..6 * PACE);
        // Some answers are lost, of operations that took effect long after they were sent.
        let unknown = self.rng.random_bool(self.loss);
        let before = if unknown { self.rng.random_range(0..90 * PACE) } else { before };
        let answered = (!unknown).then_some(moment + after);
        self.operations.push(operation(action, moment - before, answered));
        if self.rng.random_bool(self.loss / 2.0) {
            // And some operations are lost altogether.
            let lost = if self.rng.random_bool(0.5) { put(&format!("lost{moment}")) } else { delete() };
            self.operations.push(operation(lost, moment, None));
        }
    }
}

#[test]
fn what_a_real_register_has_answered_always_passes() {
    for seed in 0..HISTORIES {
        let operations = 50 + 10 * (seed % 20);
        let played = Play::of(seed, operations);
        assert!(check(&history(played.operations)).is_ok(), "seed {seed}");
    }
}

/// Two unconditional writes of contents that nobody writes again, and a later read, with gaps between all three.
fn stale(operations: &[Operation], rng: &mut StdRng) -> Option<(usize, String)> {
    let once = |content: &str| {
        operations
            .iter()
            .filter(|other| matches!(&other.action, Action::Write(written, _) if written == content))
            .count()
            == 1
    };
    let answered_writes: Vec<_> = operations
        .iter()
        .filter_map(|operation| match &operation.action {
            Action::Write(content, _) if once(content) => Some((operation.invoked, operation.returned?, content)),
            _ => None,
        })
        .collect();
    let mut candidates = Vec::new();
    for (index, read) in operations.iter().enumerate() {
        let is_read = matches!(read.action, Action::Observe(Observation::Is(_) | Observation::Absent));
        if !is_read || read.returned.is_none() {
            continue;
        }
        for (_, first_ended, first) in &answered_writes {
            let replaced = answered_writes.iter().any(|(begun, ended, _)| first_ended < begun && *ended < read.invoked);
            if replaced {
                candidates.push((index, (*first).clone()));
            }
        }
    }
    (!candidates.is_empty()).then(|| candidates.swap_remove(rng.random_range(0..candidates.len())))
}

#[test]
fn one_stale_read_in_a_history_is_always_found() {
    let mut injected = 0;
    for seed in 0..HISTORIES {
        let mut played = Play::of(seed, 50 + 10 * (seed % 20));
        let Some((index, content)) = stale(&played.operations, &mut played.rng) else { continue };
        played.operations[index].action = read(&content);
        injected += 1;
        assert!(matches!(check(&history(played.operations)), Err(Violation::NotLinearizable { .. })), "seed {seed}");
    }
    assert!(injected > HISTORIES / 2, "only {injected} histories had room for a stale read");
}

#[test]
fn a_second_winner_in_a_history_is_always_found() {
    for seed in 0..HISTORIES {
        let mut played = Play::of(seed, 100);
        let end = 1_000_000;
        let held = "the last";
        played.operations.push(operation(put(held), end, Some(end + 1)));
        played.operations.push(operation(replace(held, "one"), end + 2, Some(end + 9)));
        assert!(check(&history(played.operations.clone())).is_ok(), "seed {seed}");
        played.operations.push(operation(replace(held, "two"), end + 3, Some(end + 8)));
        let outcome = check(&history(played.operations));
        assert!(matches!(outcome, Err(Violation::NotLinearizable { .. })), "seed {seed}");
    }
}

#[test]
fn tens_of_thousands_of_operations_on_one_key_are_searched_in_seconds() {
    let begun = std::time::Instant::now();
    let played = Play::losing(7, 20_000, 0.0005);
    let report = check(&history(played.operations)).unwrap();
    assert!(report.operations >= 20_000 && report.unknown > 5, "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}
