use async_nats::HeaderMap;
use tokio::time::timeout;

use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server, work};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_subjects_harms_no_call() {
    let Some(server) = server().await else { return };
    let (machine, _) = machine(&connect(&server).await, "a", 4).await;
    let client = connect(&server).await;
    let fleet = WorkClient::new(remote(&client).await);
    let hostile = connect(&server).await;
    let mut inboxes = hostile.subscribe("_INBOX.>").await.unwrap();
    assert_eq!(fleet.square(2).await.unwrap(), 4);
    let reply = futures_util::StreamExt::next(&mut inboxes).await.unwrap().subject;
    let (inbox, _) = reply.rsplit_once('.').unwrap();

    let prefix = format!("iw.test.Work.{:016x}.json", work::SCHEMA.fingerprint());
    let control = format!("iw.test.control.{}", machine.id());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("iw-fleet", "full"),
        ("iw-fleet-timeout", "99999999999999999999"),
        ("iw-fleet-retry", "-1"),
        ("iw-fleet-machine", "%FF"),
        ("iw-fleet-id", "%"),
        ("bad%key", "%z"),
    ] {
        headers.insert(name, value);
    }
    for payload in [&b""[..], b"\xff\xfe", b"{\"number\":", &[b'['; 10_000]] {
        for subject in [
            format!("{prefix}.call.square"),
            format!("{prefix}.call.%zz"),
            format!("{prefix}.call.no_such_method"),
            format!("{prefix}.any.square"),
            format!("{prefix}.at.{}.square", machine.id()),
            format!("{prefix}.who"),
            control.clone(),
            format!("{inbox}.beat"),
            format!("{inbox}.here"),
            format!("{inbox}.18446744073709551615"),
            format!("{inbox}.unknown"),
            "$SRV.PING".to_owned(),
        ] {
            hostile.publish(subject.clone(), payload.into()).await.unwrap();
            hostile.publish_with_headers(subject.clone(), headers.clone(), payload.into()).await.unwrap();
            let reply = hostile.new_inbox();
            hostile.publish_with_reply(subject.clone(), reply.clone(), payload.into()).await.unwrap();
            hostile
                .publish_with_reply_and_headers(subject, reply, headers.clone(), payload.into())
                .await
                .unwrap();
        }
    }
    hostile.flush().await.unwrap();
    for number in 0..100 {
        assert_eq!(timeout(PATIENCE, fleet.square(number)).await.unwrap().unwrap(), number * number);
    }
    machine.drain().await;
    assert_eq!(machine.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_request_that_runs_is_not_run() {
    let Some(server) = server().await else { return };
    let (machine, state) = machine(&connect(&server).await, "a", 4).await;
    let client = connect(&server).await;
    let subject = format!("iw.test.Work.{:016x}.json.call.wait", work::SCHEMA.fingerprint());
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(subject.clone(), inbox.clone(), "null".into()).await.unwrap();
    timeout(PATIENCE, state.waiting(1)).await.unwrap();
    client.publish_with_reply(subject, inbox, "null".into()).await.unwrap();
    // Answered after the copy has arrived: both are of the same client.
    let fleet = WorkClient::new(remote(&client).await);
    assert_eq!(fleet.square(2).await.unwrap(), 4);
    assert_eq!(machine.in_flight(), 1);
    state.release.notify_waiters();
    timeout(PATIENCE, futures_util::StreamExt::next(&mut replies)).await.unwrap().unwrap();
}
