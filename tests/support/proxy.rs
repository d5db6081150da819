//! A TCP proxy that stands between a client and a server and loses what a test wants lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of the bytes of all connections, those that stand and those to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Pass,
    /// The next bytes of a client are lost and its connection is cut: the server never sees them.
    CutBeforeForward,
    /// A client's bytes pass; the first bytes that the server answers are lost and the connection
    /// is cut: the server has done what it was asked.
    CutAfterAnswer,
    /// Bytes vanish in both directions and nobody is told.
    Blackhole,
}

pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    losses: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 for connections to `upstream` (`host:port`).
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let losses = Arc::new(AtomicU64::new(0));
        let counter = losses.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else {
                    continue;
                };
                tokio::spawn(carry(client, server, modes.clone(), counter.clone()));
            }
        });
        Self { address, mode, losses, listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How often something was lost so far: a connection, or bytes in a black hole.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Carries the bytes of one connection until an end closes or the mode cuts it.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    modes: watch::Receiver<Mode>,
    losses: Arc<AtomicU64>,
) {
    let mut asked = vec![0; 64 << 10];
    let mut answered = vec![0; 64 << 10];
    loop {
        let (count, from_client) = tokio::select! {
            read = client.read(&mut asked) => (read.unwrap_or(0), true),
            read = server.read(&mut answered) => (read.unwrap_or(0), false),
        };
        if count == 0 {
            return;
        }
        let mode = *modes.borrow();
        let written = match (mode, from_client) {
            (Mode::CutBeforeForward, true) | (Mode::CutAfterAnswer, false) => {
                losses.fetch_add(1, Ordering::SeqCst);
                return;
            }
            (Mode::Blackhole, _) => {
                losses.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            (_, true) => server.write_all(&asked[..count]).await,
            (_, false) => client.write_all(&answered[..count]).await,
        };
        if written.is_err() {
            return;
        }
    }
}
