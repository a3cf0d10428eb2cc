//! The transcripts of the guide `docs/guides/cli.md`.
//!
//! Each line of a `console` block that begins with `$ ` is run by a shell, and the lines below are
//! its output. `…` stands for any text.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::{example, iw, root};

/// Command of a transcript, and the output that the page shows.
struct Step {
    command: String,
    output: String,
}

/// Steps of all `console` blocks of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            is_console = fence == "console";
        } else if let (true, Some(command)) = (is_console, line.strip_prefix("$ ")) {
            steps.push(Step { command: command.to_owned(), output: String::new() });
        } else if is_console {
            let step = steps.last_mut().expect("a block begins with a command");
            step.output.push_str(&format!("{line}\n"));
        }
    }
    steps
}

/// Returns `true` if `text` is `pattern`, in which `…` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn every_transcript_of_the_guide_is_what_the_commands_print() {
    let page = fs::read_to_string(root().join("docs/guides/cli.md")).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 10, "{} steps", steps.len());
    let folder = tempfile::tempdir().unwrap();
    let link = |name: &str, path: &str| std::os::unix::fs::symlink(path, folder.path().join(name)).unwrap();
    link("calculator", &example("quickstart"));
    link("logs", &example("log_tail"));
    link("printer", &example("typed_worker"));
    link("iw", iw().to_str().unwrap());
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut differing = BTreeSet::new();
    for Step { command, output } in steps {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(folder.path()).env("PATH", &path);
        let ran = shell.stdin(Stdio::null()).output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        if !matches(&output, &printed) {
            differing.insert(format!("$ {command}\n{printed}"));
        }
    }
    assert!(
        differing.is_empty(),
        "the page differs from:\n{}",
        differing.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn an_ellipsis_stands_for_any_text() {
    for (pattern, text, is_match) in [
        ("a\n", "a\n", true),
        ("a", "ab", false),
        ("a…c", "abbc", true),
        ("a…c…", "axcy", true),
        ("…", "", true),
        ("a…b…c", "acb", false),
        ("a…", "ba", false),
    ] {
        assert_eq!(matches(pattern, text), is_match, "{pattern} and {text}");
    }
}
