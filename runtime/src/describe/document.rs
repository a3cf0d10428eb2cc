//! Description of this worker.

use isolated_workers_core::protocol::handshake::Features;
use isolated_workers_core::{ArgumentInfo, Definitions, Limits, MethodInfo, Schema, ServiceInfo, Services};
use isolated_workers_middleware::Handler;
use serde_json::Value;

use super::description::{
    DescribedArgument, DescribedLimits, DescribedMethod, DescribedService, Description,
};

/// Properties of a worker besides its services.
#[derive(Clone, Debug)]
pub(crate) struct WorkerFacts {
    /// Name of the codec.
    pub(crate) codec: &'static str,
    pub(crate) limits: Limits,
    /// Services that the worker requires of its host.
    pub(crate) host_services: Services,
}

impl Description {
    /// Describes the services of a handler, without a worker. Codec, features, limits and process id
    /// are not set.
    pub fn of<H: Handler>() -> Self {
        Self::of_services(&H::infos())
    }

    /// Describes services, without a worker, as [`of`](Self::of) does.
    pub fn of_services(services: &[ServiceInfo]) -> Self {
        let mut definitions = Definitions::new();
        let services: Vec<_> = services.iter().map(|info| service(info, &mut definitions)).collect();
        let mut services = serde_json::to_value(services).expect("services hold only strings and JSON");
        let definitions = definitions.finish(&mut services);
        let mut services: Vec<DescribedService> =
            serde_json::from_value(services).expect("services are read as they were written");
        services.iter_mut().flat_map(|service| &mut service.methods).for_each(join_directions);
        Self { protocol: 1, services, definitions, ..Self::default() }
    }
}

/// Describes a worker with these services.
pub(super) fn describe(services: &[ServiceInfo], facts: &WorkerFacts) -> Description {
    let host_services = facts.host_services.as_slice().iter().map(|schema| schema.service().to_owned());
    Description {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        codecs: vec![facts.codec.to_owned()],
        features: Features::of_worker(true).names().map(str::to_owned).collect(),
        limits: DescribedLimits {
            frame_bytes: facts.limits.frame as u64,
            metadata_bytes: facts.limits.metadata as u64,
        },
        sandbox: sandbox(),
        host_services: host_services.collect(),
        ..Description::of_services(services)
    }
}

/// Removes the schemas of the host's side that are equal to those of the worker's side.
fn join_directions(method: &mut DescribedMethod) {
    let DescribedMethod { reply, reply_read, error, error_read, items, items_read, .. } = method;
    for (written, read) in [(reply, reply_read), (error, error_read), (items, items_read)] {
        if written == read {
            *read = None;
        }
    }
    for argument in method.takes.iter_mut().chain(&mut method.arguments) {
        if argument.schema == argument.written {
            argument.written = None;
        }
    }
}

/// Protections that confine this process.
pub(super) fn sandbox() -> Option<String> {
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    return crate::sandbox::announcement().map(str::to_owned);
    #[cfg(not(all(feature = "sandbox", target_os = "linux")))]
    None
}

fn service(info: &ServiceInfo, definitions: &mut Definitions) -> DescribedService {
    let methods = info.methods.iter().map(|method| self::method(method, &info.schema, definitions));
    DescribedService {
        name: info.schema.service().to_owned(),
        docs: info.docs.to_owned(),
        fingerprint: format!("{:016x}", info.schema.fingerprint()),
        methods: methods.collect(),
    }
}

fn method(info: &MethodInfo, schema: &Schema, definitions: &mut Definitions) -> DescribedMethod {
    let hash = schema.messages().iter().find(|(name, _)| *name == info.name);
    DescribedMethod {
        name: info.name.to_owned(),
        docs: info.docs.to_owned(),
        arguments: info.arguments.iter().map(|info| argument(info, definitions)).collect(),
        reply: known(definitions.written(info.reply)),
        reply_read: known(definitions.read(info.reply)),
        error: known(definitions.written(info.error)),
        error_read: known(definitions.read(info.error)),
        items: known(definitions.written(info.items)),
        items_read: known(definitions.read(info.items)),
        takes: info.takes.as_ref().map(|info| argument(info, definitions)),
        streams: info.streams,
        oneway: info.oneway,
        idempotent: info.idempotent,
        blocking: info.blocking,
        timeout_ms: info.timeout.map(|timeout| timeout.as_millis().try_into().unwrap_or(u64::MAX)),
        hash: hash.map_or_else(String::new, |(_, fingerprint)| format!("{fingerprint:08x}")),
    }
}

fn argument(info: &ArgumentInfo, definitions: &mut Definitions) -> DescribedArgument {
    DescribedArgument {
        name: info.name.to_owned(),
        schema: known(definitions.read(info.schema)),
        written: known(definitions.written(info.schema)),
        required: info.required,
    }
}

fn known(schema: Value) -> Option<Value> {
    Some(schema).filter(|schema| !schema.is_null())
}
