use std::fmt;
use std::hint::black_box;

use isolated_workers_core::{Error, ErrorKind, Request, Response, Role};

use crate::{Middleware, Service};

/// The key under which the token travels.
const KEY: &str = "authorization";

/// Shows a token on the host, and asks for it on the worker: without the right one, a message is
/// refused with an error of the kind `Denied`, and no handler sees it.
///
/// A worker that its host has started needs none: nobody else has its connection. It is for workers
/// that are detached and reached by others, and for parts of a host that are not to call
/// everything. How the worker learns the token is up to the program; a variable of the environment
/// and an argument are seen by others.
///
/// The comparison takes the same time wherever two tokens of a length differ. The handler does not
/// see the token.
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
    /// Shows or asks for this token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    fn is_right(&self, token: &str) -> bool {
        let (own, theirs) = (self.0.as_bytes(), token.as_bytes());
        let differ = own.iter().zip(theirs).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
        own.len() == theirs.len() && black_box(differ) == 0
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
                if !token.as_ref().is_some_and(|token| self.is_right(token)) {
                    let has = if token.is_some() {
                        "it came with a wrong token"
                    } else {
                        "it came without a token"
                    };
                    let what = "the host must have the layer `Auth` with the token of the worker";
                    let text = format!("`{}` was refused: {has}; {what}", request.name());
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
