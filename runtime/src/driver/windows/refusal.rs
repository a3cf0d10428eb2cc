use std::io;
use std::path::Path;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_DIRECTORY, ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND,
};

use crate::driver::Program;

/// Explains why the system refused to start the program, and names a remedy. `None` if the error
/// needs no explanation.
pub(in crate::driver) fn refusal(program: &Program, error: &io::Error) -> Option<String> {
    let code = match error.raw_os_error() {
        Some(code) => code.cast_unsigned(),
        // The standard library searches PATH itself.
        None if error.kind() == io::ErrorKind::NotFound => ERROR_FILE_NOT_FOUND,
        None => return None,
    };
    let folder = program.current_dir.as_deref().filter(|folder| !folder.is_dir());
    Some(match (code, folder) {
        (ERROR_DIRECTORY | ERROR_PATH_NOT_FOUND | ERROR_FILE_NOT_FOUND, Some(folder)) => format!(
            "its working directory {} does not exist or is not a folder that it may enter; create it, or set \
             another",
            folder.display()
        ),
        (ERROR_FILE_NOT_FOUND, _) if is_bare(&program.path) => {
            "there is no program of this name in PATH; give its path, or build it first".to_owned()
        }
        (ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND, _) => {
            "there is no such file; check the path, or build it first".to_owned()
        }
        (ERROR_ACCESS_DENIED, _) => "access is denied; check the permissions of the file".to_owned(),
        (ERROR_BAD_EXE_FORMAT, _) => {
            "the file is not a program for this system; check that it was built for this architecture"
                .to_owned()
        }
        _ => return None,
    })
}

fn is_bare(path: &Path) -> bool {
    path.components().count() == 1 && !path.exists()
}
