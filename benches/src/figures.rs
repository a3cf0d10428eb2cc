use std::process::Command;

/// What one contestant took in the rounds of a row. None where it cannot do what was asked.
#[derive(Default)]
pub struct Figures(pub Vec<f64>);

impl Figures {
    /// Those that a program prints. `None`: it cannot be started, does not end well, or prints something else.
    pub fn printed(program: &mut Command) -> Option<Self> {
        let output = program.output().ok().filter(|output| output.status.success())?;
        let printed = String::from_utf8(output.stdout).ok()?;
        printed.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok().map(Self)
    }

    pub fn at(&self, part: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get((sorted.len().saturating_sub(1) as f64 * part).round() as usize).copied()
    }

    pub fn median(&self) -> Option<f64> {
        self.at(0.5)
    }

    /// What each round took beside that of `base` in the same round.
    pub fn ratios(&self, base: &Self) -> Self {
        Self(self.0.iter().zip(&base.0).map(|(own, base)| own / base).collect())
    }
}
