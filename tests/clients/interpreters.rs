use std::process::Command;
use std::sync::OnceLock;

use isolated_workers::Program;

use super::file;

/// Language of a client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Language {
    Python,
    Node,
}

impl Language {
    /// Program that runs a script of `clients`. `None` if it cannot run here.
    pub(super) fn script(self, script: &str) -> Option<Program> {
        match self {
            Self::Python => has_python().then(|| Program::python(file(script))),
            Self::Node => has_node().then(|| Program::node(file(script))),
        }
    }

    /// Program of the worker that serves `Peer`.
    pub(super) fn worker(self) -> Option<Program> {
        self.script(match self {
            Self::Python => "python/tests/peer.py",
            Self::Node => "node/tests/peer.mjs",
        })
    }

    /// Command of the tests of the host.
    pub(super) fn host(self) -> Option<Command> {
        let (interpreter, script) = match self {
            Self::Python => ("python3", "python/tests/host.py"),
            Self::Node => ("node", "node/tests/host.mjs"),
        };
        self.script(script)?;
        let mut command = Command::new(interpreter);
        command.arg(file(script));
        Some(command)
    }
}

/// Returns `true` if there is a Python that can run the client.
pub(super) fn has_python() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let is_new = runs("python3", "import sys; sys.exit(sys.version_info < (3, 10))", "-c");
        if !is_new {
            eprintln!("skipped: no `python3` of version 3.10 or later in PATH");
        }
        is_new
    })
}

/// Returns `true` if there is a Node.js that can run the client, and the client is built.
fn has_node() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let is_new = runs("node", "process.exit(require('node:buffer').isUtf8 ? 0 : 1)", "-e");
        let is_built = file("node/dist/index.js").exists();
        if !is_new {
            eprintln!("skipped: no `node` of version 18.14 or later in PATH");
        } else if !is_built {
            eprintln!("skipped: the client for Node.js is not built; run `npm install && npm run build` in clients/node");
        }
        is_new && is_built
    })
}

fn runs(interpreter: &str, code: &str, option: &str) -> bool {
    Command::new(interpreter).args([option, code]).output().is_ok_and(|output| output.status.success())
}
