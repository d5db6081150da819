//! A connection: counted against its client from its first moment on, and ended where the client
//! does not read what it asked for. A reply that nobody takes would be held for ever.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::clients::{Client, Clients, give_back, take};
use super::metrics::CONNECTIONS_REFUSED;

/// A client that takes less than this of a reply in a second, over the whole time-out, is gone.
const BYTES_PER_SECOND_MIN: u64 = 1_024;
/// Where the last write went through so long ago, nothing was waiting to be written in between.
const NOTHING_TO_WRITE: Duration = Duration::from_millis(100);

/// See the module.
pub struct Connection {
    stream: TcpStream,
    pub client: Arc<Client>,
    /// It is a proxy's: its requests are of others.
    pub is_proxy: bool,
    write_timeout: Duration,
    stalled: Option<Stalled>,
    last_write: Instant,
}

/// Since when the client does not take all that is there for it.
struct Stalled {
    over: Pin<Box<Sleep>>,
    /// What it took meanwhile.
    bytes: u64,
}

impl Connection {
    /// Takes a connection in; nothing where its client has too many, which are told so.
    pub fn enter(
        stream: TcpStream,
        clients: &Clients,
        per_client_max: usize,
        write_timeout: Duration,
    ) -> io::Result<Self> {
        let address = stream.peer_addr()?.ip();
        let (client, is_proxy) = (clients.of(address), clients.is_proxy(address));
        let bound = if is_proxy { usize::MAX } else { per_client_max };
        if !take(&client.connections, 1, bound) {
            CONNECTIONS_REFUSED.inc();
            // As much as fits at once; nobody is waited for.
            let _ = stream.into_std().and_then(|mut stream| stream.write(TOO_MANY.as_bytes()));
            return Err(io::Error::other("too many connections of one client"));
        }
        let (stalled, last_write) = (None, Instant::now());
        Ok(Self { stream, client, is_proxy, write_timeout, stalled, last_write })
    }

    /// Counts what was written, or watches the time while nothing can be.
    fn watched(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.last_write = Instant::now();
            if let (Some(stalled), Ok(bytes)) = (&mut self.stalled, &written) {
                stalled.bytes += *bytes as u64;
            }
            return Poll::Ready(written);
        }
        if self.last_write.elapsed() > NOTHING_TO_WRITE
            && self.stalled.as_ref().is_some_and(|stalled| stalled.bytes > 0)
        {
            self.stalled = None;
        }
        loop {
            let timeout = self.write_timeout;
            let stalled = self
                .stalled
                .get_or_insert_with(|| Stalled { over: Box::pin(sleep(timeout)), bytes: 0 });
            ready!(stalled.over.as_mut().poll(cx));
            if stalled.bytes < BYTES_PER_SECOND_MIN * timeout.as_secs().max(1) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.stalled = None;
        }
    }
}

/// What a client is told that has too many connections.
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json; charset=utf-8\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 115\r\n\r\n\
    {\"errors\":[{\"message\":\"too many connections come from here\",\
    \"extensions\":{\"code\":\"OVERLOADED\",\"retryAfter\":1000}}]}";

impl Drop for Connection {
    fn drop(&mut self) {
        give_back(&self.client.connections, 1);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_to_too_many_connections_has_the_length_that_it_says() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("the body is JSON");
    }
}
