use std::fmt;

/// Failure of a simulation: a connection broke a rule. `Display` lists the steps and says how to
/// reproduce them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationFailure {
    /// Seed of the simulation.
    pub seed: u64,
    /// Description of the broken rule.
    pub reason: String,
    /// Steps, up to the step that broke the rule.
    pub steps: Vec<String>,
}

impl fmt::Display for SimulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.reason)?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>4} {step}", at + 1)?;
        }
        write!(f, "seed {}: {}; `simulate({0})` repeats it", self.seed, self.reason)
    }
}

impl std::error::Error for SimulationFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_shown_before_and_after_the_steps() {
        let steps = vec!["+0ns host pings".into(), "+0ns worker receives Ping".into()];
        let failure = SimulationFailure { seed: 17, reason: "no pong".into(), steps };
        assert_eq!(
            failure.to_string(),
            "seed 17: no pong\n   1 +0ns host pings\n   2 +0ns worker receives Ping\n\
             seed 17: no pong; `simulate(17)` repeats it"
        );
    }
}
