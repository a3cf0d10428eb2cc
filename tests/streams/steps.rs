//! Points of a call with streams at which a process is killed.

use std::pin::Pin;

use futures_util::{StreamExt, stream};
use isolated_workers::service::StreamingReply;
use isolated_workers::{Error, Service};

use crate::services::NumbersClient;

/// A call with streams that does not end.
pub(crate) enum OpenCall<'a> {
    /// The call answers with items.
    Items(StreamingReply<'a, u64, Error>),
    /// The call sends items.
    Sends(Pin<Box<dyn Future<Output = String> + 'a>>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The worker has the request, and has sent no item.
    NoItem,
    /// The worker has sent an item.
    FirstItem,
    /// The worker has no more credit.
    NoCredit,
    /// The handler waits for the first item of the host.
    WaitsForItem,
    /// The handler has taken items, and waits for more.
    TookItems,
    /// The host has no more credit.
    HostHasNoCredit,
    /// Items travel in both directions.
    BothWays,
}

impl Step {
    pub(crate) const ALL: [Self; 7] = [
        Self::NoItem,
        Self::FirstItem,
        Self::NoCredit,
        Self::WaitsForItem,
        Self::TookItems,
        Self::HostHasNoCredit,
        Self::BothWays,
    ];

    /// Number of items that a stream has yielded at this step.
    #[allow(dead_code, reason = "the host does not use it")]
    pub(crate) fn taken(self) -> u64 {
        match self {
            Self::FirstItem | Self::NoCredit => 1,
            Self::BothWays => 100,
            _ => 0,
        }
    }
}

/// Makes a call, and returns when it has reached `step`.
pub(crate) async fn reach<S: Service>(numbers: &NumbersClient<S>, step: Step) -> OpenCall<'_> {
    let mut call = match step {
        Step::NoItem => OpenCall::Items(numbers.hang_after(0)),
        Step::FirstItem => OpenCall::Items(numbers.hang_after(1)),
        Step::NoCredit => OpenCall::Items(numbers.hang_after(u64::MAX)),
        Step::WaitsForItem => sends(numbers.take_and_hang(stream::pending(), u64::MAX)),
        Step::TookItems => {
            sends(numbers.take_and_hang(stream::iter(0..3).chain(stream::pending()), u64::MAX))
        }
        Step::HostHasNoCredit => sends(numbers.take_and_hang(stream::iter(0..), 1)),
        Step::BothWays => {
            let mut both = numbers.pass(stream::iter(0..));
            for number in 0..100 {
                assert_eq!(both.next().await.unwrap().unwrap(), number);
            }
            return OpenCall::Items(both);
        }
    };
    // The worker answers these calls after it has received the request, and sends items meanwhile.
    let answered = async {
        for number in 0..10 {
            assert_eq!(numbers.add(number, 1).await.unwrap(), number + 1);
        }
    };
    match &mut call {
        OpenCall::Sends(call) => tokio::select! {
            error = call => panic!("{step:?}: {error}"),
            () = answered => {}
        },
        OpenCall::Items(items) if matches!(step, Step::NoItem) => tokio::select! {
            item = items.next() => panic!("{step:?}: {item:?}"),
            () = answered => {}
        },
        OpenCall::Items(items) => {
            assert_eq!(items.next().await.unwrap().unwrap(), 0);
            answered.await;
        }
    }
    call
}

fn sends<'a>(call: impl Future<Output = Result<u64, Error>> + 'a) -> OpenCall<'a> {
    OpenCall::Sends(Box::pin(async {
        let error = call.await.unwrap_err();
        format!("{:?}: {error}", error.kind())
    }))
}
