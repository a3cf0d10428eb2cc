//! A machine that offers a pool of worker processes.

use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use isolated_workers::service::Context;
use isolated_workers_nats::{self as nats, Remote};

use crate::work::{connect, server};

#[service]
trait Fragile {
    /// Kills its worker at the first attempt.
    #[message(idempotent)]
    async fn crash_once(&self, context: Context) -> u32;
    async fn crash(&self);
}

struct Glass;

impl Fragile for Glass {
    async fn crash_once(&self, context: Context) -> u32 {
        if context.attempt() == 1 {
            std::process::abort();
        }
        context.attempt()
    }

    async fn crash(&self) {
        std::process::abort()
    }
}

#[isolated_workers::test(serve = Glass.into_service())]
async fn a_crash_of_a_worker_stays_on_its_machine(program: Program) -> Result<(), Error> {
    let Some(server) = server().await else { return Ok(()) };
    let pool = Pool::builder(program).workers(1).on_crash(OnCrash::retry(1)).spawn().await?;
    let machine = nats::serve(pool.clone(), connect(&server).await, "glass")
        .service(fragile::SCHEMA)
        .max_in_flight(1)
        .await?;
    let fleet = FragileClient::new(Remote::connect(connect(&server).await, "glass").await?);
    // The machine knows that the call is idempotent, and makes it again in another worker.
    assert_eq!(fleet.crash_once().await?, 2);
    let error = fleet.crash().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
    assert!(error.to_string().contains("SIGABRT"), "{error}");
    assert_eq!(fleet.crash_once().await?, 2);
    machine.drain().await;
    pool.close().await
}
