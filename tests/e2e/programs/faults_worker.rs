//! Worker that serves `Faults`. Its first argument selects how it serves, or how it fails before it
//! serves.

mod cut;
#[path = "../services/faults.rs"]
mod faults;
mod flood;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use faults::{Faults, Tree};
use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers::layer::Trace;
use isolated_workers::protocol::Limits;
use isolated_workers::transport::{CHANNEL_VARIABLE, Channel, SocketReader, Transport, UnixSocket};
use isolated_workers::{Error, is_worker, serve};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Signal, getpid, getppid, kill_process, pidfd_getfd, pidfd_open,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

/// Number of bytes to write after `serve` has returned.
static LAST_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Message of the main thread's panic.
static PANIC_TEXT: Mutex<String> = Mutex::new(String::new());
static PANICS: Notify = Notify::const_new();

/// Makes a worker with the argument "drops-runtime" drop the runtime on which it serves.
static RUNTIME_ENDS: Notify = Notify::const_new();

thread_local! {
    /// Exit handler that never returns: values of the thread that ends the process are dropped.
    static BLOCKS_EXIT: Blocking = const { Blocking };
}

struct Blocking;

impl Drop for Blocking {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

#[derive(Default)]
struct Worker {
    waiting: AtomicUsize,
    gates: Mutex<HashMap<u32, oneshot::Sender<()>>>,
    notes: Mutex<Vec<String>>,
    counter: AtomicU32,
}

/// Counts down when the future that owns it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Worker {
    async fn wait_counted(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        std::future::pending().await
    }
}

