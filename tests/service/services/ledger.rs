//! Worker that decodes messages instead of implementing the trait: an actor with a queue.

use isolated_workers::codec::Codec;
use isolated_workers::protocol::{Body, Request, Response, Schema};
use isolated_workers::service::{Handler, handler};
use isolated_workers::{Error, Message, service};
use tokio::sync::{mpsc, oneshot};

#[service(derive(Debug, Clone, PartialEq))]
pub(crate) trait Ledger {
    async fn deposit(&self, account: String, amount: u64);
    #[message(oneway)]
    async fn close(&self, account: String);
    async fn history(&self) -> Vec<String>;
}

/// Actor with a task that handles its queue one message at a time.
pub(crate) struct Actor(mpsc::UnboundedSender<Job>);

enum Job {
    Do(ledger::Request),
    Tell(oneshot::Sender<Vec<String>>),
}

impl Actor {
    pub(crate) fn start() -> Self {
        let (queue, mut jobs) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut history = Vec::new();
            while let Some(job) = jobs.recv().await {
                match job {
                    Job::Do(ledger::Request::Deposit(ledger::Deposit { account, amount })) => {
                        history.push(format!("{amount} to {account}"));
                    }
                    Job::Do(ledger::Request::Close(message)) => {
                        history.push(format!("{} is closed", message.account));
                    }
                    Job::Do(other @ ledger::Request::History(_)) => unreachable!("{}", other.name()),
                    Job::Tell(asker) => asker.send(history.clone()).unwrap_or_default(),
                }
            }
        });
        Self(queue)
    }

    fn queue(&self, job: Job) {
        assert!(self.0.send(job).is_ok(), "the actor is there as long as its queue");
    }

    async fn history(&self) -> Vec<String> {
        let (asker, answer) = oneshot::channel();
        self.queue(Job::Tell(asker));
        answer.await.expect("the actor replies")
    }
}

impl Handler for Actor {
    const SCHEMA: Schema = ledger::SCHEMA;

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        if request.name() == ledger::History::NAME {
            return handler::respond(codec, request, async |ledger::History| Ok(self.history().await)).await;
        }
        self.queue(Job::Do(ledger::Request::decode(codec, &request)?));
        Ok(Response::new(Body::empty()))
    }
}
