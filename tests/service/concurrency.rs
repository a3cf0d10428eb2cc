//! Many concurrent calls with replies out of order: each call gets its own reply.

use std::sync::Arc;

use isolated_workers::Service;

use crate::everywhere;
use crate::services::gate::{Gate, GateClient, Gates};

/// Number of calls. Coprime to `STRIDE`, so that a walk in strides visits every number.
const CALLS: u32 = 1000;
const STRIDE: u32 = 617;

everywhere!(GateClient, "gate", Gates::default().into_service(), [out_of_order, replies_in_reverse_order]);

async fn out_of_order<S: Service + 'static>(gate: GateClient<S>) {
    let gate = Arc::new(gate);
    let pass = |number| {
        let gate = gate.clone();
        tokio::spawn(async move { gate.pass(number).await })
    };
    let mut passing: Vec<_> = (0..CALLS).map(pass).collect();
    for step in 1..=CALLS {
        let number = step * STRIDE % CALLS;
        gate.open(number).await.unwrap();
        // All other calls still wait.
        assert_eq!((&mut passing[number as usize]).await.unwrap().unwrap(), number);
    }
}

/// Calls start from first to last, and their replies become ready from last to first.
async fn replies_in_reverse_order<S: Service>(gate: GateClient<S>) {
    let chain = (0..CALLS).map(async |number| {
        let passed = gate.pass(number).await.unwrap();
        if let Some(next) = number.checked_sub(1) {
            gate.open(next).await.unwrap();
        }
        passed
    });
    let (passed, opened) = tokio::join!(futures_util::future::join_all(chain), gate.open(CALLS - 1));
    opened.unwrap();
    assert!(passed.into_iter().eq(0..CALLS));
}
