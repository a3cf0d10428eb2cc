//! Comments begin with a noun or a verb.

use crate::source::rust_files;

/// Words that a comment should not begin with.
const OPENERS: [&str; 7] = ["What", "Whether", "Where", "Who", "How", "Has", "Lets"];

/// Upper bound for comment lines that begin with one of [`OPENERS`], in percent.
const MAX_PERCENT: f64 = 2.0;

#[test]
fn few_comments_begin_with_a_relative_clause() {
    let mut lines = 0;
    let mut found = Vec::new();
    for source in rust_files("") {
        for (number, line) in (1..).zip(source.text.lines()) {
            let Some(comment) = line.trim_start().strip_prefix("//") else { continue };
            lines += 1;
            let text = comment.trim_start_matches(['/', '!']).trim_start();
            let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if OPENERS.contains(&first) {
                found.push(format!("{}:{number}: {text}", source.path));
            }
        }
    }
    let percent = 100.0 * found.len() as f64 / f64::from(lines);
    assert!(lines > 2000, "too few comment lines: {lines}");
    assert!(percent < MAX_PERCENT, "{percent:.1} % of {lines} comment lines:\n{}", found.join("\n"));
}
