//! Worker that can fail to start and chooses its codec: `fallible-main GREETING`.

mod greeting;

use std::fmt;

use isolated_workers::codec::Postcard;

enum ConfigError {
    NoGreeting,
}

/// Printed if `main` returns the error.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGreeting => f.write_str("there is no greeting"),
        }
    }
}

#[derive(Clone)]
struct Polite {
    greeting: String,
}

impl greeting::Greeting for Polite {
    async fn greet(&self, name: String) -> String {
        format!("{}, {name}!", self.greeting)
    }
}

// Generated variables are no patterns that match these.
#[allow(dead_code, non_upper_case_globals)]
const service: u8 = 1;
#[allow(dead_code, non_upper_case_globals)]
static error: u8 = 1;

#[isolated_workers::main(codec = Postcard)]
async fn main() -> Result<impl greeting::Greeting + Clone, ConfigError> {
    // The runtime and its timers run already.
    tokio::time::timeout(std::time::Duration::MAX, async {}).await.expect("the block is ready at once");
    let greeting = std::env::args().nth(1).ok_or(ConfigError::NoGreeting)?;
    Ok(Polite { greeting })
}
