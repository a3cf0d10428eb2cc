use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::Local;
use isolated_workers_nats::{self as nats, Remote};
use tokio::time::timeout;

use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server};

/// Number of calls at once.
const CALLERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn machines_drain_under_load_without_a_failed_call() {
    let Some(server) = server().await else { return };
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let (mut old, _) = machine(&connect(&server).await, "0", 256).await;
    let (done, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let callers = (0..CALLERS).map(async |_| {
        while !done.load(Ordering::Relaxed) {
            // Not idempotent, and not made again: any lost message is an error.
            assert_eq!(fleet.divide(6, 2).await.unwrap(), 3);
            calls.fetch_add(1, Ordering::Relaxed);
        }
    });
    let replaced = async {
        for number in 1..=20 {
            let (new, _) = machine(&connect(&server).await, &number.to_string(), 256).await;
            timeout(PATIENCE, old.drain()).await.unwrap();
            assert_eq!(old.in_flight(), 0);
            old = new;
        }
        done.store(true, Ordering::Relaxed);
    };
    futures_util::join!(futures_util::future::join_all(callers), replaced);
    assert!(calls.load(Ordering::Relaxed) > CALLERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_calls_in_flight_and_a_close_cancels_them() {
    let Some(server) = server().await else { return };
    let client = connect(&server).await;
    let fleet = WorkClient::new(remote(&client).await);
    let (first, state) = machine(&client, "a", 4).await;
    let ended = async {
        timeout(PATIENCE, state.waiting(1)).await.unwrap();
        let drain = first.drain();
        let release = async { state.release.notify_waiters() };
        futures_util::join!(drain, release)
    };
    assert_eq!(futures_util::join!(fleet.wait(), ended).0.unwrap(), 7);
    let (second, state) = machine(&client, "b", 4).await;
    let ended = async {
        timeout(PATIENCE, state.waiting(1)).await.unwrap();
        second.close().await;
    };
    let error = futures_util::join!(fleet.wait(), ended).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
}

mod old {
    use isolated_workers::prelude::*;

    #[service]
    pub(super) trait Shop {
        async fn price(&self, item: String) -> u64;
    }
}

mod new {
    use isolated_workers::prelude::*;

    #[service]
    pub(super) trait Shop {
        async fn price(&self, item: String, currency: String) -> u64;
    }
}

#[derive(Clone)]
struct Prices;

impl old::Shop for Prices {
    async fn price(&self, _: String) -> u64 {
        1
    }
}

impl new::Shop for Prices {
    async fn price(&self, _: String, _: String) -> u64 {
        2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_versions_of_a_service_live_side_by_side() {
    let Some(server) = server().await else { return };
    let client = connect(&server).await;
    let service = Local::new(old::Shop::into_service(Prices), Json);
    let old_machine = nats::serve(service, client.clone(), "shop").service(old::shop::SCHEMA).await.unwrap();
    let fleet = Remote::connect(client.clone(), "shop").await.unwrap();
    let (old_client, new_client) = (old::ShopClient::new(fleet.clone()), new::ShopClient::new(fleet));
    assert_eq!(old_client.price("tea".into()).await.unwrap(), 1);
    let error = new_client.price("tea".into(), "EUR".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let service = Local::new(new::Shop::into_service(Prices), Json);
    let _new_machine = nats::serve(service, client, "shop").service(new::shop::SCHEMA).await.unwrap();
    assert_eq!(new_client.price("tea".into(), "EUR".into()).await.unwrap(), 2);
    assert_eq!(old_client.price("tea".into()).await.unwrap(), 1);
    old_machine.drain().await;
    assert_eq!(new_client.price("tea".into(), "EUR".into()).await.unwrap(), 2);
    assert_eq!(old_client.price("tea".into()).await.unwrap_err().kind(), ErrorKind::Closed);
}
