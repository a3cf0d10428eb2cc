//! What only Windows has: nothing.

use isolated_workers::Error;
use isolated_workers::testing::conformance::SuiteRole;

pub(super) async fn play(_: SuiteRole, _: &str, transport: &str) -> Result<(), Error> {
    panic!("{transport} is no transport of the matrix")
}
