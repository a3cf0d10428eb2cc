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

#[isolated_workers::main]
async fn main(Config { greeting }: Config) -> Result<impl greeting::Greeting, String> {
    // The runtime and its timers run already.
    tokio::time::timeout(std::time::Duration::MAX, async {}).await.expect("the block is ready at once");
    if greeting.is_empty() {
        return Err("there is no greeting".to_owned());
    }
    Ok(Polite { greeting })
}
