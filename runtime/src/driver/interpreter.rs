//! Programs that an interpreter runs: it is looked for beside the script and in `PATH`.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// Language of a script, for the error if its interpreter is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpreter {
    Python,
    Node,
}

/// Names of the folder of a virtual environment in a project.
const ENVIRONMENTS: [&str; 2] = [".venv", "venv"];

/// Interpreter within a virtual environment.
const PYTHON_IN_ENVIRONMENT: &str = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// Returns the interpreter for a Python script.
pub(super) fn python(script: &Path) -> PathBuf {
    let active = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    python_of(active, script.parent(), env::current_dir().ok()).unwrap_or_else(|| PYTHON.into())
}

/// Returns the interpreter of a virtual environment, if there is one. Folders further up are not
/// searched: another user may write to them.
fn python_of(active: Option<PathBuf>, beside: Option<&Path>, current: Option<PathBuf>) -> Option<PathBuf> {
    let folders = beside.and_then(|folder| std::path::absolute(folder).ok()).into_iter().chain(current);
    let found = folders.flat_map(|folder| ENVIRONMENTS.map(|name| folder.join(name)));
    active
        .into_iter()
        .chain(found)
        .map(|folder| folder.join(PYTHON_IN_ENVIRONMENT))
        .find(|path| path.is_file())
}

impl Interpreter {
    /// Explains why it could not be started. `None` if the cause is another one.
    pub(super) fn refusal(
        self,
        path: &Path,
        current_dir: Option<&Path>,
        error: &io::Error,
    ) -> Option<String> {
        let is_folder = current_dir.is_none_or(Path::is_dir);
        if error.kind() != io::ErrorKind::NotFound || !is_folder || path.components().nth(1).is_some() {
            return None;
        }
        let remedy = match self {
            Self::Python => "install Python 3.10 or later, or create a virtual environment beside the script",
            Self::Node => "install Node.js 18.14 or later",
        };
        Some(format!("there is no `{}` in PATH; {remedy}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates an environment with an interpreter.
    fn create(folder: &Path) -> PathBuf {
        let python = folder.join(PYTHON_IN_ENVIRONMENT);
        std::fs::create_dir_all(python.parent().unwrap()).unwrap();
        std::fs::write(&python, "").unwrap();
        python
    }

    #[test]
    fn the_interpreter_is_that_of_the_active_environment_or_of_one_beside_the_script() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join("workers");
        let found = |active| python_of(active, Some(&beside), Some(folder.path().to_owned()));
        assert_eq!(found(None), None);
        let current = create(&folder.path().join("venv"));
        assert_eq!(found(None), Some(current));
        let of_script = create(&beside.join(".venv"));
        assert_eq!(found(None), Some(of_script.clone()));
        let active = folder.path().join("active");
        // An active environment that was removed is passed over.
        assert_eq!(found(Some(active.clone())), Some(of_script));
        let python = create(&active);
        assert_eq!(found(Some(active)), Some(python));
    }

    #[test]
    fn a_missing_interpreter_is_named_with_its_version() {
        let error = io::Error::from(io::ErrorKind::NotFound);
        let node = |folder| Interpreter::Node.refusal(Path::new("node"), folder, &error);
        assert_eq!(node(None).unwrap(), "there is no `node` in PATH; install Node.js 18.14 or later");
        assert_eq!(node(Some(Path::new("/no/such/folder"))), None);
        let python = Interpreter::Python.refusal(Path::new(PYTHON), None, &error);
        assert!(python.unwrap().ends_with("create a virtual environment beside the script"));
    }
}