impl Faults for Worker {
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }
    async fn wait(&self) {
        self.wait_counted().await
    }
    async fn wait_a_little(&self) {
        self.wait_counted().await
    }
    async fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
    async fn gate(&self, key: u32) -> u32 {
        let (open, opened) = oneshot::channel();
        self.gates.lock().unwrap().insert(key, open);
        opened.await.unwrap();
        key
    }
    async fn release(&self, key: u32) -> bool {
        let open = self.gates.lock().unwrap().remove(&key);
        open.is_some_and(|open| open.send(()).is_ok())
    }
    async fn note(&self, text: String) {
        self.notes.lock().unwrap().push(text);
    }
    async fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
    async fn noted(&self) -> (usize, usize) {
        let notes = self.notes.lock().unwrap();
        (notes.len(), notes.iter().map(String::len).sum())
    }
    fn read_within_a_second(&self, path: String) -> String {
        std::fs::read_to_string(path).unwrap()
    }
    async fn count_slowly(&self, _: String) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        self.counter.fetch_add(1, Ordering::SeqCst);
    }
    async fn drop_runtime(&self) {
        RUNTIME_ENDS.notify_one();
        std::future::pending().await
    }
    async fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }
    async fn unencodable(&self) -> BTreeMap<(u8, u8), u8> {
        [((1, 2), 3)].into()
    }
    async fn exit(&self, code: i32) {
        // Replies to requests that arrived with this one are sent first.
        tokio::task::yield_now().await;
        std::process::exit(code)
    }
    async fn abort(&self) {
        std::process::abort()
    }
    async fn die_at_first(&self, path: String, runs: usize) -> usize {
        self.die_until(path, runs).await
    }
    async fn die_until(&self, path: String, runs: usize) -> usize {
        let mut file = std::fs::File::options().create(true).append(true).open(&path).unwrap();
        file.write_all(b"run\n").unwrap();
        let ran = std::fs::read_to_string(&path).unwrap().lines().count();
        if ran <= runs {
            kill_process(getpid(), Signal::KILL).unwrap();
            std::future::pending().await
        }
        ran
    }
    async fn gate_again(&self, key: u32) -> u32 {
        self.gate(key).await
    }
    async fn stop(&self) {
        kill_process(getpid(), Signal::STOP).unwrap();
    }
    async fn panic(&self, text: String) {
        panic!("{text}")
    }
    async fn count(&self) -> u32 {
        self.counter.fetch_add(1, Ordering::SeqCst) + 1
    }
    async fn print(&self, text: String) {
        print!("{text}");
        eprint!("{text}");
        std::io::stdout().flush().unwrap();
    }
    async fn write(&self, to_error: bool, data: Bytes) {
        let mut to: Box<dyn Write> =
            if to_error { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
        to.write_all(&data).and_then(|()| to.flush()).unwrap();
    }
    async fn flood(&self, mebibytes: u32) {
        let mebibyte = vec![b'x'; 1 << 20];
        for _ in 0..mebibytes {
            std::io::stdout().write_all(&mebibyte).unwrap();
            std::io::stderr().write_all(&mebibyte).unwrap();
        }
        std::io::stdout().flush().unwrap();
    }
    async fn write_last(&self, bytes: usize) {
        LAST_BYTES.store(bytes, Ordering::SeqCst);
    }
    async fn panic_outside(&self, text: String, aborts: bool) {
        if aborts {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                report(panic);
                std::process::abort()
            }));
        }
        *PANIC_TEXT.lock().unwrap() = text;
        PANICS.notify_one();
        std::future::pending().await
    }
    async fn arguments(&self) -> Vec<String> {
        std::env::args().skip(1).collect()
    }
    async fn environment(&self) -> Vec<String> {
        std::env::vars().map(|(key, value)| format!("{key}={value}")).collect()
    }
    async fn current_dir(&self) -> String {
        std::env::current_dir().unwrap().display().to_string()
    }
    async fn hang_up(&self) {
        channel().shutdown(std::net::Shutdown::Both).unwrap();
        kill_process(getpid(), Signal::STOP).unwrap();
    }
    async fn send_garbage(&self) {
        channel().write_all(b"no frame\n").unwrap();
        std::future::pending().await
    }
    async fn shell(&self, command: String) -> (Option<i32>, String) {
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
    async fn allocate(&self, bytes: usize) {
        std::hint::black_box(vec![0_u8; bytes]);
    }
    async fn start_child(&self) -> u32 {
        Command::new("sleep").arg("600").spawn().unwrap().id()
    }
    async fn note_forever(&self) {
        std::future::pending().await
    }
    async fn join_group(&self, group: u32) {
        rustix::process::setpgid(None, rustix::process::Pid::from_raw(group.cast_signed())).unwrap();
    }
    async fn start_child_apart(&self) -> u32 {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap().id()
    }
    async fn descriptors(&self) -> Vec<String> {
        let folder = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
        let streams = ["0", "1", "2"].map(|number| Path::new("/proc/self/fd").join(number));
        let targets = folder.filter(|path| !streams.contains(path)).map(std::fs::read_link);
        // The descriptor of the listing is closed by now, so reading its link fails.
        targets.flatten().map(|target| target.display().to_string()).collect()
    }
    async fn stdin(&self) -> String {
        std::io::read_to_string(std::io::stdin()).unwrap()
    }
    async fn mirror(&self, tree: Tree, fail: bool) -> Result<Tree, Tree> {
        if fail { Err(tree) } else { Ok(tree) }
    }
    async fn is_worker(&self) -> (bool, bool) {
        let child = Command::new(std::env::current_exe().unwrap()).arg("is-worker").status().unwrap();
        (is_worker(), child.success())
    }
}

/// Socket of the connection to the host: the socket whose peer credentials are those of the parent.
fn channel() -> UnixStream {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok())
        .map(UnixStream::from)
        .find(|socket| socket_peercred(socket).is_ok_and(|maker| Some(maker.pid) == getppid()))
        .expect("a connection to the host")
}

