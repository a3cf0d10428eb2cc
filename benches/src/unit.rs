/// The unit of a figure. Less is better in each.
#[derive(Clone, Copy)]
pub enum Unit {
    Seconds,
    Bytes,
    Times,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Times => "times",
        }
    }

    /// Formats a figure for people.
    pub fn shown(self, figure: f64) -> String {
        match self {
            Self::Seconds if figure >= 1.0 => format!("{figure:.2} s"),
            Self::Seconds if figure >= 1e-3 => format!("{:.2} ms", figure * 1e3),
            Self::Seconds => format!("{:.2} µs", figure * 1e6),
            Self::Bytes if figure >= f64::from(1 << 20) => format!("{:.2} MiB", figure / f64::from(1 << 20)),
            Self::Bytes if figure >= f64::from(10 << 10) => format!("{:.0} KiB", figure / f64::from(1 << 10)),
            Self::Bytes => format!("{figure:.0} B"),
            Self::Times if figure < 10.0 => format!("{figure:.1}"),
            Self::Times => format!("{figure:.0}"),
        }
    }
}
