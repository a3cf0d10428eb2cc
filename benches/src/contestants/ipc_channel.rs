use std::process::{Child, Command};
use std::sync::Mutex;

use bytes::Bytes;
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender, bytes_channel, channel,
};

use crate::contestant::{Contestant, Describe};
use crate::flavor::Flavor;
use crate::service::Record;

/// Two byte channels of `ipc-channel`, and two channels of records. They block, so there is one
/// call at a time.
pub struct IpcChannel {
    ends: Mutex<Ends>,
    child: Child,
}

/// The ends of one side: those of the bytes, and those of the records.
type Ends = (IpcBytesSender, IpcBytesReceiver, IpcSender<Record>, IpcReceiver<Record>);

impl IpcChannel {
    pub const CHILD: &str = "ipc-channel";
}

/// The environment variable that names the channel through which the child receives the other two.
const CHANNEL_VARIABLE: &str = "ISOLATED_WORKERS_BENCHES_CHANNEL";

impl Contestant for IpcChannel {
    async fn start(flavor: Flavor) -> Self {
        let (server, name) = IpcOneShotServer::<IpcSender<Ends>>::new().expect("a server");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let child =
            command.args([Self::CHILD, flavor.name()]).env(CHANNEL_VARIABLE, name).spawn().expect("a child");
        let (_, handing) = server.accept().expect("the child connects");
        let (to_child, requests) = bytes_channel().expect("a channel");
        let (replies, from_child) = bytes_channel().expect("a channel");
        let (records_to_child, records) = channel().expect("a channel");
        let (described, records_from_child) = channel().expect("a channel");
        handing.send((replies, requests, described, records)).expect("the child takes its ends");
        Self { ends: Mutex::new((to_child, from_child, records_to_child, records_from_child)), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let (requests, replies, ..) = &*self.ends.lock().expect("no panic");
        requests.send(&data).expect("the child reads");
        replies.recv().expect("the child answers").into()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { ends, mut child } = self;
        drop(ends);
        child.wait().expect("it ends with its channel");
    }
}

impl Describe for IpcChannel {
    async fn describe(&self, record: Record) -> Record {
        let (.., records, described) = &*self.ends.lock().expect("no panic");
        records.send(record).expect("the child reads");
        described.recv().expect("the child answers")
    }
}

pub fn serve() {
    let name = std::env::var(CHANNEL_VARIABLE).expect("a host has started this");
    let (handing, handed) = channel::<Ends>().expect("a channel");
    IpcSender::connect(name).expect("the host's server").send(handing).expect("the host listens");
    let (replies, requests, described, records) = handed.recv().expect("the host hands its ends over");
    std::thread::spawn(move || {
        while let Ok(record) = records.recv() {
            if described.send(record).is_err() {
                return;
            }
        }
    });
    while let Ok(data) = requests.recv() {
        if replies.send(&data).is_err() {
            return;
        }
    }
}
