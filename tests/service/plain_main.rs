//! Worker that cannot fail to start.

mod greeting;

use greeting::Greeting;

struct Hello;

impl Greeting for Hello {
    async fn greet(&self, name: String) -> String {
        format!("Hello, {name}!")
    }
}

#[isolated_workers::main]
async fn main() -> impl Greeting {
    Hello
}
