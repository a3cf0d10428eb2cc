//! Many calls at the same time, answered in another order than they were asked: each gets its own answer.

use std::sync::Arc;

use isolated_workers::Service;

use crate::everywhere;
use crate::services::gate::{Gate, GateClient, Gates};

/// Has no factor in common with `STRIDE`, so that a walk in strides comes by every number.
const CALLS: u32 = 1000;
const STRIDE: u32 = 617;

everywhere!(GateClient, "gate", Gates::default().into_service(), [out_of_order, each_lets_the_next_go]);

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
        // All others wait, those before and those behind it.
        assert_eq!((&mut passing[number as usize]).await.unwrap().unwrap(), number);
    }
}

/// The answers are wanted from the first to the last, and become ready from the last to the first.
async fn each_lets_the_next_go<S: Service>(gate: GateClient<S>) {
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
