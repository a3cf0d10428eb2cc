use std::fmt;
use std::num::ParseFloatError;
use std::str::FromStr;

/// The result of a piece of work.
#[derive(Clone, Copy)]
pub struct Measured {
    pub figure: f64,
    /// CPU time of both processes per call or item, in seconds. `None` if the work does not measure
    /// it.
    pub cpu: Option<f64>,
}

impl From<f64> for Measured {
    fn from(figure: f64) -> Self {
        Self { figure, cpu: None }
    }
}

/// The figure, and the CPU time if there is one, separated by a space.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figure.fmt(f)?;
        self.cpu.map_or(Ok(()), |cpu| write!(f, " {cpu}"))
    }
}

impl FromStr for Measured {
    type Err = ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((figure, cpu)) = text.split_once(' ') else { return text.parse().map(f64::into) };
        Ok(Self { figure: figure.parse()?, cpu: Some(cpu.parse()?) })
    }
}
