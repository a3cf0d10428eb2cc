//! Transports of Windows: none besides those of every system.

use isolated_workers::Error;
use isolated_workers::testing::conformance::SuiteRole;

pub(super) async fn play(_: SuiteRole, _: &str, transport: &str) -> Result<(), Error> {
    panic!("unknown transport {transport}")
}
