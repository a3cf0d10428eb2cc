use std::time::Duration;

use async_nats::ConnectOptions;
use isolated_workers::layer::Retry;
use isolated_workers::prelude::*;
use tokio::time::timeout;

use crate::server::{Server, free_port};
use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server};

/// Makes each call that was not run again until a machine takes it.
fn patient() -> Retry {
    Retry::new(u32::MAX).backoff(Duration::from_millis(5), Duration::from_millis(50)).unbudgeted()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_goes_on_after_its_server_was_restarted() {
    let Some(mut server) = server().await else { return };
    let (_machine, _) = machine(&connect(&server).await, "a", 4).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await.wrapped_by(patient()));
    for number in 0..3 {
        assert_eq!(timeout(PATIENCE, fleet.square(number)).await.unwrap().unwrap(), number * number);
        server.restart().await;
    }
    assert_eq!(timeout(PATIENCE, fleet.square(9)).await.unwrap().unwrap(), 81);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_server_is_an_error_of_a_call_that_was_not_run() {
    let Some(mut server) = server().await else { return };
    let client = connect(&server).await;
    let fleet = WorkClient::new(remote(&client).await);
    server.kill().await;
    while client.connection_state() == async_nats::connection::State::Connected {
        tokio::task::yield_now().await;
    }
    let error = timeout(PATIENCE, fleet.square(1)).await.unwrap().unwrap_err();
    assert_eq!(error.executed(), isolated_workers::error::Executed::No, "{error}");
    assert!(error.to_string().contains("no connection to the NATS server"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_and_callers_of_two_servers_of_a_cluster_meet() {
    let ports = [free_port(), free_port()];
    let cluster = |own: usize, other: usize| {
        format!(
            "server_name: s{own}\ncluster {{ name: test, listen: \"127.0.0.1:{}\", routes: [\"nats://127.0.0.1:{}\"] }}",
            ports[own], ports[other]
        )
    };
    let Some(first) = Server::start_with(&cluster(0, 1)).await else { return };
    let second = Server::start_with(&cluster(1, 0)).await.unwrap();
    let (here, _) = machine(&connect(&first).await, "here", 16).await;
    let fleet = WorkClient::new(remote(&connect(&second).await).await.wrapped_by(patient()));
    assert_eq!(timeout(PATIENCE, fleet.name()).await.unwrap().unwrap(), "here");
    let (_there, _) = machine(&connect(&second).await, "there", 16).await;
    let name = timeout(PATIENCE, fleet.name()).await.unwrap().unwrap();
    assert!(["here", "there"].contains(&&*name), "{name}");
    here.drain().await;
    // The other server may hear of it a moment later, so this call may have to be made again.
    assert_eq!(timeout(PATIENCE, fleet.square(3)).await.unwrap().unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_password_is_let_in_and_nobody_else() {
    let Some(server) = Server::start_with("authorization { user: ada, password: secret }").await else {
        return;
    };
    async_nats::connect(server.url()).await.unwrap_err();
    let options = || ConnectOptions::with_user_and_password("ada".to_owned(), "secret".to_owned());
    calls_work(options, &server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nkey_is_let_in() {
    let pair = nkeys::KeyPair::new_user();
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", pair.public_key());
    let Some(server) = Server::start_with(&users).await else { return };
    let seed = pair.seed().unwrap();
    calls_work(|| ConnectOptions::with_nkey(seed.clone()), &server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    let Some(server) = Server::start_with(&tls).await else { return };
    async_nats::connect(server.url()).await.unwrap_err();
    let options = || ConnectOptions::new().add_root_certificates(certificate.clone()).require_tls(true);
    calls_work(options, &server.url()).await;
}

async fn calls_work(options: impl Fn() -> ConnectOptions, url: &str) {
    let (_machine, _) = machine(&options().connect(url).await.unwrap(), "a", 4).await;
    let fleet = WorkClient::new(remote(&options().connect(url).await.unwrap()).await);
    assert_eq!(fleet.square(4).await.unwrap(), 16);
}
