use std::process::Child;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe};
use crate::flavor::Flavor;
use crate::service::Record;

/// zbus, peer to peer without a bus.
pub struct Zbus {
    connection: Connection,
    child: Child,
}

impl Zbus {
    pub const CHILD: &str = "zbus";
}

const PATH: &str = "/echo";
const NAME: &str = "org.example.Echo";

/// The record as D-Bus has it: an option is an array, and floating point has 64 bits.
#[derive(Serialize, Deserialize, zvariant::Type)]
struct DbusRecord {
    id: u64,
    name: String,
    city: String,
    is_active: bool,
    age: u8,
    balance: i64,
    rating: f64,
    tags: Vec<String>,
    referrer: Vec<u64>,
    position: (f64, f64),
}

impl From<Record> for DbusRecord {
    fn from(record: Record) -> Self {
        let Record { id, name, city, is_active, age, balance, rating, tags, referrer, position } = record;
        let referrer = referrer.into_iter().collect();
        let position = (position.0.into(), position.1.into());
        Self { id, name, city, is_active, age, balance, rating, tags, referrer, position }
    }
}

impl From<DbusRecord> for Record {
    fn from(record: DbusRecord) -> Self {
        let DbusRecord { id, name, city, is_active, age, balance, rating, tags, referrer, position } = record;
        let referrer = referrer.first().copied();
        let position = (position.0 as f32, position.1 as f32);
        Self { id, name, city, is_active, age, balance, rating, tags, referrer, position }
    }
}

struct ZbusEcho;

#[zbus::interface(name = "org.example.Echo")]
impl ZbusEcho {
    fn echo(&self, data: serde_bytes::ByteBuf) -> serde_bytes::ByteBuf {
        data
    }

    fn describe(&self, record: DbusRecord) -> DbusRecord {
        record
    }
}

impl Contestant for Zbus {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let connection = Builder::unix_stream(raw_tokio::on_tokio(own)).p2p().build().await;
        Self { connection: connection.expect("a connection"), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let reply = self
            .connection
            .call_method(None::<&str>, PATH, Some(NAME), "Echo", &serde_bytes::Bytes::new(&data))
            .await;
        let body = reply.expect("an echo").body();
        let data: serde_bytes::ByteBuf = body.deserialize().expect("bytes");
        data.into_vec().into()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { connection, child } = self;
        connection.close().await.expect("a connection");
        raw_tokio::wait(child).await;
    }
}

impl Describe for Zbus {
    async fn describe(&self, record: Record) -> Record {
        let record = DbusRecord::from(record);
        let reply = self.connection.call_method(None::<&str>, PATH, Some(NAME), "Describe", &record).await;
        let record: DbusRecord = reply.expect("a record").body().deserialize().expect("a record");
        record.into()
    }
}

pub async fn serve() {
    let stream = raw_tokio::on_tokio(raw_std::stream());
    let builder = Builder::unix_stream(stream).server(Guid::generate()).expect("a guid").p2p();
    let connection = builder.serve_at(PATH, ZbusEcho).expect("a path").build().await.expect("a connection");
    connection.closed().await;
}
