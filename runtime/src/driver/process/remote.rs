//! Command of a worker that another program runs elsewhere.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{CHANNEL_VARIABLE, REMOTE_STDIO, Stdio, Transport};

use crate::driver::wrapper::Wrapper;
use crate::driver::{Launch, Program};
use crate::launch::EVENTS_VARIABLE;

/// Returns the program that runs here, for a worker `inner` that runs elsewhere. `events`: value of
/// the variable that asks the worker for its events.
///
/// # Errors
/// `Config` if the transport is not `Stdio`, or if the worker is to have something that only this
/// machine could give it.
pub(super) fn outer_program(
    wrapper: &Wrapper,
    inner: &Program,
    launch: &Launch,
    events: Option<String>,
) -> Result<Program, Error> {
    let (name, path) = (wrapper.path.display(), inner.path.display());
    let refused = |cause: &str| {
        let text = format!("could not start the worker {path} through `{name}`: {cause}");
        Error::new(ErrorKind::Config, text)
    };
    let (variable, address) = &launch.variable;
    let transport = address.split_once(':').map_or("", |(transport, _)| transport);
    if *variable != CHANNEL_VARIABLE || transport != Stdio::NAME {
        return Err(refused(&format!(
            "the transport {transport} ends at this machine; use `.transport(Stdio)` of the builder"
        )));
    }
    if inner.scratch_parent.is_some() {
        return Err(refused("its scratch directory would be on this machine; let it make one itself"));
    }
    #[cfg(feature = "sandbox")]
    if launch.sandbox.is_some() {
        return Err(refused(
            "a sandbox would confine the wrapper; confine the worker by the wrapper, such as a container",
        ));
    }
    if inner.path.as_os_str().as_encoded_bytes().contains(&b'=') {
        return Err(refused("`env` takes a path with `=` for a variable; rename the program"));
    }
    let is_invalid = |name: &OsStr| matches!(name.as_encoded_bytes(), [] | [b'-', ..]);
    if let Some((name, _)) = inner.env.iter().find(|(name, _)| is_invalid(name)) {
        return Err(refused(&format!("`env` takes no variable `{}`; rename it", name.display())));
    }
    let command = command(inner, events);
    let mut args = wrapper.args.clone();
    if wrapper.is_ssh {
        let quoted: Option<Vec<String>> = command.iter().map(|word| Some(quoted(word.to_str()?))).collect();
        let quoted = quoted.ok_or_else(|| {
            refused("an argument or a variable is not UTF-8; rename it, or pass it as startup data")
        })?;
        args.push(format!("exec {}", quoted.join(" ")).into());
    } else {
        args.extend(command);
    }
    let (path, env) = (wrapper.path.clone(), Vec::new());
    Ok(Program { path, args, env, clear_env: false, wrapper: None, ..inner.clone() })
}

/// Command that the wrapper executes.
fn command(inner: &Program, events: Option<String>) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["env".into()];
    if inner.clear_env {
        words.push("-i".into());
    }
    let set = |name: &Path, value: OsString| {
        let mut word = name.as_os_str().to_owned();
        word.push("=");
        word.push(value);
        word
    };
    // The last entry of a name counts.
    let variables: BTreeMap<_, _> = inner.env.iter().cloned().collect();
    let removed = variables.iter().filter(|(_, value)| value.is_none());
    words.extend(removed.flat_map(|(name, _)| ["-u".into(), name.clone()]));
    words.extend(variables.into_iter().filter_map(|(name, value)| Some(set(name.as_ref(), value?))));
    words.push(set(CHANNEL_VARIABLE.as_ref(), format!("{}:{REMOTE_STDIO}", Stdio::NAME).into()));
    words.extend(events.map(|events| set(EVENTS_VARIABLE.as_ref(), events.into())));
    words.push(inner.path.clone().into());
    words.extend(inner.args.iter().cloned());
    words
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for word in ["", "a b", "it's", "$HOME", "\\", "\"", "ü\n"] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output();
            // There may be no shell on Windows.
            let Ok(output) = output else { return };
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
