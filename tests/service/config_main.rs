//! A worker that is told how to greet when it starts.

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
    // The runtime is there already, with its timers.
    tokio::time::timeout(std::time::Duration::MAX, async {}).await.expect("no time at all");
    if greeting.is_empty() {
        return Err("there is no greeting".to_owned());
    }
    Ok(Polite { greeting })
}
