use std::num::NonZeroU32;
use std::pin::Pin;

use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers::driver::{Attach, Output};
use isolated_workers::host::{OnCrash, Timeouts};
use isolated_workers::service::BoxService;
use isolated_workers::transport::{DefaultTransport, Stdio, Transport};
use isolated_workers::{Error, ErrorKind, Pool, Program, Worker};
use serde_json::Value;

use crate::address::Address;
use crate::args::WorkerArgs;
use crate::caller::{Caller, CodecService};
use crate::failure::Failure;
use crate::transcode::CodecId;

type Ending = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// Connection to a worker.
pub(crate) struct Connection {
    caller: Caller,
    /// Ends a worker that this command has started, and leaves any other.
    ending: Ending,
    /// Number of workers.
    workers: usize,
    /// Process id of the worker, if it is a process of this machine that this command has started.
    pid: Option<u32>,
}

/// Open service of a worker.
struct Opened<C: Codec> {
    service: BoxService<C>,
    ending: Ending,
    pid: Option<u32>,
}

/// Settings of a start, besides the address.
struct Settings {
    startup: Option<Value>,
    timeouts: Timeouts,
    on_crash: OnCrash,
    pool: Option<PoolSize>,
}

/// Size of a pool.
#[derive(Clone, Copy)]
struct PoolSize {
    workers: usize,
    in_flight: u32,
}

impl Connection {
    /// Starts the worker, or attaches to it.
    pub(crate) async fn open(args: &WorkerArgs) -> Result<Self, Failure> {
        Self::open_with_policy(args, None, OnCrash::reject()).await
    }

    /// Starts the worker, or attaches to it. A worker that this command has started is replaced if
    /// it crashes.
    pub(crate) async fn open_respawning(args: &WorkerArgs) -> Result<Self, Failure> {
        Self::open_with_policy(args, None, OnCrash::respawn()).await
    }

    /// Starts a pool of workers. An address of a running worker leads to that one alone.
    pub(crate) async fn open_pool(
        args: &WorkerArgs,
        workers: usize,
        in_flight: NonZeroU32,
    ) -> Result<Self, Failure> {
        let size = PoolSize { workers, in_flight: in_flight.get() };
        Self::open_with_policy(args, Some(size), OnCrash::reject()).await
    }

    async fn open_with_policy(
        args: &WorkerArgs,
        pool: Option<PoolSize>,
        on_crash: OnCrash,
    ) -> Result<Self, Failure> {
        let address = Address::parse(&args.address)?;
        let startup = match &args.startup {
            None => None,
            Some(json) => Some(serde_json::from_str(json).map_err(|error| {
                Failure::Usage(format!("could not read the startup data: it is not JSON: {error}"))
            })?),
        };
        let timeouts = Timeouts::default().startup(args.startup_timeout);
        let settings = Settings { startup, timeouts, on_crash, pool };
        let codec = args.codec.unwrap_or(CodecId::Json);
        match open_with(&address, codec, &settings).await {
            Err(error) if args.codec.is_none() => match codec_of_refusal(&error) {
                Some(codec) => Ok(open_with(&address, codec, &settings).await?),
                None => Err(error.into()),
            },
            opened => Ok(opened?),
        }
    }

    /// Number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Process id of a worker that this command has started.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Runs `work`, until Ctrl-C at most, and closes the connection: a worker of this command ends,
    /// and any other is detached again.
    pub(crate) async fn close_after<T>(
        self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let interruptible = async {
            tokio::select! {
                result = work => result,
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
            }
        };
        self.close(interruptible).await
    }

    /// The same, without an end at Ctrl-C.
    pub(crate) async fn close<T>(self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let result = work.await;
        drop(self.caller);
        let ended = self.ending.await;
        // The failure of the work is the cause, if there is one.
        let value = result?;
        match ended {
            Err(error) if error.kind() != ErrorKind::Closed => Err(error.into()),
            _ => Ok(value),
        }
    }
}

async fn open_with(address: &Address, codec: CodecId, settings: &Settings) -> Result<Connection, Error> {
    let workers = match (address, settings.pool) {
        (Address::Running(_), _) | (_, None) => 1,
        (_, Some(pool)) => pool.workers,
    };
    let connection = |service, ending, pid| Connection { caller: Caller::new(service), ending, workers, pid };
    Ok(match codec {
        CodecId::Json => {
            let Opened { service, ending, pid } = open(address, Json, settings).await?;
            connection(CodecService::Json(service), ending, pid)
        }
        CodecId::Cbor => {
            let Opened { service, ending, pid } = open(address, Cbor, settings).await?;
            connection(CodecService::Cbor(service), ending, pid)
        }
        CodecId::Postcard => {
            let Opened { service, ending, pid } = open(address, Postcard, settings).await?;
            connection(CodecService::Postcard(service), ending, pid)
        }
    })
}

async fn open<C: Codec>(address: &Address, codec: C, settings: &Settings) -> Result<Opened<C>, Error> {
    match address {
        Address::Program(program) => start(shown(program), DefaultTransport, codec, settings).await,
        Address::Remote(program) => {
            let opened = start(shown(program), Stdio, codec, settings).await?;
            Ok(Opened { pid: None, ..opened })
        }
        Address::Running(address) => {
            let builder = Worker::builder(Attach::new(address.clone()));
            let worker = builder.codec(codec).timeouts(settings.timeouts).spawn().await?;
            let service = BoxService::new(worker.clone());
            let ending: Ending = Box::pin(async move { worker.detach().await.map(drop) });
            Ok(Opened { service, ending, pid: None })
        }
    }
}

/// Starts a worker, or a pool, that belongs to this command.
async fn start<T: Transport, C: Codec>(
    program: Program,
    transport: T,
    codec: C,
    settings: &Settings,
) -> Result<Opened<C>, Error> {
    let (startup, timeouts) = (settings.startup.clone(), settings.timeouts);
    let Some(PoolSize { workers, in_flight }) = settings.pool else {
        let builder = Worker::builder(program).transport(transport).codec(codec).timeouts(timeouts);
        let builder = builder.on_crash(settings.on_crash);
        let worker = match startup {
            Some(data) => builder.startup_data(data).spawn().await?,
            None => builder.spawn().await?,
        };
        let (service, pid) = (BoxService::new(worker.clone()), Some(worker.pid()));
        return Ok(Opened { service, ending: Box::pin(async move { worker.close().await }), pid });
    };
    let builder = Pool::builder(program).transport(transport).codec(codec).timeouts(timeouts);
    let builder = builder.workers(workers).max_in_flight(in_flight);
    let pool = match startup {
        Some(data) => builder.startup_data(data).spawn().await?,
        None => builder.spawn().await?,
    };
    let service = BoxService::new(pool.clone());
    Ok(Opened { service, ending: Box::pin(async move { pool.close().await }), pid: None })
}

/// Shows what the worker prints on the standard error. On Windows, where the standard output of
/// this process cannot lead there, what it prints on its own one is not shown.
fn shown(program: &Program) -> Program {
    let program = program.clone().stderr(Output::Keep);
    program.stdout(if cfg!(windows) { Output::Trace } else { Output::Keep })
}

/// Codec that a worker has named when it refused another one.
fn codec_of_refusal(error: &Error) -> Option<CodecId> {
    if error.kind() != ErrorKind::Handshake {
        return None;
    }
    let text = error.to_string();
    let (_, rest) = text.split_once("the codec of this host is ")?;
    let (_, rest) = rest.split_once(", that of the worker is ")?;
    CodecId::from_name(rest.split(';').next()?)
}
