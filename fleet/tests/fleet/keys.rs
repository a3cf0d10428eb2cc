use std::collections::{HashMap, HashSet};

use crate::work::{WorkClient, connect, machine, remote, server};

#[tokio::test(flavor = "multi_thread")]
async fn callers_agree_on_the_machine_of_a_key_and_only_the_keys_of_a_lost_one_move() {
    let Some(server) = server().await else { return };
    let mut machines = HashMap::new();
    for name in ["a", "b", "c"] {
        machines.insert(name, machine(&connect(&server).await, name, 64).await.0);
    }
    let fleets = [remote(&connect(&server).await).await, remote(&connect(&server).await).await];
    let mut owners = HashMap::new();
    for key in 0..60_u32 {
        for fleet in &fleets {
            let owner = WorkClient::new(fleet.with_key(key.to_le_bytes())).name().await.unwrap();
            assert_eq!(*owners.entry(key).or_insert_with(|| owner.clone()), owner);
        }
    }
    assert_eq!(owners.values().collect::<HashSet<_>>().len(), 3);
    machines["b"].drain().await;
    for (key, owner) in owners {
        let now = WorkClient::new(fleets[0].with_key(key.to_le_bytes())).name().await.unwrap();
        assert!(now != "b" && (owner == "b" || owner == now), "{key}: {owner}, {now}");
    }
}
