use std::fmt;

/// A simulation in which a connection broke the rules. `Display` tells its steps and how to run it again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationFailure {
    /// The seed that shows it.
    pub seed: u64,
    /// Which rule was broken, and by what.
    pub reason: String,
    /// The steps that led there; the last one broke the rule.
    pub steps: Vec<String>,
}

impl fmt::Display for SimulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.reason)?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>4} {step}", at + 1)?;
        }
        write!(f, "seed {}: {}; `simulate({0})` does the same again", self.seed, self.reason)
    }
}

impl std::error::Error for SimulationFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_seed_before_and_after_the_steps() {
        let steps = vec!["+0ns host pings".into(), "+0ns worker receives Ping".into()];
        let failure = SimulationFailure { seed: 17, reason: "no pong".into(), steps };
        assert_eq!(
            failure.to_string(),
            "seed 17: no pong\n   1 +0ns host pings\n   2 +0ns worker receives Ping\n\
             seed 17: no pong; `simulate(17)` does the same again"
        );
    }
}
