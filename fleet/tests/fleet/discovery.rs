use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server};

#[tokio::test(flavor = "multi_thread")]
async fn the_service_protocol_lists_machines_methods_and_statistics() {
    let Some(server) = server().await else { return };
    let client = connect(&server).await;
    let (first, _) = machine(&connect(&server).await, "a", 4).await;
    let (_second, _) = machine(&connect(&server).await, "b", 4).await;

    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply("$SRV.PING.test", inbox, "".into()).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = timeout(PATIENCE, answers.next()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["type"], "io.nats.micro.v1.ping_response");
        assert_eq!(answer["name"], "test");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    assert!(ids[0] != ids[1] && ids.iter().any(|id| id == first.id()));

    let fleet = WorkClient::new(remote(&client).await.with_key("key"));
    assert_eq!(fleet.square(2).await.unwrap(), 4);
    fleet.divide(1, 0).await.unwrap_err();
    let mut requests = 0;
    let mut errors = 0;
    for id in ids {
        let get = async |verb| {
            let answer =
                timeout(PATIENCE, client.request(format!("$SRV.{verb}.test.{id}"), "".into())).await.unwrap();
            serde_json::from_slice::<Value>(&answer.unwrap().payload).unwrap()
        };
        let info = get("INFO").await;
        let names =
            info["endpoints"].as_array().unwrap().iter().map(|endpoint| endpoint["name"].as_str().unwrap());
        assert!(names.into_iter().any(|name| name == "square"), "{info}");
        let statistics = get("STATS").await;
        for endpoint in statistics["endpoints"].as_array().unwrap() {
            requests += endpoint["num_requests"].as_u64().unwrap();
            errors += endpoint["num_errors"].as_u64().unwrap();
        }
        assert!(statistics["started"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!((requests, errors), (2, 1));
}
