//! Tables: rows of work, columns of contestants. All measurements are tables, so that they are
//! alternated, shown and stored in the same way.

mod host;
mod json;
mod markdown;

pub use self::markdown::targets;
use crate::figures::Figures;
use crate::measured::Measured;
use crate::row::Row;
use crate::target::Target;
use crate::unit::Unit;
use crate::usage::Load;

/// Name of a line with the CPU time of the line before it.
const CPU: &str = "CPU";

/// A contestant: its name, and a function that makes a round of a row.
pub type Column = (&'static str, fn(&Row) -> Measured);

pub struct Table {
    /// Argument of the command line.
    pub name: &'static str,
    pub columns: Vec<&'static str>,
    pub lines: Vec<Line>,
    layout: Layout,
    /// Number of rounds, time taken, and load of the machine.
    note: String,
}

/// A measured row: the figures of each column.
pub struct Line {
    pub name: &'static str,
    pub unit: Unit,
    target: Option<Target>,
    /// Columns that the target relates to.
    bases: Vec<usize>,
    figures: Vec<Figures>,
}

#[derive(Clone, Copy)]
pub enum Layout {
    /// Each figure with its ratio to the first column.
    Ratios,
    /// The same, with rows and columns exchanged.
    Turned,
    /// Figures, and the ratio of the second column to the first with its quartiles.
    Spread,
}

impl Table {
    /// Measures each row `rounds` times. The contestants take turns within a round, so that other
    /// load on the machine affects all of them. Each round is a process of its own, so that no
    /// contestant benefits from what another has left behind.
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

    /// Measures all contestants of a row and round in one process. `turns` returns one figure per
    /// contestant, again and again. It is for differences that are smaller than those between two
    /// pairs of processes.
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
            |row, _| turns(row).into_iter().map(Measured::from).collect(),
            |row| vec![Line::measure_together(name, row, &rows[row], columns, rounds)],
        )
    }

    fn lines(
        name: &'static str,
        layout: Layout,
        columns: &[&'static str],
        rows: &[Row],
        rounds: usize,
        run: impl Fn(&Row, usize) -> Vec<Measured>,
        measure: impl FnMut(usize) -> Vec<Line>,
    ) -> Self {
        let load = Load::watch();
        let is_another = host::is_another(name, rows, run);
        let lines = if is_another { Vec::new() } else { (0..rows.len()).flat_map(measure).collect() };
        Self { name, columns: columns.to_vec(), lines, layout, note: load.note(rounds) }
    }

    /// Makes a table of figures that were measured in another way.
    pub fn of(name: &'static str, columns: Vec<&'static str>, lines: Vec<Line>, note: String) -> Self {
        Self { name, columns, lines, layout: Layout::Ratios, note }
    }
}

impl Line {
    pub fn new(name: &'static str, unit: Unit, figures: Vec<Figures>) -> Self {
        Self { name, unit, target: None, bases: vec![0], figures }
    }

    fn of(row: &Row, columns: &[&str], figures: Vec<Figures>) -> Self {
        let of = row.target.map_or(&[][..], |target| target.columns);
        let bases = match of {
            [] => vec![0],
            _ => (0..columns.len()).filter(|at| of.contains(&columns[*at])).collect(),
        };
        Self { name: row.name, unit: row.unit(), target: row.target, bases, figures }
    }

    /// Measures a row. Its CPU time is a line of its own.
    fn measure(table: &str, number: usize, row: &Row, columns: &[&str], rounds: usize) -> Vec<Self> {
        eprintln!("{}", row.name);
        let no_figures = || columns.iter().map(|_| Figures::default()).collect::<Vec<_>>();
        let (mut figures, mut cpu) = (no_figures(), no_figures());
        let mut failed = vec![false; columns.len()];
        for _ in 0..rounds * row.pairs {
            for (column, name) in columns.iter().enumerate() {
                if failed[column] {
                    continue;
                }
                match host::round(table, number, column) {
                    Some(round) => {
                        figures[column].0.extend(round.iter().map(|measured| measured.figure));
                        cpu[column].0.extend(round.iter().filter_map(|measured| measured.cpu));
                    }
                    // The contestant cannot do this work. Its panic message names the reason.
                    None => {
                        eprintln!("{name} cannot do {}", row.name);
                        failed[column] = true;
                        figures[column].0.clear();
                        cpu[column].0.clear();
                    }
                }
            }
        }
        let mut lines = vec![Self::of(row, columns, figures)];
        if row.has_cpu {
            lines.push(Self::new(CPU, Unit::Seconds, cpu));
        }
        lines
    }

    fn measure_together(table: &str, number: usize, row: &Row, columns: &[&str], rounds: usize) -> Self {
        eprintln!("{}", row.name);
        let mut figures: Vec<Figures> = columns.iter().map(|_| Figures::default()).collect();
        for _ in 0..rounds {
            let turns = host::round(table, number, 0).unwrap_or_default();
            for turn in turns.chunks_exact(columns.len()) {
                figures.iter_mut().zip(turn).for_each(|(figures, took)| figures.0.push(took.figure));
            }
        }
        Self::of(row, columns, figures)
    }

    pub fn median(&self, column: usize) -> Option<f64> {
        self.figures[column].median()
    }

    /// Returns the ratios to the first column, one per round.
    fn ratios(&self, column: usize) -> Figures {
        self.figures[column].ratios(&self.figures[0])
    }

    /// Returns the ratios of the second column to the best base of the target, one per round.
    fn target_ratios(&self) -> Figures {
        let bases = self.bases.iter().map(|base| &self.figures[*base]);
        self.figures[1].ratios(&Figures::best(bases))
    }

    pub fn ratio(&self, column: usize) -> Option<f64> {
        self.ratios(column).median()
    }
}
