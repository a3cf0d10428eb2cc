use isolated_workers::service;

#[service]
trait Log {
    #[message(oneway)]
    async fn write(&self, line: String) -> bool;
}

fn main() {}
