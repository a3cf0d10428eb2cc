//! Program that does not call `init`.

use isolated_workers::Error;
use isolated_workers_test_library::numbers::double;

fn main() -> Result<(), Error> {
    println!("main 1 time");
    double::blocking(21)?;
    Ok(())
}
