//! A client of HTTP/1.1 that costs little: server and client share the machine, and what the client
//! burns is missing in the server's figure. One request at a time on each kept connection.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::samples::{Tally, Window};

/// Where a server listens, and what is said to it of who asks.
#[derive(Clone)]
pub struct Site {
    pub address: String,
    /// Empty where nobody asks who that is.
    pub token: String,
}

/// One kept connection to `/graphql`.
pub struct Connection {
    stream: TcpStream,
    head: String,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Connection {
    pub async fn open(Site { address, token }: &Site) -> Self {
        let who = match token.is_empty() {
            true => String::new(),
            false => format!("authorization: Bearer {token}\r\n"),
        };
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json\r\n{who}content-length: "
        );
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket can be set");
        Self { stream, head, request: Vec::new(), reply: Vec::new() }
    }

    /// Sends a body of JSON; the body of the reply, which has status 200.
    pub async fn post(&mut self, body: &str) -> &[u8] {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await.expect("the server reads");
        self.reply.clear();
        loop {
            let read = self.stream.read_buf(&mut self.reply).await.expect("the server writes");
            assert_ne!(read, 0, "the server keeps the connection");
            let Some(head) = find(&self.reply, b"\r\n\r\n") else { continue };
            let length = content_length(&self.reply[..head]);
            if self.reply.len() >= head + 4 + length {
                assert!(self.reply.starts_with(b"HTTP/1.1 200"), "{}", self.text());
                return &self.reply[head + 4..];
            }
        }
    }

    /// Sends a mutation that nothing is to be said against; the whole reply.
    pub async fn done(&mut self, body: &str) -> String {
        let reply = String::from_utf8_lossy(self.post(body).await).into_owned();
        assert!(reply.contains("\"userErrors\":[]"), "{body} was answered {reply}");
        reply
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.reply)
    }
}

pub fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("headers are text");
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    value.and_then(|value| value.parse().ok()).expect("a reply says how long it is")
}

pub fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// What callers send, and what must stand in each reply.
pub struct Ask {
    /// The body with the number of the caller and of its request.
    pub body: Box<dyn Fn(usize, u64) -> String + Send + Sync>,
    pub expected: &'static [u8],
}

/// So many callers, each with one request at a time, until the window ends.
pub async fn load(site: &Site, ask: &Arc<Ask>, callers: usize, window: Window) -> Tally {
    let mut running = Vec::with_capacity(callers);
    for caller in 0..callers {
        let mut connection = Connection::open(site).await;
        let ask = Arc::clone(ask);
        running.push(tokio::spawn(async move {
            let mut tally = Tally::default();
            for number in 0.. {
                let body = (ask.body)(caller, number);
                let sent = Instant::now();
                let reply = connection.post(&body).await;
                let found = find(reply, ask.expected).is_some();
                assert!(found, "{body} was answered {}", String::from_utf8_lossy(reply));
                if !tally.add(&window, sent, 1) {
                    break;
                }
            }
            tally
        }));
    }
    let mut all = Tally::default();
    for task in running {
        all.merge(task.await.expect("a caller ends by itself"));
    }
    all
}
