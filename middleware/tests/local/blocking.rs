//! Threads of the parts of a call whose handler blocks.

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{CallError, Error, ErrorKind, Executed, Message, Request, Response, Schema};
use isolated_workers_middleware::{Handler, Local, ServiceExt, handler};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::runtime::Handle;

/// Threads that have encoded or decoded a [`Traced`], in this order.
static THREADS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

fn trace() {
    THREADS.lock().unwrap().push(thread::current().id());
}

#[derive(Debug)]
struct Traced(u8);

impl Serialize for Traced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        trace();
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Traced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        trace();
        match u8::deserialize(deserializer)? {
            13 => panic!("unlucky"),
            number => Ok(Self(number)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Double(Traced);

impl Message for Double {
    const NAME: &'static str = "double";
    type Reply = Traced;
    type Error = String;
}

struct Doubler;

impl Handler for Doubler {
    const SCHEMA: Schema = Schema::new("Doubler", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        handler::respond_blocking(codec, request, |_, Double(Traced(number))| {
            trace();
            number.checked_mul(2).map(Traced).ok_or("too large".to_owned())
        })
        .await
    }
}

/// One test, because all calls share [`THREADS`].
#[tokio::test]
async fn a_blocking_handler_decodes_and_encodes_on_its_own_thread() {
    async fn double(number: u8) -> Result<Traced, CallError<String>> {
        THREADS.lock().unwrap().clear();
        Local::new(Doubler, Json).send(Double(Traced(number))).await
    }
    let this = thread::current().id();
    assert_eq!(double(4).await.unwrap().0, 8);
    let threads = THREADS.lock().unwrap().clone();
    let [encoded, decoded, ran, reply_encoded, reply_decoded] = threads[..] else { panic!("{threads:?}") };
    assert_eq!((encoded, reply_decoded), (this, this));
    assert_ne!(ran, this);
    assert_eq!((decoded, reply_encoded), (ran, ran));

    let handle = Handle::current();
    let (reply, caller) =
        tokio::task::spawn_blocking(move || (handle.block_on(double(4)), thread::current().id()))
            .await
            .unwrap();
    assert_eq!(reply.unwrap().0, 8);
    let threads = THREADS.lock().unwrap().clone();
    assert_eq!((threads[0], threads[4]), (caller, caller));
    assert!(!threads.contains(&this), "a caller on a thread of its own does all of its work there");

    assert_eq!(double(200).await.unwrap_err().service().unwrap(), "too large");
    let error = double(13).await.unwrap_err();
    let error = error.call().unwrap();
    assert_eq!(error.to_string(), "the handler of `double` panicked: unlucky");
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Panicked, Executed::Yes));

    let request = Request::new("double".into(), b"\"four\"".to_vec().into());
    let error = Doubler.handle(&Json, request).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::No));
    assert!(error.to_string().starts_with("could not decode `double` from json: "), "{error}");
}

#[derive(Serialize, Deserialize)]
struct Hold;

impl Message for Hold {
    const NAME: &'static str = "hold";
    type Reply = ();
    type Error = String;
}

/// Handler whose blocking part owns a reference.
struct Holder(Arc<()>);

impl Handler for Holder {
    const SCHEMA: Schema = Schema::new("Holder", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        let held = Arc::clone(&self.0);
        handler::respond_blocking(codec, request, move |_, Hold| {
            drop(held);
            Ok(())
        })
        .await
    }
}

#[test]
fn a_blocking_handler_for_which_the_system_refuses_a_thread_has_not_run() {
    // No thread has a stack of this size.
    let runtime = tokio::runtime::Builder::new_current_thread().thread_stack_size(1 << 60).build().unwrap();
    let started = Arc::new(());
    let local = Local::new(Holder(Arc::clone(&started)), Json);
    for _ in 0..3 {
        let result = runtime.block_on(local.send(Hold));
        let Err(CallError::Call(error)) = result else { panic!("{result:?}") };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::No), "{error}");
        assert!(error.to_string().contains("there is no thread for it: OS can't spawn"), "{error}");
        // Nothing waits in the queue of the runtime.
        assert_eq!(Arc::strong_count(&started), 2);
    }
}
