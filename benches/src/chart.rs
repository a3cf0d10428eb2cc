//! A chart of bars: for each row of a table, what each contestant takes beside the first one.

use std::fmt::Write;

use crate::table::{Line, Table};

/// The rows of the table that are drawn, and the title over each.
const PANELS: [(&str, &str); 6] = [
    ("64 B, pinned", "a call of 64 B"),
    ("100 kB, pinned", "a call of 100 kB"),
    ("10 MB", "a call of 10 MB"),
    ("256 in flight", "one of 256 calls in flight"),
    ("CPU time", "CPU time of such a call"),
    ("spawn", "start of a worker until its first reply"),
];

const ACROSS: usize = 2;
const WIDTH: f64 = 430.0;
const NAMES: f64 = 146.0;
const BARS: f64 = 210.0;
const BAR: f64 = 20.0;
const HEAD: f64 = 34.0;
const TOP: f64 = 46.0;

/// Where the scale begins and ends. It is logarithmic, or the slowest would leave nothing to see of the others.
const LEAST: f64 = 0.1;
const MOST: f64 = 100.0;

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

/// The text of an SVG. `is_drawn` says which columns are.
pub fn draw(table: &Table, own: &str, is_drawn: impl Fn(&str) -> bool) -> String {
    let columns: Vec<usize> = (0..table.columns.len()).filter(|at| is_drawn(table.columns[*at])).collect();
    let height = HEAD + BAR * columns.len() as f64 + 12.0;
    let rows = PANELS.len().div_ceil(ACROSS) as f64;
    let (width, all) = (WIDTH * ACROSS as f64, TOP + rows * height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {all}\" width=\"{width}\" \
         height=\"{all}\" role=\"img\" aria-labelledby=\"title\">\n  \
         <title id=\"title\">Time of a call relative to {base}: less is better</title>\n  \
         <style>{STYLE}</style>\n  <rect class=\"ground\" width=\"{width}\" height=\"{all}\" rx=\"8\"/>\n  \
         <text class=\"small\" x=\"20\" y=\"28\">Time relative to {base} (dashed), shorter is better; \
         the scale is logarithmic</text>\n",
        base = table.columns[0],
    );
    for (at, (row, title)) in PANELS.iter().enumerate() {
        let Some(line) = table.lines.iter().find(|line| line.name == *row) else { continue };
        let (x, y) = (WIDTH * (at % ACROSS) as f64, TOP + height * (at / ACROSS) as f64);
        let panel = Panel { table, line, columns: &columns, own };
        let _ = writeln!(svg, "  <g transform=\"translate({x} {y})\">{}\n  </g>", panel.draw(title));
    }
    svg + "</svg>\n"
}

struct Panel<'a> {
    table: &'a Table,
    line: &'a Line,
    columns: &'a [usize],
    own: &'a str,
}

impl Panel<'_> {
    fn draw(&self, title: &str) -> String {
        let mut svg = format!("\n    <text class=\"title\" x=\"{NAMES}\" y=\"18\">{title}</text>");
        for (at, (column, ratio)) in self.sorted().into_iter().enumerate() {
            let name = self.table.columns[column];
            let own = if name == self.own { " own" } else { "" };
            let y = HEAD + BAR * at as f64;
            let text = y + 12.0;
            let (width, shown) = match ratio {
                Some(ratio) => (length(ratio), format!("{ratio:.2}x")),
                None => (0.0, "cannot".to_owned()),
            };
            let _ = write!(
                svg,
                "\n    <text class=\"name{own}\" x=\"{}\" y=\"{text}\">{name}</text>\
                 <rect class=\"bar{own}\" x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\"/>\
                 <text class=\"small{own}\" x=\"{:.1}\" y=\"{text}\">{shown}</text>",
                NAMES - 8.0,
                BAR - 5.0,
                NAMES + width + 6.0,
            );
        }
        let (one, bottom) = (NAMES + length(1.0), HEAD + BAR * self.columns.len() as f64);
        let _ = write!(
            svg,
            "\n    <line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{}\" y2=\"{bottom}\"/>",
            HEAD - 6.0
        );
        svg
    }

    /// The fastest first, and those that cannot do it last.
    fn sorted(&self) -> Vec<(usize, Option<f64>)> {
        let mut ratios: Vec<_> = self.columns.iter().map(|at| (*at, self.line.ratio(*at))).collect();
        ratios.sort_by(|(_, one), (_, other)| {
            one.unwrap_or(f64::INFINITY).total_cmp(&other.unwrap_or(f64::INFINITY))
        });
        ratios
    }
}

/// How long the bar of a ratio is.
fn length(ratio: f64) -> f64 {
    BARS * (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln()
}
