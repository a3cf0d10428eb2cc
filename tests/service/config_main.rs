//! Worker that receives its greeting as startup data.

mod greeting;

use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    greeting: String,
}

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
const data: u8 = 1;
#[allow(dead_code, non_upper_case_globals)]
static service: u8 = 1;

#[isolated_workers::main]
async fn main(Config { greeting }: Config) -> Result<impl greeting::Greeting, String> {
    // The runtime and its timers run already.
    tokio::time::timeout(std::time::Duration::MAX, async {}).await.expect("the block is ready at once");
    if greeting.is_empty() {
        return Err("there is no greeting".to_owned());
    }
    Ok(Polite { greeting })
}
