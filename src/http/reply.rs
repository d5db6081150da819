//! Replies on their way out. A long one goes piece by piece, so that it lies in memory once, is
//! counted as long as it does, and is let go with its connection; and it is compressed where the
//! client takes that.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::encoding::Encoder;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{AcceptEncoding, ContentEncoding, Encoding, Header};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::clients::{give_back, take};
use super::places::Places;

/// A reply up to here goes at once, and is not counted.
const PIECE_BYTES: usize = 32 << 10;

/// The bytes of a reply, counted among those of all replies until it is gone.
pub struct Counted {
    places: Arc<Places>,
    bytes: Bytes,
    count: usize,
}

impl Counted {
    /// Nothing where there is no room for it. What must be told in any case, because something was
    /// done, is counted beyond the bound too.
    pub fn new(
        places: &Arc<Places>,
        bytes: Vec<u8>,
        max: usize,
        in_any_case: bool,
    ) -> Option<Self> {
        let count = if bytes.len() > PIECE_BYTES { bytes.len() } else { 0 };
        let max = if in_any_case { usize::MAX } else { max };
        let counted = count == 0 || take(&places.reply_bytes, count, max);
        counted.then(|| Self { places: Arc::clone(places), bytes: bytes.into(), count })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.count > 0 {
            give_back(&self.places.reply_bytes, self.count);
        }
    }
}

impl MessageBody for Counted {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.bytes.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(self.bytes.split_to(piece))))
    }
}

/// Compresses the reply if it is long enough and the client takes it.
pub fn compress(request: &HttpRequest, reply: HttpResponse, from_bytes: usize) -> HttpResponse {
    let is_long = |bytes: u64| from_bytes > 0 && bytes >= from_bytes as u64;
    if !matches!(reply.body().size(), BodySize::Sized(bytes) if is_long(bytes)) {
        return reply;
    }
    let offered = [Encoding::gzip(), Encoding::identity()];
    let wanted = AcceptEncoding::parse(request).ok();
    let taken = wanted.and_then(|wanted| wanted.negotiate(offered.iter()));
    if taken != Some(Encoding::gzip()) {
        return reply;
    }
    let compressed = |head: &mut _, body| Encoder::response(ContentEncoding::Gzip, head, body);
    reply.map_body(compressed).map_into_boxed_body()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_long_reply_is_whole_and_counted_until_it_is_gone() {
        let places = Arc::<Places>::default();
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let reply = Counted::new(&places, bytes.clone(), 300_000, false).expect("there is room");
        assert_eq!(reply.size(), BodySize::Sized(200_000));
        assert!(Counted::new(&places, bytes.clone(), 300_000, false).is_none());
        assert!(Counted::new(&places, vec![0; 100], 1, false).is_some(), "short ones are free");
        let forced = Counted::new(&places, bytes.clone(), 300_000, true).expect("it is told");
        drop(forced);
        assert_eq!(to_bytes(reply).await.expect("it cannot fail"), bytes);
        assert_eq!(places.reply_bytes.load(Ordering::Relaxed), 0);
    }
}
