//! Stage that holds running calls until the test releases them.

use isolated_workers::{Error, Service};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::jobs::JobsClient;
use crate::soon;

/// Socket to which calls of `hold` connect, and where they wait until they are released.
pub(crate) struct Stage {
    listener: UnixListener,
    folder: TempDir,
}

/// A running call. Dropping it releases the call.
pub(crate) struct HeldCall {
    pub(crate) name: String,
    _stream: BufReader<UnixStream>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { listener: UnixListener::bind(folder.path().join("socket")).unwrap(), folder }
    }

    /// Makes a call that waits on this stage.
    pub(crate) fn hold<S: Service + 'static>(
        &self,
        service: S,
        name: &str,
    ) -> impl Future<Output = Result<u32, Error>> + Send + 'static {
        let (path, name) = (self.folder.path().join("socket").display().to_string(), name.to_owned());
        async move { JobsClient::new(service).hold(path, name).await }
    }

    /// Path of the socket.
    pub(crate) fn path(&self) -> String {
        self.folder.path().join("socket").display().to_string()
    }

    /// Makes a call that blocks a thread of its worker on this stage.
    pub(crate) fn block<S: Service + 'static>(
        &self,
        service: S,
        name: &str,
    ) -> impl Future<Output = Result<u32, Error>> + Send + 'static {
        let (path, name) = (self.path(), name.to_owned());
        async move { JobsClient::new(service).block(path, name).await }
    }

    /// Makes a call that connects to this stage and hangs, and gives it up.
    pub(crate) async fn hang<S: Service + 'static>(&self, service: S) -> HeldCall {
        let path = self.path();
        let call = tokio::spawn(async move { JobsClient::new(service).hang(path, "hangs".to_owned()).await });
        let hanging = self.next().await;
        call.abort();
        let _ = call.await;
        hanging
    }

    /// Makes a call that waits on this stage, with a message that has retries.
    pub(crate) fn hold_again<S: Service + 'static>(
        &self,
        service: S,
        name: &str,
    ) -> impl Future<Output = Result<u32, Error>> + Send + 'static {
        let (path, name) = (self.folder.path().join("socket").display().to_string(), name.to_owned());
        async move { JobsClient::new(service).hold_again(path, name).await }
    }

    /// Waits for the next call that begins to run.
    pub(crate) async fn next(&self) -> HeldCall {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut name = String::new();
        soon(stream.read_line(&mut name)).await.unwrap();
        HeldCall { name: name.trim_end().to_owned(), _stream: stream }
    }
}
