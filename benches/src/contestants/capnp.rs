mod record;

use std::ops::Deref;
use std::process::Child;
use std::rc::Rc;

use bytes::Bytes;
use capnp::any_pointer;
use capnp::capability::{
    Client, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Request, Results, Server,
};
use capnp::message::ReaderOptions;
use capnp::private::capability::ClientHook;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Disconnector, RpcSystem, twoparty::VatNetwork};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use self::record::{RecordBuilder, RecordReader};
use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe};
use crate::flavor::Flavor;
use crate::service::Record;

/// Cap'n Proto: an interface of two methods, one with data as parameter and result and one with a
/// struct. It is written by hand as the generator would write it, because Cargo cannot install the
/// generator.
pub struct Capnp {
    echo: CapnpEchoClient,
    disconnector: Disconnector<Side>,
    child: Child,
}

impl Capnp {
    pub const CHILD: &str = "capnp";
}

const INTERFACE: u64 = 0xa1b2_c3d4_e5f6_0718;
const ECHO: u16 = 0;
const DESCRIBE: u16 = 1;

struct CapnpEchoClient(Client);

impl FromClientHook for CapnpEchoClient {
    fn new(hook: Box<dyn ClientHook>) -> Self {
        Self(Client::new(hook))
    }

    fn into_client_hook(self) -> Box<dyn ClientHook> {
        self.0.hook
    }

    fn as_client_hook(&self) -> &dyn ClientHook {
        &*self.0.hook
    }
}

impl FromServer<CapnpEcho> for CapnpEchoClient {
    type Dispatch = Dispatch;

    fn from_server(echo: Rc<CapnpEcho>) -> Dispatch {
        Dispatch(echo)
    }
}

struct CapnpEcho;

#[derive(Clone)]
struct Dispatch(Rc<CapnpEcho>);

impl Deref for Dispatch {
    type Target = CapnpEcho;

    fn deref(&self) -> &CapnpEcho {
        &self.0
    }
}

impl Server for Dispatch {
    fn dispatch_call(
        self,
        _: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        mut results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        let mut answer = || {
            if method == DESCRIBE {
                let record: RecordReader<'_> = params.get()?.get_as()?;
                results.get().init_as::<RecordBuilder<'_>>().set(&record.get()?);
                return Ok(());
            }
            let data: capnp::data::Reader<'_> = params.get()?.get_as()?;
            results.get().set_as::<capnp::data::Owned>(data)
        };
        DispatchCallResult::new(Promise::from(answer()), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }
}

fn system(stream: UnixStream, side: Side, echo: Option<Client>) -> RpcSystem<Side> {
    let (reader, writer) = stream.into_split();
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(None);
    let network = VatNetwork::new(
        futures_util::io::BufReader::new(reader.compat()),
        futures_util::io::BufWriter::new(writer.compat_write()),
        side,
        options,
    );
    RpcSystem::new(Box::new(network), echo)
}

impl Contestant for Capnp {
    /// Uses a `LocalSet`: the tasks of this library stay on their thread.
    fn block_on<F: Future>(runtime: &Runtime, future: F) -> F::Output {
        LocalSet::new().block_on(runtime, future)
    }

    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let mut system = system(raw_tokio::on_tokio(own), Side::Client, None);
        let echo = system.bootstrap(Side::Server);
        let disconnector = system.get_disconnector();
        tokio::task::spawn_local(system);
        Self { echo, disconnector, child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let mut request: Request<any_pointer::Owned, any_pointer::Owned> =
            self.echo.0.new_call(INTERFACE, ECHO, None);
        request.get().set_as::<capnp::data::Owned>(&data[..]).expect("room");
        let reply = request.send().promise.await.expect("an echo");
        let data: capnp::data::Reader<'_> = reply.get().and_then(|data| data.get_as()).expect("data");
        Bytes::copy_from_slice(data)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { echo, disconnector, child } = self;
        drop(echo);
        disconnector.await.expect("a connection");
        raw_tokio::wait(child).await;
    }
}

impl Describe for Capnp {
    async fn describe(&self, record: Record) -> Record {
        let mut request: Request<any_pointer::Owned, any_pointer::Owned> =
            self.echo.0.new_call(INTERFACE, DESCRIBE, None);
        request.get().init_as::<RecordBuilder<'_>>().set(&record);
        let reply = request.send().promise.await.expect("a record");
        let record: RecordReader<'_> = reply.get().and_then(|record| record.get_as()).expect("a record");
        record.get().expect("a record")
    }
}

pub async fn serve() {
    let echo: CapnpEchoClient = capnp_rpc::new_client(CapnpEcho);
    let stream = raw_tokio::on_tokio(raw_std::stream());
    system(stream, Side::Server, Some(echo.0)).await.expect("it serves until its host is gone");
}
