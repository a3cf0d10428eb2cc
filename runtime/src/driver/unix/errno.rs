use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

use crate::driver::Program;

/// Explains why the system refused to start the program, and names a remedy. `None` if the error
/// needs no explanation.
///
/// The system reports one error number for all steps of a start. What the number leaves open is
/// looked up in the file system, and not guessed.
pub(in crate::driver) fn refusal(program: &Program, error: &io::Error) -> Option<String> {
    let errno = Errno::from_io_error(error)?;
    let is_path_error = matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS);
    if let Some(folder) = program.current_dir.as_deref().filter(|it| is_path_error && !is_enterable(it)) {
        let folder = folder.display();
        return Some(format!(
            "its working directory {folder} does not exist or is not a folder that it may enter; create it, \
             or set another"
        ));
    }
    Some(match errno {
        Errno::NOENT | Errno::NOTDIR => not_found(program),
        Errno::ACCESS => not_permitted(program),
        Errno::PERM if program.attributes.has_user() => {
            "only root may run a program as another user; start the host as root, or remove `user`".to_owned()
        }
        Errno::PERM => {
            "the system does not permit it; check the sandbox or security policy of the host".to_owned()
        }
        Errno::NOEXEC => "the file is not a program for this system; check that it was built for this \
                          architecture, or that a script starts with `#!`"
            .to_owned(),
        Errno::TXTBSY => "the file is open for writing; start the program when it is written".to_owned(),
        Errno::TOOBIG => "its arguments and environment are too long; pass data by `startup_data`".to_owned(),
        Errno::AGAIN => {
            "the limit of processes is reached; raise `ulimit -u` or the limit of the control group"
                .to_owned()
        }
        Errno::NOMEM => "there is not enough memory; free some, or start fewer workers".to_owned(),
        Errno::MFILE | Errno::NFILE => {
            "the limit of open descriptors is reached; raise `ulimit -n`, or start fewer workers".to_owned()
        }
        _ => return None,
    })
}

fn not_found(program: &Program) -> String {
    if !program.path.as_os_str().as_encoded_bytes().contains(&b'/') {
        return "there is no program of this name in PATH; give its path, or build it first".to_owned();
    }
    if file(program).exists() {
        "the file exists, but its interpreter (the `#!` line) or dynamic loader does not; install it"
            .to_owned()
    } else {
        "there is no such file; check the path, or build it first".to_owned()
    }
}

fn not_permitted(program: &Program) -> String {
    let file = file(program);
    if file.is_dir() {
        "it is a folder; give the path of a program in it".to_owned()
    } else if file.exists() && rustix::fs::access(&file, Access::EXEC_OK).is_err() {
        "the file is not executable; check its permissions".to_owned()
    } else {
        "access is denied; check the permissions of the folders in its path, of its interpreter, and whether \
         its file system is mounted with `noexec`"
            .to_owned()
    }
}

/// File of a program whose name has a slash. A relative path is looked up in the working directory
/// of the worker.
fn file(program: &Program) -> PathBuf {
    program.current_dir.as_deref().unwrap_or(Path::new("")).join(&program.path)
}

fn is_enterable(folder: &Path) -> bool {
    folder.is_dir() && rustix::fs::access(folder, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_explains(program: &Program, errno: Errno, part: &str) {
        let text = refusal(program, &io::Error::from(errno)).unwrap();
        assert!(text.contains(part), "{errno:?}: {text}");
    }

    #[test]
    fn an_error_number_is_not_taken_for_another_cause() {
        let program = Program::new("/bin/sh").current_dir("/no/such/folder");
        assert_explains(&program, Errno::NOENT, "its working directory /no/such/folder");
        assert_explains(&program, Errno::AGAIN, "the limit of processes");
        assert_explains(&program, Errno::MFILE, "the limit of open descriptors");
        let program = Program::new("/bin/sh");
        assert_explains(&program, Errno::PERM, "the system does not permit it");
        assert_explains(&program, Errno::ACCESS, "access is denied");
        assert_explains(&program, Errno::NOENT, "its interpreter");
        assert_explains(&Program::new("/bin"), Errno::ACCESS, "it is a folder");
        assert_explains(&Program::new("sh"), Errno::NOENT, "in PATH");
        assert_explains(&Program::new("./sh").current_dir("/bin"), Errno::NOENT, "its interpreter");
        assert_eq!(refusal(&program, &io::Error::from(Errno::IO)), None);
        assert_eq!(refusal(&program, &io::Error::other("nul byte")), None);
    }
}
