mod scope;

use std::fmt;
use std::fs::File;

use isolated_workers_core::{Attachment, Attachments, Handle};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

pub use self::scope::collect_descriptors;
pub(crate) use self::scope::lend_descriptors;

/// Open file, socket or pipe that is handed over to the other process.
///
/// It may be an argument, a reply, an item of a stream, or a field of any of these. The other side
/// gets a descriptor of its own for the same open file, and converts it back with `into`. At most
/// 16 travel with one value.
///
/// ```
/// use std::fs::File;
///
/// use isolated_workers_codec::{Fd, Json, decode_body, encode_body};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::current_exe()?;
/// let body = encode_body(&Json, &Fd::from(File::open(path)?))?;
/// assert_eq!(body.as_bytes(), b"0", "an index among the descriptors of the value");
///
/// let fd: Fd = decode_body(&Json, &body)?; // on the other side
/// let file: File = fd.into();
/// assert!(file.metadata()?.len() > 0);
/// # Ok(())
/// # }
/// ```
///
/// # Ownership
/// A descriptor moves when its call is sent, and this process closes its own. It is closed too if
/// the call is not sent, and if the other side does not take it. A call with descriptors is not
/// sent again: after a crash its error is returned.
///
/// Both sides share the open file: its position, its flags such as `O_NONBLOCK`, and its locks. On
/// Unix, a descriptor is close-on-exec in the process that receives it.
///
/// # Errors
/// A value with an `Fd` is encoded only as a part of a call. The codec alone refuses it, and so do
/// error values of a service and startup data. The call fails with `Unsupported` if its connection
/// carries no descriptors.
pub struct Fd(Attachment);

impl Fd {
    /// Takes the descriptor. `None` if this value was sent, or if another copy of the same message
    /// was used.
    pub fn take(self) -> Option<Handle> {
        self.0.take()
    }

    fn taken(self) -> Handle {
        self.take().expect("the descriptor was taken before: its message was sent, or a middleware took it")
    }
}

impl From<Handle> for Fd {
    fn from(handle: Handle) -> Self {
        Self(Attachment::new(handle))
    }
}

/// # Panics
/// If the descriptor was [taken](Fd::take) before. That of a received value was not, unless a
/// middleware took it.
impl From<Fd> for Handle {
    fn from(fd: Fd) -> Self {
        fd.taken()
    }
}

impl From<File> for Fd {
    fn from(file: File) -> Self {
        Handle::from(file).into()
    }
}

/// # Panics
/// As the conversion to an owned descriptor does.
impl From<Fd> for File {
    fn from(fd: Fd) -> Self {
        fd.taken().into()
    }
}

/// Conversions of types that own a descriptor on Unix.
#[cfg(unix)]
macro_rules! convert {
    ($($type:ty),*) => {$(
        impl From<$type> for Fd {
            fn from(owner: $type) -> Self {
                Handle::from(owner).into()
            }
        }

        /// # Panics
        /// As the conversion to an owned descriptor does.
        impl From<Fd> for $type {
            fn from(fd: Fd) -> Self {
                fd.taken().into()
            }
        }
    )*};
}

#[cfg(unix)]
convert! {
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    std::os::unix::net::UnixDatagram,
    std::os::unix::net::UnixListener,
    std::os::unix::net::UnixStream,
    std::io::PipeReader,
    std::io::PipeWriter,
    std::process::ChildStdin,
    std::process::ChildStdout,
    std::process::ChildStderr
}

impl fmt::Debug for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fd").field(&self.0).finish()
    }
}

impl Serialize for Fd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = scope::add(&self.0).map_err(ser::Error::custom)?;
        serializer.serialize_u8(index)
    }
}

impl<'de> Deserialize<'de> for Fd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = u8::deserialize(deserializer)?;
        scope::get(index.into()).map(Self).map_err(de::Error::custom)
    }
}

/// Maximum index, so that an index is one byte and a bit of a mask.
const _: () = assert!(Attachments::MAX <= 16);
