use std::fmt;

use super::{Layout, Line, Table};

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::Ratios => self.ratios(f)?,
            Layout::Turned => self.turned(f)?,
            Layout::Spread => self.spread(f)?,
        }
        write!(f, "\n{}", self.note)
    }
}

impl Table {
    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_targets = self.lines.iter().any(|line| line.target.is_some());
        let target = format!("target for {}", self.columns[1]);
        let words = if has_targets { vec![target.as_str()] } else { Vec::new() };
        head(f, &self.columns, &words)?;
        for line in &self.lines {
            let cells = (0..self.columns.len()).map(|column| line.cell(column));
            row(f, line.name, cells.chain(has_targets.then(|| line.target_and_verdict())))?;
        }
        Ok(())
    }

    fn turned(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.lines.iter().map(|line| line.name).collect();
        head(f, &names, &[])?;
        for (column, name) in self.columns.iter().enumerate() {
            row(f, name, self.lines.iter().map(|line| line.cell(column)))?;
        }
        Ok(())
    }

    fn spread(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.columns.clone();
        names.extend(["ratio", "quartiles"]);
        head(f, &names, &["target"])?;
        for line in &self.lines {
            let shown = (0..self.columns.len()).map(|column| line.shown(column));
            row(
                f,
                line.name,
                shown.chain([line.shown_ratio(), line.quartiles(), line.target_and_verdict()]),
            )?;
        }
        Ok(())
    }
}

/// Returns a table of all targets, with the number of targets that are met.
pub fn targets(tables: &[Table]) -> String {
    let lines = tables.iter().flat_map(|table| table.lines.iter().map(move |line| (table, line)));
    let mut text = "| | ratio | quartiles | target |\n|---|---:|---:|---|\n".to_owned();
    let (mut met, mut all) = (0, 0);
    for (table, line) in lines.filter(|(_, line)| line.target.is_some()) {
        let cells = [line.shown_ratio(), line.quartiles(), line.target_and_verdict()];
        text += &format!("| {}: {} | {} |\n", table.name, line.name, cells.join(" | "));
        all += 1;
        met += usize::from(line.is_met() == Some(true));
    }
    text + &format!("\n{met} of {all} targets are met.")
}

/// Writes the head of a table: columns of numbers, then columns of words.
fn head(f: &mut fmt::Formatter<'_>, numbers: &[&str], words: &[&str]) -> fmt::Result {
    writeln!(f, "| | {} |", [numbers, words].concat().join(" | "))?;
    writeln!(f, "|---|{}{}", "---:|".repeat(numbers.len()), "---|".repeat(words.len()))
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, cells: impl Iterator<Item = String>) -> fmt::Result {
    writeln!(f, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))
}

impl Line {
    fn shown(&self, column: usize) -> String {
        self.median(column).map_or("-".to_owned(), |figure| self.unit.shown(figure))
    }

    fn cell(&self, column: usize) -> String {
        match self.ratio(column) {
            Some(ratio) if column > 0 => format!("{} ({ratio:.2}x)", self.shown(column)),
            _ => self.shown(column),
        }
    }

    /// Formats the ratio that the target limits.
    fn shown_ratio(&self) -> String {
        self.target_ratios().median().map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"))
    }

    fn quartiles(&self) -> String {
        let ratios = self.target_ratios();
        match (ratios.quantile(0.25), ratios.quantile(0.75)) {
            (Some(low), Some(high)) => format!("{low:.2} to {high:.2}"),
            _ => "-".to_owned(),
        }
    }

    /// Returns `true` if the second column meets the target, and `None` if there is none or its
    /// base was not measured.
    fn is_met(&self) -> Option<bool> {
        let target = self.target?;
        Some(self.target_ratios().median()? <= target.ratio)
    }

    fn target_and_verdict(&self) -> String {
        match (self.target, self.is_met()) {
            (Some(target), Some(true)) => format!("{target}: met"),
            (Some(target), Some(false)) => format!("{target}: **missed**"),
            (Some(target), None) => format!("{target}: not measured"),
            (None, _) => String::new(),
        }
    }
}
