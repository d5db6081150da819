//! What follows the logs to the outside: how fast Redis Streams are told what is in the logs, how late they are
//! told while a shop sells and what that costs it, and whether slow webhooks hold up a quick one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use emporium::domain::commerce::order::Command;
use emporium::persistence::clock::Clock;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::checkout::checkouts;
use crate::graphql::Server;
use crate::http::{Connection, find};
use crate::lists::{begin, commands, make};
use crate::place::{Kind, Place, Places};
use crate::samples::{Samples, quantile};
use crate::settings::Settings;

pub const RELAYED: &str = "events of a log told to Redis Streams";
pub const LATE: &str = "from an event to Redis Streams under checkouts, p99";
pub const UNTOLD: &str = "guest checkouts, nobody outside is told";
pub const TOLD: &str = "guest checkouts, told to Redis Streams and a webhook";
pub const QUICK: &str = "from an event to a webhook under checkouts, p99";
pub const BESIDE_SLOW: &str = "the same beside 99 webhooks that take 2 s each, p99";
pub const SLOW_RATE: &str = "events that these 99 take";

const CLIENTS: u32 = 64;
const SLOW: usize = 99;
const TAKES: Duration = Duration::from_secs(2);

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    relay(settings, places, kind, samples).await;
    beside_checkouts(settings, places, kind, samples).await;
}

/// A log is filled while nobody is told; then it is told to streams that are empty.
async fn relay(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let orders = settings.told_orders();
    cancelled(&place.for_program(), orders).await;
    let streams = Arc::new(Streams::new("relay").await);
    // It begins before the server says where it listens.
    let watched = Arc::clone(&streams);
    let watching = tokio::spawn(async move {
        let (began, _) = watched.until(1).await;
        (began, watched.until(orders).await.1)
    });
    let server = Server::with(&place, &streams.configuration()).await;
    let (began, ended) = watching.await.expect("it ends by itself");
    samples.push(kind, RELAYED, orders as f64 / ended.duration_since(began).as_secs_f64());
    drop(server);
    streams.forget().await;
    place.remove().await;
}

/// Orders that were drafted and cancelled, of which the second is told.
async fn cancelled(place: &Place, count: u64) {
    let program = Arc::new(begin(place, Clock::system()).await);
    make(&program, count, || {
        let [draft, _] = commands();
        [draft, Command::Cancel { reason: "figures".to_owned() }]
    })
    .await;
    program.stop(Duration::from_secs(30)).await;
    // Its files are closed before another opens them.
    drop(program);
}

/// Two shops in turns: nobody is told of the one.
async fn beside_checkouts(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let seconds = if settings.quick { 1 } else { 4 };
    let (quiet, loud) = (places.fresh(kind).await, places.fresh(kind).await);
    let untold = Server::of_program(&quiet).await;
    let streams = Streams::new("checkouts").await;
    let receiver = Receiver::open().await;
    let allowed = "[webhooks]\nallowed_networks = [\"127.0.0.0/8\"]\n";
    let told = Server::with(&loud, &format!("{}{allowed}", streams.configuration())).await;
    register(&told, &receiver.url("quick")).await;
    let reading = streams.read();
    for _ in 0..settings.rounds() {
        let run = checkouts(&untold, CLIENTS, 50, seconds).await;
        samples.push(kind, UNTOLD, run.per_second);
        receiver.take();
        reading.take();
        let run = checkouts(&told, CLIENTS, 50, seconds).await;
        samples.push(kind, TOLD, run.per_second);
        samples.push(kind, LATE, quantile(reading.take(), 0.99));
        samples.push(kind, QUICK, quantile(receiver.take(), 0.99));
    }
    for number in 0..SLOW {
        register(&told, &receiver.url(&format!("slow-{number}"))).await;
    }
    for _ in 0..settings.rounds() {
        receiver.take();
        let (before, began) = (receiver.slow.load(Ordering::Relaxed), Instant::now());
        checkouts(&told, CLIENTS, 50, seconds).await;
        samples.push(kind, BESIDE_SLOW, quantile(receiver.take(), 0.99));
        let taken = receiver.slow.load(Ordering::Relaxed) - before;
        samples.push(kind, SLOW_RATE, taken as f64 / began.elapsed().as_secs_f64());
    }
    reading.ends.store(true, Ordering::Relaxed);
    drop((untold, told));
    streams.forget().await;
    quiet.remove().await;
    loud.remove().await;
}

async fn register(server: &Server, url: &str) {
    let mut connection = Connection::open(&server.site).await;
    let body = format!(
        "{{\"query\":\"mutation {{ registerWebhookEndpoint(input: {{url: \\\"{url}\\\"}}) {{ userErrors {{ code \
         }} }} }}\"}}"
    );
    connection.done(&body).await;
}

/// The streams of one shop in the Redis of the benches.
struct Streams {
    connection: MultiplexedConnection,
    url: String,
    prefix: String,
}

