//! Worker of the tests of descriptors. The argument names its codec, or a transport of one byte at
//! a time.

#[allow(dead_code, reason = "not all of it is for this program")]
mod service;

use isolated_workers::codec::{Cbor, Compressed, Json, Postcard};
use isolated_workers::prelude::*;
use isolated_workers::testing::Dribble;
use isolated_workers::transport::UnixSocket;
use service::{Desk, Files as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let serve = serve(Desk.into_service());
    match std::env::args().nth(1).as_deref() {
        Some("postcard") => serve.codec(Postcard).await,
        Some("cbor") => serve.codec(Cbor).await,
        Some("compressed") => serve.codec(Compressed::new(Json)).await,
        Some("dribble") => serve.transport(Dribble::new(UnixSocket)).await,
        _ => serve.await,
    }
}
