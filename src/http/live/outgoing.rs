//! What goes out on a connection that stays open: one message after the other, the next one made only
//! when the one before is on its way. A client that takes nothing holds up nobody but himself.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::HttpLimits;
use super::super::places::Places;
use super::super::reply::Counted;

/// The body of a reply that goes on.
pub struct Outgoing {
    coming: mpsc::Receiver<Counted>,
    current: Option<Counted>,
}

/// Who writes it.
pub struct Writer {
    going: mpsc::Sender<Counted>,
    places: Arc<Places>,
    bytes_max: usize,
    patience: Duration,
}

/// Why nothing more can be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// The client does not take what is there for it.
    TooSlow,
    /// It is gone.
    Gone,
}

pub fn channel(places: &Arc<Places>, limits: &HttpLimits) -> (Writer, Outgoing) {
    let (going, coming) = mpsc::channel(1);
    let (places, bytes_max) = (Arc::clone(places), limits.replies_bytes_max);
    let writer = Writer { going, places, bytes_max, patience: limits.write_timeout() };
    (writer, Outgoing { coming, current: None })
}

impl Writer {
    /// Returns when the message before is on its way. Where all replies together have no room left, the
    /// client is told what it would be told if it alone were too slow.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), Unwritten> {
        let counted = Counted::new(&self.places, bytes, self.bytes_max, false);
        let counted = counted.ok_or(Unwritten::TooSlow)?;
        match timeout(self.patience, self.going.send(counted)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Unwritten::Gone),
            Err(_) => Err(Unwritten::TooSlow),
        }
    }

    /// The last word; who does not take that either is not waited for.
    pub async fn end_with(self, bytes: Vec<u8>) {
        let _ = self.write(bytes).await;
    }

    /// Until whoever reads is gone.
    pub async fn gone(&self) {
        self.going.closed().await;
    }
}

impl MessageBody for Outgoing {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(piece) = ready!(Pin::new(current).poll_next(cx)) {
                    return Poll::Ready(Some(piece));
                }
                self.current = None;
            }
            match ready!(self.coming.poll_recv(cx)) {
                Some(next) => self.current = Some(next),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn messages_go_in_order_and_who_takes_none_is_found_out() {
        let places = Arc::<Places>::default();
        let limits = HttpLimits { write_timeout_ms: 50, ..HttpLimits::default() };
        let (writer, outgoing) = channel(&places, &limits);
        writer.write(b"one".to_vec()).await.expect("there is room");
        assert_eq!(writer.write(b"two".to_vec()).await, Err(Unwritten::TooSlow));
        let reading = actix_web::rt::spawn(to_bytes(outgoing));
        writer.write(vec![b'x'; 100_000]).await.expect("it is taken");
        writer.end_with(b"end".to_vec()).await;
        let all = reading.await.expect("it ends").expect("it cannot fail");
        assert_eq!((all.len(), &all[..4], &all[100_002..]), (100_006, &b"onex"[..], &b"xend"[..]));
        let (writer, outgoing) = channel(&places, &limits);
        drop(outgoing);
        assert_eq!(writer.write(Vec::new()).await, Err(Unwritten::Gone));
    }
}
