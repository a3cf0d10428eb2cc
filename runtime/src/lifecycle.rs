use isolated_workers_core::Error;

/// Shutdown of a [`Worker`](crate::Worker) or a [`Pool`](crate::Pool), for code that works with
/// both.
///
/// Both types have inherent methods of the same names, so calls on a concrete type do not need this
/// trait.
pub trait Lifecycle {
    /// Result of [`closed`](Self::closed): the exit reason of a worker, or `()` for a pool.
    type Exit;

    /// Finishes the calls in flight, then closes. New calls fail with
    /// [`Closed`](isolated_workers_core::ErrorKind::Closed). Cancel-safe: if the future is dropped,
    /// draining continues.
    ///
    /// # Errors
    /// `Closed` if a process had to be killed.
    fn drain(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Shuts down: calls in flight fail with [`Closed`](isolated_workers_core::ErrorKind::Closed),
    /// and processes that do not end in time are killed. Cancel-safe: if the future is dropped, the
    /// shutdown continues.
    ///
    /// # Errors
    /// `Closed` if a process had to be killed.
    fn close(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Kills all processes at once, without waiting for them to end.
    fn kill(&self);

    /// Waits until all processes have ended. Cancel-safe.
    fn closed(&self) -> impl Future<Output = Self::Exit> + Send;
}
