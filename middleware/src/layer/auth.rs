use std::fmt;

use isolated_workers_core::protocol::handshake::tokens_match;
use isolated_workers_core::{Error, ErrorKind, Request, Response, Role};

use crate::{Middleware, Service};

/// Metadata key of the token.
const KEY: &str = "authorization";

/// Sends a token with each request on the host, and checks it on the worker.
///
/// A message without the right token is refused with an error of the kind `Denied` and does not
/// reach the handler. The handler does not see the token.
///
/// A worker started by its host needs no token, because no other process has its connection. Use
/// `Auth` for detached workers that other processes can reach, and for hosts of which only parts
/// may call everything. The program must pass the token to the worker. Do not use an argument or an
/// environment variable, because other processes can read them.
///
/// Tokens are compared in constant time, except for their length.
///
/// ```
/// use isolated_workers_middleware::Auth;
///
/// let auth = Auth::new("a token of the host's making");
/// assert_eq!(format!("{auth:?}"), "Auth");
/// ```
#[derive(Clone)]
pub struct Auth(String);

impl Auth {
    /// Creates the layer with this token, to be sent on the host and required on the worker.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl Middleware for Auth {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        match request.role() {
            Role::Caller => {
                request.metadata_mut().insert(KEY, self.0.as_str());
            }
            _ => {
                let token = request.metadata_mut().remove(KEY);
                if !token.as_ref().is_some_and(|token| tokens_match(&self.0, token)) {
                    let cause = if token.is_some() { "its token is wrong" } else { "it has no token" };
                    let advice = "add the layer `Auth` with the worker's token on the host";
                    let text = format!("`{}` was refused: {cause}; {advice}", request.name());
                    return Err(Error::new(ErrorKind::Denied, text));
                }
            }
        }
        next.call(request).await
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}
