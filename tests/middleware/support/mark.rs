//! Middleware that marks requests and responses, and fails on request.

use isolated_workers::layer::Middleware;
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, ErrorKind, Service};

/// Metadata key that `Mark` appends to, in requests and in responses.
pub(crate) const PATH: &str = "path";
/// Metadata key of the requested failure: `in 2`, `out 2` or `panic 2`.
pub(crate) const FAULT: &str = "fault";

/// Layer with this number, counted from the outside.
pub(crate) struct Mark(pub(crate) usize);

pub(crate) const NAMES: [&str; 4] = ["first", "second", "third", "fourth"];

impl Middleware for Mark {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        let number = self.0;
        let fault = request.metadata().get(FAULT).map(str::to_owned);
        let is = |way: &str| fault.as_deref() == Some(format!("{way} {number}").as_str());
        let path = request.metadata().get(PATH).unwrap_or_default();
        let path = format!("{path}>{number}");
        request.metadata_mut().insert(PATH, path);
        if is("in") {
            return Err(Error::new(ErrorKind::Denied, "no entry"));
        }
        assert!(!is("panic"), "requested by the test");
        let mut response = next.call(request).await?;
        if is("out") {
            return Err(Error::new(ErrorKind::Middleware, "no exit"));
        }
        let path = response.metadata().get(PATH).unwrap_or_default();
        let path = format!("{path}<{number}");
        response.metadata_mut().insert(PATH, path);
        Ok(response)
    }

    fn name(&self) -> &str {
        NAMES[self.0 - 1]
    }
}
