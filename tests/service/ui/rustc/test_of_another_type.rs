use isolated_workers::Worker;
use isolated_workers::codec::Postcard;

#[isolated_workers::service]
trait Adder {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyAdder;

impl Adder for MyAdder {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

// A `#[test]` would not be compiled here.

mod a_client {
    use super::*;

    #[isolated_workers::test(serve = MyAdder.into_service())]
    async fn main(client: AdderClient<Worker>) {
        drop(client);
    }
}

mod not_a_handler {
    use super::*;

    #[isolated_workers::test(serve = MyAdder)]
    async fn main(worker: Worker) {
        drop(worker);
    }
}

mod another_codec {
    use super::*;

    #[isolated_workers::test(serve = MyAdder.into_service(), codec = Postcard)]
    async fn main(worker: Worker) {
        drop(worker);
    }
}

fn main() {}
