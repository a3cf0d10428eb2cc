use std::path::Path;

use isolated_workers::{Program, host};
use serde_json::json;

use crate::failure::Failure;
use crate::words;

/// Where a worker is, and how to start it.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// A program of this machine.
    Program(Program),
    /// A program that another one runs elsewhere, over its standard streams.
    Remote(Program),
    /// A running worker, which stays when the command has ended.
    Running(host::Address),
}

/// Forms of an address, for errors.
const FORMS: &str =
    "use `./program`, `exec:./program arg`, `ssh:host:./program arg`, `unix:/path` or `attach:FILE`";

impl Address {
    /// Parses an address, and reads the file that it names.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let invalid = |why: &str| Failure::Usage(format!("could not use the address {text:?}: {why}"));
        let Some((scheme, rest)) = scheme(text) else {
            return match text {
                "" => Err(invalid(&format!("it is empty; {FORMS}"))),
                path => Ok(Self::Program(program(vec![path.to_owned()]))),
            };
        };
        let program_of = |text: &str| {
            let words = words::split(text).map_err(|why| invalid(&why))?;
            if words.is_empty() { Err(invalid(&format!("it names no program; {FORMS}"))) } else { Ok(words) }
        };
        match scheme {
            "exec" => Ok(Self::Program(program(program_of(rest)?))),
            "ssh" => {
                let (host, command) = rest
                    .split_once(':')
                    .ok_or_else(|| invalid(&format!("it names no host or no program; {FORMS}")))?;
                let mut words = program_of(command)?.into_iter();
                let path = words.next().unwrap_or_default();
                Ok(Self::Remote(Program::ssh(host).program(path).args(words)))
            }
            "unix" if cfg!(not(unix)) => Err(invalid("this system has no Unix sockets; use `attach:FILE`")),
            "unix" => Ok(Self::Running(waiting(rest))),
            "attach" => {
                let file = std::fs::read_to_string(rest).map_err(|error| {
                    invalid(&format!(
                        "{error}; name a file with the JSON of an `Address` that `detach` returned"
                    ))
                })?;
                let address = serde_json::from_str(&file).map_err(|error| {
                    invalid(&format!(
                        "the file holds no address: {error}; store the `Address` of `detach` as JSON"
                    ))
                })?;
                Ok(Self::Running(address))
            }
            "nats" => Err(invalid(&format!("workers behind NATS cannot be called yet; {FORMS}"))),
            other => Err(invalid(&format!("there is no scheme `{other}:`; {FORMS}"))),
        }
    }
}

/// Splits the scheme from an address. `None` for a path.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    // A letter and a colon begin a path of Windows.
    let is_scheme = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_lowercase());
    is_scheme.then_some((scheme, rest))
}

/// Program of these words. A script is run by its interpreter.
fn program(words: Vec<String>) -> Program {
    let mut words = words.into_iter();
    let path = words.next().unwrap_or_default();
    let program = match Path::new(&path).extension().and_then(|extension| extension.to_str()) {
        Some("py") => Program::python(path),
        Some("js" | "mjs" | "cjs") => Program::node(path),
        _ => Program::new(path),
    };
    program.args(words)
}

/// Address of a worker that listens at `path` and has had no host yet: it accepts any token of the
/// first one. An empty token lets the next command reach it, too.
fn waiting(path: &str) -> host::Address {
    serde_json::from_value(json!({ "place": path, "token": "" })).expect("an address is a path and a token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(text: &str) -> String {
        match Address::parse(text) {
            Ok(Address::Program(program) | Address::Remote(program)) => program.path().display().to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_address_is_a_path_or_has_a_scheme() {
        assert_eq!(path_of("./worker"), "./worker");
        assert_eq!(path_of("./a program"), "./a program");
        assert_eq!(path_of("exec:'./a program' --quiet"), "./a program");
        assert_eq!(path_of("ssh:me@build-7:./worker --quiet"), "./worker");
        assert_eq!(path_of(r"C:\worker.exe"), r"C:\worker.exe");
    }

    #[test]
    fn an_invalid_address_says_what_to_write() {
        for (text, why) in [
            ("", "it is empty"),
            ("exec:", "names no program"),
            ("exec:'./a", "is not closed"),
            ("ssh:host", "names no host or no program"),
            ("nats:indexer", "cannot be called yet"),
            ("http://x", "there is no scheme `http:`"),
            ("attach:/no/such/file", "name a file"),
        ] {
            let Err(Failure::Usage(error)) = Address::parse(text) else { panic!("{text} was accepted") };
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
