//! A plugin. It depends only on the trait, not on the host.

mod api;

use api::Plugin;

struct Reverse;

impl Plugin for Reverse {
    async fn name(&self) -> String {
        "reverse".to_owned()
    }
    async fn transform(&self, text: String) -> Result<String, String> {
        match text.is_empty() {
            true => Err("the text is empty".to_owned()),
            false => Ok(text.chars().rev().collect()),
        }
    }
}

#[isolated_workers::main]
async fn main() -> impl Plugin {
    Reverse
}
