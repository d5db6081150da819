//! A TCP proxy that stands between a client and a server and loses what a test wants lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// Connections are cut, those to come too.
    Refuse,
    /// Everything takes so much longer.
    Slow(Duration),
    /// One answer in so many is lost, and its connection is cut.
    LoseOneIn(u8),
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
        Self::by_client(upstream, |_, mode| mode).await
    }

    /// The same, where who connects decides what becomes of it: `of` is asked for each connection, with
    /// the mode of this proxy.
    pub async fn by_client(
        upstream: String,
        of: impl Fn(SocketAddr, watch::Receiver<Mode>) -> watch::Receiver<Mode> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let losses = Arc::new(AtomicU64::new(0));
        let counter = losses.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, from)) = listener.accept().await {
                let mode = of(from, modes.clone());
                if *mode.borrow() == Mode::Refuse {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&upstream).await else {
                    continue;
                };
                tokio::spawn(carry(client, server, mode, counter.clone()));
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
    mut modes: watch::Receiver<Mode>,
    losses: Arc<AtomicU64>,
) {
    let mut asked = vec![0; 64 << 10];
    let mut answered = vec![0; 64 << 10];
    let mut answers = 0_u8;
    loop {
        if *modes.borrow_and_update() == Mode::Refuse {
            losses.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let (count, from_client) = tokio::select! {
            read = client.read(&mut asked) => (read.unwrap_or(0), true),
            read = server.read(&mut answered) => (read.unwrap_or(0), false),
            Ok(()) = modes.changed() => continue,
        };
        if count == 0 {
            return;
        }
        let mode = *modes.borrow();
        if let Mode::Slow(by) = mode {
            tokio::time::sleep(by).await;
        }
        let is_lost = match (mode, from_client) {
            (Mode::CutBeforeForward, true) | (Mode::CutAfterAnswer, false) => true,
            (Mode::LoseOneIn(many), false) => {
                answers = (answers + 1) % many;
                answers == 0
            }
            _ => false,
        };
        if is_lost {
            losses.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let written = match (mode, from_client) {
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
