//! A connection: counted against its client from its first moment on, held to how requests may arrive,
//! and ended where the client does not read what it asked for: a reply that nobody takes would be held
//! for ever. What actix-http refuses with a status alone leaves here with words.

use std::io::{self, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::arrival::{Arrival, Watch};
use super::clients::{Client, give_back, take};
use super::metrics::CONNECTIONS_REFUSED;
use super::refusals::{Refusal, bare};
use super::{HttpLimits, Shared};

/// A client that takes less than this of a reply in a second, over the whole time-out, is gone.
const BYTES_PER_SECOND_MIN: u64 = 1_024;
/// Where the last write went through so long ago, nothing was waiting to be written in between.
const NOTHING_TO_WRITE: Duration = Duration::from_millis(100);
/// How long one that was refused may go on sending. Were it hung up on at once, the refusal would be
/// lost on its way.
pub const LINGER: Duration = Duration::from_secs(1);

/// See the module.
pub struct Connection {
    /// Nothing only at the very end.
    stream: Option<TcpStream>,
    pub client: Arc<Client>,
    /// It is a proxy's: its requests are of others.
    pub is_proxy: bool,
    watch: Watch,
    write_timeout: Duration,
    stalled: Option<Stalled>,
    last_write: Instant,
    /// Not all that is there for the client went through yet.
    is_writing: bool,
    /// What is written in the place of a refusal without words, and how much of it was.
    worded: Option<(Vec<u8>, usize)>,
    /// It was told that it is refused, and is not heard any more.
    is_refused: bool,
}

/// Since when the client does not take all that is there for it.
struct Stalled {
    over: Pin<Box<Sleep>>,
    /// What it took meanwhile.
    bytes: u64,
}

impl Connection {
    /// Takes a connection in; nothing where its client has too many, which are told so.
    pub fn enter(stream: TcpStream, shared: &Shared) -> io::Result<Self> {
        let Shared { clients, places, limits, .. } = shared;
        let HttpLimits { connections_per_client_max, .. } = *limits;
        let address = stream.peer_addr()?.ip();
        let (client, is_proxy) = (clients.of(address), clients.is_proxy(address));
        let bound = if is_proxy { usize::MAX } else { connections_per_client_max };
        if !take(&client.connections, 1, bound) {
            CONNECTIONS_REFUSED.inc();
            // As much as fits at once; nobody is waited for.
            let told = Refusal::TOO_MANY_CONNECTIONS.written();
            let _ = stream.into_std().and_then(|mut stream| stream.write(&told));
            return Err(io::Error::other("too many connections of one client"));
        }
        Ok(Self {
            stream: Some(stream),
            watch: Watch::new(Arc::clone(&client), Arc::clone(places), *limits),
            client,
            is_proxy,
            write_timeout: limits.write_timeout(),
            stalled: None,
            last_write: Instant::now(),
            is_writing: false,
            worded: None,
            is_refused: false,
        })
    }

    /// How far it is with its request.
    pub fn arrival(&self) -> Rc<Arrival> {
        Rc::clone(&self.watch.arrival)
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("it is there to the end"))
    }

    /// Ends it, and says why where nothing else is being said.
    fn refuse(&mut self, refusal: Refusal) -> io::Error {
        if !self.is_writing {
            // As much as fits at once; nobody is waited for.
            let _ = self.stream().try_write(&refusal.written());
            self.is_refused = true;
        }
        io::ErrorKind::TimedOut.into()
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Refusal>> {
        let last_write = self.last_write;
        self.watch.poll_late(cx, last_write)
    }

    /// Writes words in the place of `bare`, which has none.
    fn poll_words(
        &mut self,
        cx: &mut Context<'_>,
        bare: &[u8],
        refusal: Refusal,
    ) -> Poll<io::Result<usize>> {
        loop {
            let (words, written) = self.worded.get_or_insert_with(|| (refusal.written(), 0));
            let Some(rest) = words.get(*written..).filter(|rest| !rest.is_empty()) else {
                self.is_refused = true;
                return Poll::Ready(Ok(bare.len()));
            };
            let stream = self.stream.as_mut().expect("it is there to the end");
            *written += ready!(Pin::new(stream).poll_write(cx, rest))?;
        }
    }

    /// Counts what was written, or watches the time while nothing can be.
    fn watched(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_writing = written.is_pending();
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

impl Drop for Connection {
    fn drop(&mut self) {
        give_back(&self.client.connections, 1);
        let stream = self.stream.take().filter(|_| self.is_refused);
        if let (Some(stream), Ok(runtime)) = (stream, Handle::try_current()) {
            runtime.spawn(linger(stream));
        }
    }
}

/// Hears out one that was refused, and throws away what it says.
async fn linger(mut stream: TcpStream) {
    let hearing = async {
        _ = stream.shutdown().await;
        let mut thrown_away = [0; 4_096];
        while stream.read(&mut thrown_away).await.is_ok_and(|bytes| bytes > 0) {}
    };
    _ = timeout(LINGER, hearing).await;
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_writing = self.is_writing;
        if let Err(refusal) = ready!(self.watch.poll_read_on(cx, is_writing)) {
            return Poll::Ready(Err(self.refuse(refusal)));
        }
        let before = buffer.filled().len();
        match self.stream().poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let came = self.watch.came(buffer.filled().len() - before);
                Poll::Ready(came.map_err(|refusal| self.refuse(refusal)))
            }
            // A reply is on its way, and has a time of its own.
            Poll::Pending if self.is_writing => Poll::Pending,
            Poll::Pending => match ready!(self.poll_late(cx)) {
                Some(refusal) => Poll::Ready(Err(self.refuse(refusal))),
                None => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            },
            failed => failed,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match bare(bytes) {
            Some((0, refusal)) => self.poll_words(cx, bytes, refusal),
            Some((before, _)) => self.stream().poll_write(cx, &bytes[..before]),
            None => self.stream().poll_write(cx, bytes),
        };
        self.watched(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
