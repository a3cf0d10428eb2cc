use std::process::{Child, Command};
use std::sync::Mutex;

use bytes::Bytes;
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel, channel,
};

use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// Two byte channels of `ipc-channel`. They block, so there is one call at a time.
pub struct IpcChannel {
    ends: Mutex<Ends>,
    child: Child,
}

type Ends = (IpcBytesSender, IpcBytesReceiver);

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
        handing.send((replies, requests)).expect("the child takes its ends");
        Self { ends: Mutex::new((to_child, from_child)), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let (requests, replies) = &*self.ends.lock().expect("no panic");
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

pub fn serve() {
    let name = std::env::var(CHANNEL_VARIABLE).expect("a host has started this");
    let (handing, handed) = channel::<Ends>().expect("a channel");
    IpcSender::connect(name).expect("the host's server").send(handing).expect("the host listens");
    let (replies, requests) = handed.recv().expect("the host hands its ends over");
    while let Ok(data) = requests.recv() {
        if replies.send(&data).is_err() {
            return;
        }
    }
}