/// What is heard of streams by somebody who reads them all.
struct Reading {
    /// From each event to when it was read, in milliseconds.
    late: Arc<Mutex<Vec<f64>>>,
    ends: Arc<AtomicBool>,
}

impl Reading {
    fn take(&self) -> Vec<f64> {
        std::mem::take(&mut self.late.lock())
    }
}

type Found = Option<Vec<(String, Vec<(String, Vec<(String, String)>)>)>>;

impl Streams {
    async fn new(name: &str) -> Self {
        let url = std::env::var("EMPORIUM_TEST_REDIS_URL").expect("run it below scripts/services");
        let client = redis::Client::open(url.as_str()).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let prefix = format!("figures-{name}-{}", std::process::id());
        let streams = Self { connection, url, prefix };
        streams.forget().await;
        streams
    }

    fn configuration(&self) -> String {
        let Self { url, prefix, .. } = self;
        format!("[streams]\nredis = \"{url}\"\nprefix = \"{prefix}\"\n")
    }

    async fn names(&self) -> Vec<String> {
        let pattern = format!("{}:events:*", self.prefix);
        let mut connection = self.connection.clone();
        redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.expect("keys")
    }

    /// Waits until so many events are there. When it was looked for them for the last time in vain, and when they were
    /// there.
    async fn until(&self, events: u64) -> (Instant, Instant) {
        let mut connection = self.connection.clone();
        let mut before = Instant::now();
        loop {
            let (mut found, now) = (0, Instant::now());
            for name in self.names().await {
                let length = redis::cmd("XLEN").arg(name).query_async::<u64>(&mut connection).await;
                found += length.expect("a length");
            }
            if found >= events {
                return (before, Instant::now());
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads them all from now on.
    fn read(&self) -> Reading {
        let late = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (told, over) = (Arc::clone(&late), Arc::clone(&ends));
        let (client, prefix) = (self.url.clone(), self.prefix.clone());
        tokio::spawn(async move {
            let client = redis::Client::open(client).expect("a URL");
            let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
            // As many as there may be shards of a new database.
            let mut at: Vec<_> = (0..256)
                .map(|shard| (format!("{prefix}:events:{shard}"), "0".to_owned()))
                .collect();
            while !over.load(Ordering::Relaxed) {
                let mut command = redis::cmd("XREAD");
                command.arg("BLOCK").arg(20).arg("COUNT").arg(1_000).arg("STREAMS");
                at.iter().for_each(|(name, _)| _ = command.arg(name));
                at.iter().for_each(|(_, last)| _ = command.arg(last));
                let found: Found = command.query_async(&mut connection).await.expect("entries");
                let now = Utc::now();
                for (name, entries) in found.into_iter().flatten() {
                    let place =
                        at.iter_mut().find(|(of, _)| *of == name).expect("it was asked for");
                    place.1 = entries.last().expect("one is there").0.clone();
                    let events = entries.iter().flat_map(|(_, fields)| fields);
                    let events = events.filter(|(field, _)| field == "event");
                    told.lock().extend(events.map(|(_, event)| lateness(event.as_bytes(), now)));
                }
            }
        });
        Reading { late, ends }
    }

    async fn forget(&self) {
        let mut connection = self.connection.clone();
        for name in self.names().await {
            redis::cmd("DEL").arg(name).exec_async(&mut connection).await.expect("it goes");
        }
    }
}

/// Milliseconds from an event to now.
fn lateness(event: &[u8], now: DateTime<Utc>) -> f64 {
    let event: Value = serde_json::from_slice(event).expect("JSON");
    let time = event["time"].as_str().expect("a time").parse::<DateTime<Utc>>().expect("a time");
    (now - time).num_microseconds().expect("not long ago") as f64 / 1e3
}

/// Takes webhooks: one path at once, the others after a while.
struct Receiver {
    port: u16,
    late: Arc<Mutex<Vec<f64>>>,
    slow: Arc<AtomicU64>,
}

impl Receiver {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let (late, slow) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let receiver = Self { port, late: Arc::clone(&late), slow: Arc::clone(&slow) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("somebody comes");
                tokio::spawn(answer(stream, Arc::clone(&late), Arc::clone(&slow)));
            }
        });
        receiver
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn take(&self) -> Vec<f64> {
        std::mem::take(&mut self.late.lock())
    }
}

/// Answers the requests of a connection until it is closed.
async fn answer(mut stream: TcpStream, late: Arc<Mutex<Vec<f64>>>, slow: Arc<AtomicU64>) {
    let mut read = Vec::new();
    loop {
        let (head, body) = loop {
            if let Some(head) = find(&read, b"\r\n\r\n") {
                let length = crate::http::content_length(&read[..head]);
                if read.len() >= head + 4 + length {
                    break (head, length);
                }
            }
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let event = &read[head + 4..head + 4 + body];
        if read.starts_with(b"POST /quick") {
            late.lock().push(lateness(event, Utc::now()));
        } else {
            tokio::time::sleep(TAKES).await;
            slow.fetch_add(1, Ordering::Relaxed);
        }
        read.drain(..head + 4 + body);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}
