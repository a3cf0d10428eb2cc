use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// Number of lines that are kept.
const MAX_LINES: usize = 1000;

/// Lines of earlier shells and of this one.
pub(crate) struct History {
    lines: Vec<String>,
    /// `None` if there is no home folder.
    path: Option<PathBuf>,
}

impl History {
    /// Reads the history of this user: `iw/history` in the folder for the state of programs.
    pub(crate) fn load() -> Self {
        let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
        Self::at(state.or_else(home).map(|state| state.join("iw/history")))
    }

    fn at(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let start = lines.len().saturating_sub(MAX_LINES);
        Self { lines: lines[start..].to_vec(), path }
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line, unless it begins with a blank or repeats the last one. A file that cannot be
    /// written is no failure: the line is kept in memory.
    pub(crate) fn add(&mut self, line: &str) {
        if line.is_empty() || line.starts_with(' ') || self.lines.last().is_some_and(|last| last == line) {
            return;
        }
        self.lines.push(line.to_owned());
        if let Some(path) = &self.path {
            let _ = append(path, line);
        }
    }
}

fn append(path: &PathBuf, line: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_for_the_next_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iw/history");
        let mut history = History::at(Some(path.clone()));
        for line in ["add a=1", "add a=1", " secret token=7", "", "status"] {
            history.add(line);
        }
        assert_eq!(history.lines(), ["add a=1", "status"]);
        assert_eq!(History::at(Some(path)).lines(), ["add a=1", "status"]);
        let mut nowhere = History::at(None);
        nowhere.add("help");
        assert_eq!(nowhere.lines(), ["help"]);
    }
}
