//! A plugin with a bug: an exclamation mark ends its process. The host keeps running.

mod api;

use api::Plugin;

struct Shout;

impl Plugin for Shout {
    async fn name(&self) -> String {
        "shout".to_owned()
    }
    async fn transform(&self, text: String) -> Result<String, String> {
        if text.contains('!') {
            eprintln!("shout: too loud");
            std::process::exit(7);
        }
        Ok(text.to_uppercase())
    }
}

#[isolated_workers::main]
async fn main() -> impl Plugin {
    Shout
}
