//! Rows of work, columns of who does it. All measurements are such tables, so that each is alternated, shown and kept alike.

mod host;
mod json;
mod markdown;

pub use self::markdown::targets;
use crate::figures::Figures;
use crate::row::Row;
use crate::unit::Unit;
use crate::usage::Load;

/// One contestant: its name, and a round of it.
pub type Column = (&'static str, fn(&Row) -> f64);

pub struct Table {
    /// What asks for it on the command line.
    pub name: &'static str,
    pub columns: Vec<&'static str>,
    pub lines: Vec<Line>,
    layout: Layout,
    /// How often, how long, and how busy the machine was.
    note: String,
}

/// A row that was measured: what each column took.
pub struct Line {
    pub name: &'static str,
    pub unit: Unit,
    /// What the ratio of the second column to the first is to be at most.
    target: Option<f64>,
    figures: Vec<Figures>,
}

#[derive(Clone, Copy)]
pub enum Layout {
    /// Each figure with its ratio to the first column.
    Ratios,
    /// The same, with a line for each contestant.
    Turned,
    /// Figures, and the ratio of the second column to the first with its quartiles.
    Spread,
}

impl Table {
    /// Has each contestant do each row `rounds` times, one after the other in each round, so that what the machine does
    /// besides meets them all, and each in a process of its own, so that none is met by what another has left behind.
    pub fn measure(
        name: &'static str,
        layout: Layout,
        columns: &[Column],
        rows: &[Row],
        rounds: usize,
    ) -> Self {
        let run =
            |row: &Row, column: usize| (0..row.work.repetitions()).map(|_| columns[column].1(row)).collect();
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        Self::lines(name, layout, &names, rows, rounds, run, |row| {
            Line::measure(name, row, &rows[row], &names, rounds)
        })
    }

    /// Has all contestants in one process for each row and round, where `turns` returns what each took, over and over: for
    /// differences that are smaller than that between two pairs of processes.
    pub fn measure_together(
        name: &'static str,
        layout: Layout,
        columns: &[&'static str],
        rows: &[Row],
        rounds: usize,
        turns: fn(&Row) -> Vec<f64>,
    ) -> Self {
        Self::lines(
            name,
            layout,
            columns,
            rows,
            rounds,
            |row, _| turns(row),
            |row| Line::measure_together(name, row, &rows[row], columns.len(), rounds),
        )
    }

    fn lines(
        name: &'static str,
        layout: Layout,
        columns: &[&'static str],
        rows: &[Row],
        rounds: usize,
        run: impl Fn(&Row, usize) -> Vec<f64>,
        measure: impl FnMut(usize) -> Line,
    ) -> Self {
        let load = Load::watch();
        let is_another = host::is_another(name, rows, run);
        let lines = if is_another { Vec::new() } else { (0..rows.len()).map(measure).collect() };
        Self { name, columns: columns.to_vec(), lines, layout, note: format!("{rounds} rounds, {load}") }
    }

    /// Of figures that came otherwise.
    pub fn of(name: &'static str, columns: Vec<&'static str>, lines: Vec<Line>, note: String) -> Self {
        Self { name, columns, lines, layout: Layout::Ratios, note }
    }
}

impl Line {
    pub fn new(name: &'static str, unit: Unit, figures: Vec<Figures>) -> Self {
        Self { name, unit, target: None, figures }
    }

    fn measure(table: &str, number: usize, row: &Row, columns: &[&str], rounds: usize) -> Self {
        eprintln!("{}", row.name);
        let mut figures: Vec<Figures> = columns.iter().map(|_| Figures::default()).collect();
        let mut failed = vec![false; columns.len()];
        for _ in 0..rounds * row.pairs {
            for (column, name) in columns.iter().enumerate() {
                if failed[column] {
                    continue;
                }
                match host::round(table, number, column) {
                    Some(round) => figures[column].0.extend(round.0),
                    // It cannot do this, and its panic says why.
                    None => {
                        eprintln!("{name} cannot do: {}", row.name);
                        failed[column] = true;
                        figures[column].0.clear();
                    }
                }
            }
        }
        Self { name: row.name, unit: row.unit(), target: row.target, figures }
    }

    fn measure_together(table: &str, number: usize, row: &Row, columns: usize, rounds: usize) -> Self {
        eprintln!("{}", row.name);
        let mut figures: Vec<Figures> = (0..columns).map(|_| Figures::default()).collect();
        for _ in 0..rounds {
            let turns = host::round(table, number, 0).map_or(Vec::new(), |round| round.0);
            for turn in turns.chunks_exact(columns) {
                figures.iter_mut().zip(turn).for_each(|(figures, took)| figures.0.push(*took));
            }
        }
        Self { name: row.name, unit: row.unit(), target: row.target, figures }
    }

    pub fn median(&self, column: usize) -> Option<f64> {
        self.figures[column].median()
    }

    /// The ratios to the first column, round by round.
    fn ratios(&self, column: usize) -> Figures {
        self.figures[column].ratios(&self.figures[0])
    }

    pub fn ratio(&self, column: usize) -> Option<f64> {
        self.ratios(column).median()
    }
}
