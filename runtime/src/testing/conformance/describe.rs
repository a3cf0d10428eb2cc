//! Case about the reserved service, in which a worker describes itself.

use isolated_workers_codec::Codec;
use isolated_workers_core::{Message, Schema};
use isolated_workers_middleware::ServiceExt;
use isolated_workers_transport::Transport;

use super::service::{Divide, SCHEMA};
use super::{Suite, SuiteRole, Verdict, equal, second_service, within};
use crate::{Driver, describe};

pub(super) async fn describe<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let [one, both] = [vec![SCHEMA], vec![SCHEMA, second_service::SCHEMA]];
    for (role, expected) in [(SuiteRole::Serve, one), (SuiteRole::ServeTwo, both)] {
        let worker = within("the start of a worker", suite.builder(role).spawn()).await??;
        let description = within("a description", describe::describe(&worker)).await??;
        let services: Vec<_> = description.services.iter().map(|service| service.name.as_str()).collect();
        let expected: Vec<_> = expected.iter().map(Schema::service).collect();
        equal("the described services", services, expected)?;
        equal("the described codec", description.codecs, vec![C::ID.to_owned()])?;

        equal("a division", within("a call", worker.send(Divide { a: 6, b: 3 })).await??, 2)?;
        let status = within("a status", describe::status(&worker)).await??;
        equal("the number of divisions", status.done.get(Divide::NAME).copied(), Some(1))?;
        equal("the number of calls in flight", status.in_flight.len(), 0)?;
        within("an answer to a ping", describe::ping(&worker)).await??;
        within("closing", worker.close()).await??;
    }
    Ok(())
}
