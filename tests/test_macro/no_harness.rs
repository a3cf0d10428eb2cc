//! `#[isolated_workers::test]` on the `main` of a test program without a harness.

use isolated_workers::prelude::*;

#[service]
trait Echo {
    async fn echo(&self, text: String) -> String;
}

struct MyEcho;

impl Echo for MyEcho {
    async fn echo(&self, text: String) -> String {
        text
    }
}

#[isolated_workers::test(serve = MyEcho.into_service())]
async fn main(worker: Worker) -> Result<(), Error> {
    assert_eq!(EchoClient::new(&worker).echo("a".to_owned()).await?, "a");
    worker.close().await
}
