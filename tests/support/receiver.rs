//! A receiver of webhooks whose answers a test decides: it keeps what it was sent, in the order in which that came.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Taken,
    Refused,
    /// Not answered until the receiver is [released](Receiver::release); then taken.
    Held,
}

type Judge = Box<dyn Fn(&Value) -> Fate + Send + Sync>;

struct Shared {
    judge: Mutex<Judge>,
    requests: Mutex<Vec<(Value, Fate)>>,
    released: watch::Sender<bool>,
}

/// See the module.
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

impl Receiver {
    pub async fn start(judge: impl Fn(&Value) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("it has an address"));
        let shared = Arc::new(Shared {
            judge: Mutex::new(Box::new(judge)),
            requests: Mutex::default(),
            released: watch::channel(false).0,
        });
        let of = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&of)));
            }
        });
        Self { url, shared }
    }

    /// Decides otherwise from now on.
    pub fn judge(&self, judge: impl Fn(&Value) -> Fate + Send + Sync + 'static) {
        *self.shared.judge.lock() = Box::new(judge);
    }

    /// What was held is taken.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// What came, and what became of it.
    pub fn requests(&self) -> Vec<(Value, Fate)> {
        self.shared.requests.lock().clone()
    }

    /// The sequences of what came and was not refused, by subject.
    pub fn told(&self) -> HashMap<String, Vec<u64>> {
        let mut told: HashMap<String, Vec<u64>> = HashMap::new();
        for (event, _) in self.requests().iter().filter(|(_, fate)| *fate != Fate::Refused) {
            let subject = event["subject"].as_str().expect("a subject").to_owned();
            told.entry(subject).or_default().push(sequence(event));
        }
        told
    }
}

pub fn sequence(event: &Value) -> u64 {
    event["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence")
}

async fn answer(mut stream: TcpStream, of: Arc<Shared>) {
    let Some(event) = read(&mut stream).await else { return };
    let fate = (of.judge.lock())(&event);
    of.requests.lock().push((event, fate));
    if fate == Fate::Held {
        let mut released = of.released.subscribe();
        if released.wait_for(|released| *released).await.is_err() {
            return;
        }
    }
    let head: &[u8] = match fate {
        Fate::Refused => b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        Fate::Taken | Fate::Held => b"HTTP/1.1 204 No Content\r\n\r\n",
    };
    let _ = stream.write_all(head).await;
}

/// The body of a request; nothing where it breaks off.
async fn read(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "))?;
            let length: usize = length.parse().ok()?;
            if body.len() >= length {
                return serde_json::from_str(body).ok();
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
