//! The service of a worker that tries to escape.

use std::fs::File;
use std::io::Write;

use isolated_workers::prelude::*;

use crate::escapes::{self, Scene};

#[service]
pub(crate) trait Escapee {
    /// Makes an attempt. Returns its error, as the number of the system if it has one, or an empty
    /// text if it succeeded.
    #[message(blocking)]
    fn attempt(&self, number: usize, scene: Scene) -> String;

    /// Does what a worker may do, and returns the text of a file that it may read.
    #[message(blocking)]
    fn work(&self, scene: Scene) -> String;

    /// Does this without end.
    #[message(blocking)]
    fn exhaust(&self, what: Exhausted, scene: Scene);

    /// Returns its process id.
    async fn pid(&self) -> u32;
}

/// Resource that a worker exhausts.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Exhausted {
    Memory,
    CpuTime,
    FileSize,
    /// Ends by SIGABRT, which leaves a core dump if the system makes any.
    Core,
}

pub(crate) struct Prisoner;

impl Escapee for Prisoner {
    fn attempt(&self, number: usize, scene: Scene) -> String {
        match (escapes::ALL[number].run)(&scene) {
            Ok(()) => String::new(),
            Err(error) => match error.raw_os_error() {
                Some(number) => rustix::io::Errno::from_raw_os_error(number).kind_name(),
                None => error.to_string(),
            },
        }
    }

    fn work(&self, scene: Scene) -> String {
        let written = scene.writable.join("work");
        std::fs::create_dir_all(&written).unwrap();
        std::fs::write(written.join("a"), "text").unwrap();
        std::fs::rename(written.join("a"), written.join("b")).unwrap();
        std::fs::remove_dir_all(&written).unwrap();
        std::thread::spawn(|| std::thread::available_parallelism().unwrap()).join().unwrap();
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(trace.contains("work"), "{trace}");
        escapes::read_allowed(&scene).unwrap()
    }

    fn exhaust(&self, what: Exhausted, scene: Scene) {
        match what {
            Exhausted::Memory => {
                let mut all = Vec::new();
                loop {
                    all.push(vec![1u8; 16 << 20]);
                }
            }
            Exhausted::CpuTime => loop {
                std::hint::spin_loop();
            },
            Exhausted::FileSize => {
                let mut file = File::create(scene.writable.join("large")).unwrap();
                loop {
                    file.write_all(&[0; 1 << 16]).unwrap();
                }
            }
            Exhausted::Core => std::process::abort(),
        }
    }

    async fn pid(&self) -> u32 {
        std::process::id()
    }
}

/// Name of an error number.
trait KindName {
    fn kind_name(self) -> String;
}

impl KindName for rustix::io::Errno {
    fn kind_name(self) -> String {
        match self {
            Self::PERM => "EPERM".to_owned(),
            Self::ACCESS => "EACCES".to_owned(),
            Self::NOSYS => "ENOSYS".to_owned(),
            Self::MFILE => "EMFILE".to_owned(),
            Self::BADF => "EBADF".to_owned(),
            Self::XDEV => "EXDEV".to_owned(),
            other => format!("{other:?} ({other})"),
        }
    }
}