fn main() -> Result<(), Error> {
    let how = std::env::args().nth(1).unwrap_or_default();
    let runtime = |threads: bool| {
        let mut builder = if threads {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        builder.enable_all().build().unwrap()
    };
    let worker = Worker::default().into_service();
    match how.as_str() {
        "is-worker" => std::process::exit(if is_worker() { 0 } else { 1 }),
        "exit" => {
            eprintln!("a first line\nno luck today");
            std::process::exit(3)
        }
        "return" => Ok(()),
        "never-asks" => runtime(false).block_on(async {
            let program = isolated_workers::Program::current_exe()?.arg("never-asks");
            isolated_workers::Worker::builder(program).spawn().await?.close().await
        }),
        "never-serve" => loop {
            std::thread::park();
        },
        "send-garbage" => {
            runtime(false).block_on(say_until_closed("HTTP/1.1 400 Bad Request\r\n\r\n"));
            Ok(())
        }
        "say" => {
            runtime(false).block_on(say_until_closed(&std::env::args().nth(2).unwrap()));
            Ok(())
        }
        "reading-child" => {
            let child = Command::new("cat").stdin(Stdio::inherit()).output().unwrap();
            assert!(child.status.success() && child.stdout.is_empty(), "{child:?}");
            runtime(false).block_on(async { serve(worker).await })
        }
        "half-a-line" => {
            runtime(false).block_on(say("{\"isolated-workers\":1,"));
            std::process::exit(7)
        }
        "cut-reads" | "cut-writes" => {
            let bytes = std::env::args().nth(2).unwrap().parse().unwrap();
            let mut cut = cut::Cut { read_bytes: usize::MAX, written_bytes: usize::MAX };
            *(if how == "cut-reads" { &mut cut.read_bytes } else { &mut cut.written_bytes }) = bytes;
            runtime(false).block_on(async { serve(worker).transport(cut).await })
        }
        "flood" => {
            let greets = std::env::args().nth(3).is_some();
            runtime(false).block_on(flood::run(&std::env::args().nth(2).unwrap(), greets))
        }
        "postcard" => runtime(false).block_on(async { serve(worker).codec(Postcard).await }),
        "no-handshake" => runtime(false).block_on(async { serve(worker).without_handshake().await }),
        "deep" => {
            let limits = Limits::default().depth(Limits::MAX_DEPTH);
            // With the stack of a usual thread, not the larger one of the main thread.
            let serving = std::thread::spawn(move || {
                runtime(false).block_on(async {
                    match &*std::env::args().nth(2).unwrap() {
                        Json::ID => serve(worker).limits(limits).await,
                        Cbor::ID => serve(worker).codec(Cbor).limits(limits).await,
                        _ => serve(worker).codec(Postcard).limits(limits).await,
                    }
                })
            });
            serving.join().unwrap()
        }
        "frugal" => runtime(false).block_on(async {
            serve(worker).codec(Postcard).limits(Limits::default().depth(9).elements(100)).await
        }),
        "no-depth" => {
            runtime(false).block_on(async { serve(worker).limits(Limits::default().depth(0)).await })
        }
        // Cleans up until the named pipe is closed.
        "cleans-up" => {
            runtime(false).block_on(async { serve(worker).await })?;
            std::fs::read_to_string(std::env::args().nth(2).unwrap()).unwrap();
            std::process::exit(7)
        }
        "impatient" => runtime(false)
            .block_on(async { serve(worker).connect_timeout(std::time::Duration::from_millis(50)).await }),
        "blocks-exit" => {
            BLOCKS_EXIT.with(|_| ());
            runtime(false).block_on(async { serve(worker).await })
        }
        "stays" => {
            runtime(false).block_on(async { serve(worker).await })?;
            println!("{}", std::process::id());
            loop {
                std::thread::park();
            }
        }
        "drops-runtime" => {
            let serving = runtime(true);
            serving.spawn(async { serve(worker).await });
            runtime(false).block_on(RUNTIME_ENDS.notified());
            serving.shutdown_background();
            loop {
                std::thread::park();
            }
        }
        "threads" => runtime(true).block_on(async { serve(worker).layer(Trace).await }),
        "" => {
            let served = runtime(false).block_on(async {
                tokio::select! {
                    served = serve(worker).limits(Limits::default().frame(256 << 20)) => served,
                    () = PANICS.notified() => panic!("{}", PANIC_TEXT.lock().unwrap()),
                }
            });
            match LAST_BYTES.load(Ordering::SeqCst) {
                0 => {}
                bytes => println!("{}the end", "x".repeat(bytes)),
            }
            served
        }
        other => panic!("unknown argument {other}"),
    }
}

/// Writes the text instead of the handshake.
async fn say(text: &str) -> SocketReader {
    let channel = std::env::var(CHANNEL_VARIABLE).unwrap();
    let (_, address) = channel.split_once(':').unwrap();
    let Channel { reader, mut writer, .. } = UnixSocket.attach(address).await.unwrap();
    writer.write_all(text.as_bytes()).await.unwrap();
    // Dropping the writer would end the stream.
    std::mem::forget(writer);
    reader
}

/// Writes the text instead of the handshake, and reads until the host closes the connection.
async fn say_until_closed(text: &str) {
    let _ = say(text).await.read_to_end(&mut Vec::new()).await;
}
