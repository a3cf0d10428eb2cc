use std::fmt;

/// The maximum of a ratio of the second column of a table to other columns.
#[derive(Clone, Copy)]
pub struct Target {
    pub ratio: f64,
    /// Columns of which the best one is the base. Empty for the first column.
    pub columns: &'static [&'static str],
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}x", self.ratio)?;
        match self.columns {
            [] => Ok(()),
            [only] => write!(f, " of {only}"),
            _ => write!(f, " of the best of {}", self.columns.join(", ")),
        }
    }
}
