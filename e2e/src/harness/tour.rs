//! A test of many steps that shares one server: every step runs, and the test fails with all that went wrong.

use anyhow::{Result, bail};

/// The steps of one test, and which of them failed.
#[derive(Debug)]
pub struct Tour {
    name: &'static str,
    steps: usize,
    failures: Vec<String>,
}

impl Tour {
    /// A tour without steps.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, steps: 0, failures: Vec::new() }
    }

    /// Runs one step. Its name is a sentence about what must hold; a failure is kept, and the next step runs all the same.
    pub fn step(&mut self, sentence: &str, step: impl FnOnce() -> Result<()>) {
        self.steps += 1;
        if let Err(error) = step() {
            self.failures.push(format!("{sentence}: {error:#}"));
        }
    }

    /// Ends the tour.
    ///
    /// # Errors
    /// When a step failed, with every failure; or when there was no step at all.
    pub fn finish(self) -> Result<()> {
        if self.steps == 0 {
            bail!("{} has no steps", self.name);
        }
        if !self.failures.is_empty() {
            bail!(
                "{} of the {} steps of {} failed:\n- {}",
                self.failures.len(),
                self.steps,
                self.name,
                self.failures.join("\n- ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tour_runs_every_step_and_names_all_that_failed() {
        let mut ran = 0;
        let mut tour = Tour::new("a tour");
        tour.step("one holds", || bail!("no"));
        tour.step("two holds", || {
            ran += 1;
            Ok(())
        });
        tour.step("three holds", || bail!("never"));
        let error = tour.finish().unwrap_err().to_string();
        assert_eq!(ran, 1);
        assert!(
            error.contains("2 of the 3") && error.contains("one holds: no") && error.contains("three holds: never"),
            "{error}"
        );
    }

    #[test]
    fn a_tour_without_steps_fails() {
        assert!(Tour::new("nothing").finish().is_err());
    }
}
