//! A bar chart: for some rows of some tables, the ratio of each contestant to the first.

use std::fmt::Write;

use crate::table::{Line, Table};

/// A drawn row of a table, or its CPU time.
struct Drawn {
    table: &'static str,
    row: &'static str,
    is_cpu: bool,
    title: &'static str,
}

const fn drawn(table: &'static str, row: &'static str, title: &'static str) -> Drawn {
    Drawn { table, row, is_cpu: false, title }
}

/// The drawn rows. A title says if both processes are pinned to one core.
const PANELS: [Drawn; 10] = [
    drawn("peers-bodies", "64 B", "a call of 64 B"),
    drawn("peers-bodies-pinned", "64 B", "a call of 64 B, pinned to one core"),
    drawn("peers-in-flight", "16", "16 calls in flight"),
    drawn("peers-in-flight-pinned", "16", "16 calls in flight, pinned to one core"),
    drawn("peers-in-flight", "256", "256 calls in flight"),
    drawn("peers-in-flight-pinned", "256", "256 calls in flight, pinned to one core"),
    drawn("peers-bodies", "100 kB", "a call of 100 kB"),
    drawn("peers-bodies-pinned", "100 kB", "a call of 100 kB, pinned to one core"),
    Drawn { table: "peers-bodies", row: "64 B", is_cpu: true, title: "CPU time of a call of 64 B" },
    drawn("peers-processes", "spawn", "start of a worker until its first reply"),
];

const PANELS_PER_ROW: usize = 2;
/// Sizes in pixels.
const PANEL_WIDTH: f64 = 430.0;
const NAME_WIDTH: f64 = 146.0;
const MAX_BAR_WIDTH: f64 = 210.0;
const BAR_HEIGHT: f64 = 20.0;
const TITLE_HEIGHT: f64 = 34.0;
const HEADER_HEIGHT: f64 = 46.0;

/// Ends of the scale. It is logarithmic: on a linear one, the slowest contestant would hide the
/// others.
const MIN_RATIO: f64 = 0.1;
const MAX_RATIO: f64 = 100.0;

const STYLE: &str = "
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; }
    .small { font-size: 12px; fill: #59636e; }
    .name { text-anchor: end; }
    .own { font-weight: 600; }
    .ground { fill: #ffffff; }
    .bar { fill: #afb8c1; }
    .bar.own { fill: #0969da; }
    .one { stroke: #59636e; stroke-dasharray: 3 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9198a1; }
      .ground { fill: #0d1117; }
      .bar { fill: #57606a; }
      .bar.own { fill: #4493f8; }
      .one { stroke: #9198a1; }
    }
  ";

/// Returns the chart as SVG. The tables have the same columns, of which those are drawn for which
/// `is_drawn` returns `true`.
pub fn draw(tables: &[Table], own: &str, is_drawn: impl Fn(&str) -> bool) -> String {
    let panels: Vec<_> = PANELS.iter().map(|drawn| (drawn.title, drawn.line(tables))).collect();
    let (_, (table, _)) = panels[0];
    let columns: Vec<usize> = (0..table.columns.len()).filter(|at| is_drawn(table.columns[*at])).collect();
    let height = TITLE_HEIGHT + BAR_HEIGHT * columns.len() as f64 + 12.0;
    let rows = PANELS.len().div_ceil(PANELS_PER_ROW) as f64;
    let (width, all) = (PANEL_WIDTH * PANELS_PER_ROW as f64, HEADER_HEIGHT + rows * height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {all}\" width=\"{width}\" \
         height=\"{all}\" role=\"img\" aria-labelledby=\"title\">\n  \
         <title id=\"title\">Time of a call relative to {base}: less is better</title>\n  \
         <style>{STYLE}</style>\n  <rect class=\"ground\" width=\"{width}\" height=\"{all}\" rx=\"8\"/>\n  \
         <text class=\"small\" x=\"20\" y=\"28\">Time relative to {base} (dashed), shorter is better; \
         the scale is logarithmic</text>\n",
        base = table.columns[0],
    );
    for (at, (title, (table, line))) in panels.into_iter().enumerate() {
        let (x, y) = (
            PANEL_WIDTH * (at % PANELS_PER_ROW) as f64,
            HEADER_HEIGHT + height * (at / PANELS_PER_ROW) as f64,
        );
        let panel = Panel { table, line, columns: &columns, own };
        let _ = writeln!(svg, "  <g transform=\"translate({x} {y})\">{}\n  </g>", panel.draw(title));
    }
    svg + "</svg>\n"
}

impl Drawn {
    fn line<'a>(&self, tables: &'a [Table]) -> (&'a Table, &'a Line) {
        let table = tables.iter().find(|table| table.name == self.table).expect("a measured table");
        let row = table.lines.iter().position(|line| line.name == self.row).expect("a row of the table");
        (table, &table.lines[row + usize::from(self.is_cpu)])
    }
}

struct Panel<'a> {
    table: &'a Table,
    line: &'a Line,
    columns: &'a [usize],
    own: &'a str,
}

impl Panel<'_> {
    fn draw(&self, title: &str) -> String {
        let mut svg = format!("\n    <text class=\"title\" x=\"{NAME_WIDTH}\" y=\"18\">{title}</text>");
        for (at, (column, ratio)) in self.sorted().into_iter().enumerate() {
            let name = self.table.columns[column];
            let own = if name == self.own { " own" } else { "" };
            let y = TITLE_HEIGHT + BAR_HEIGHT * at as f64;
            let text = y + 12.0;
            let (width, shown) = match ratio {
                Some(ratio) => (bar_width(ratio), format!("{ratio:.2}x")),
                None => (0.0, "cannot".to_owned()),
            };
            let _ = write!(
                svg,
                "\n    <text class=\"name{own}\" x=\"{}\" y=\"{text}\">{name}</text>\
                 <rect class=\"bar{own}\" x=\"{NAME_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\"/>\
                 <text class=\"small{own}\" x=\"{:.1}\" y=\"{text}\">{shown}</text>",
                NAME_WIDTH - 8.0,
                BAR_HEIGHT - 5.0,
                NAME_WIDTH + width + 6.0,
            );
        }
        let (one, bottom) =
            (NAME_WIDTH + bar_width(1.0), TITLE_HEIGHT + BAR_HEIGHT * self.columns.len() as f64);
        let _ = write!(
            svg,
            "\n    <line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{}\" y2=\"{bottom}\"/>",
            TITLE_HEIGHT - 6.0
        );
        svg
    }

    /// Returns the columns with the fastest first, and those that cannot do the work last.
    fn sorted(&self) -> Vec<(usize, Option<f64>)> {
        let mut ratios: Vec<_> = self.columns.iter().map(|at| (*at, self.line.ratio(*at))).collect();
        ratios.sort_by(|(_, one), (_, other)| {
            one.unwrap_or(f64::INFINITY).total_cmp(&other.unwrap_or(f64::INFINITY))
        });
        ratios
    }
}

/// Returns the width of the bar for a ratio.
fn bar_width(ratio: f64) -> f64 {
    MAX_BAR_WIDTH * (ratio.clamp(MIN_RATIO, MAX_RATIO) / MIN_RATIO).ln() / (MAX_RATIO / MIN_RATIO).ln()
}
