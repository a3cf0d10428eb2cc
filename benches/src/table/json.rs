use serde_json::{Value, json};

use super::{Line, Table};

impl Table {
    /// Returns all figures, round by round, for other statistics.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "columns": self.columns,
            "rows": self.lines.iter().map(Line::json).collect::<Vec<_>>(),
            "note": self.note,
        })
    }
}

impl Line {
    fn json(&self) -> Value {
        let columns = || 0..self.figures.len();
        json!({
            "name": self.name,
            "unit": self.unit.name(),
            "target": self.target.map(|target| json!({ "ratio": target.ratio, "of": target.columns })),
            "rounds": self.figures.iter().map(|figures| &figures.0).collect::<Vec<_>>(),
            "medians": columns().map(|column| self.median(column)).collect::<Vec<_>>(),
            "ratios": columns().map(|column| self.ratio(column)).collect::<Vec<_>>(),
        })
    }
}
