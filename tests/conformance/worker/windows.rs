//! What only Windows has: nothing.

use isolated_workers::Error;
use isolated_workers::testing::conformance::Role;

pub(super) async fn play(_: Role, _: &str, transport: &str) -> Result<(), Error> {
    panic!("{transport} is no transport of the matrix")
}
