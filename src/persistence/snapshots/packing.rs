//! How a state becomes bytes and comes back: JSON, deflated where it is more than a little, cut
//! into chunks. Both ways run chunk by chunk: the JSON of a large state is never held whole.

use std::io::{self, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cause::Cause;

/// The longest chunk. A database whose packets end at a megabyte takes it with all that goes along.
pub const CHUNK_BYTES_MAX: usize = 512 << 10;
/// JSON up to this length stays as it is, for operators to read.
const PLAIN_BYTES_MAX: usize = 1 << 10;
/// JSON that is deflated at a time.
const GATHERED_BYTES: usize = 32 << 10;
/// What is at most this long is unpacked where it is asked for; what is longer on a thread of its
/// own, for that takes a while.
const AT_ONCE_BYTES_MAX: u64 = 64 << 10;

/// How the bytes of a state are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    /// Raw deflate, RFC 1951.
    Deflated,
}

impl Form {
    /// The number under which it is stored.
    pub fn number(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Deflated => 1,
        }
    }

    pub fn numbered(number: u64) -> Option<Self> {
        [Self::Json, Self::Deflated].into_iter().find(|form| u64::from(form.number()) == number)
    }
}

/// What is known of a state when its last chunk is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub form: Form,
    /// Of the JSON.
    pub bytes: u64,
}

/// A state on its way into a store. Its chunks are made on a thread of their own, at most one ahead
/// of who takes them.
pub struct Packing {
    chunks: mpsc::Receiver<Vec<u8>>,
    end: JoinHandle<Result<Summary, Cause>>,
}

impl Packing {
    /// Begins, on the current runtime.
    pub fn of<S: Serialize + Send + 'static>(state: S) -> Self {
        let (sender, chunks) = mpsc::channel(1);
        let end = tokio::task::spawn_blocking(move || {
            let mut packer = Packer::new(|chunk| {
                let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the chunks");
                sender.blocking_send(chunk).map_err(gone)
            });
            serde_json::to_writer(&mut packer, &state).map_err(Cause::of)?;
            packer.finish().map_err(Cause::of)
        });
        Self { chunks, end }
    }

    /// The next chunk; there is at least one, unless the state cannot be written as JSON.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.chunks.recv().await
    }

    /// Once there is no further chunk: what they are, or why they are not all there.
    pub async fn end(self) -> Result<Summary, Cause> {
        self.end.await.unwrap_or_else(|panic| Err(Cause::of(panic)))
    }

    /// All of it at once: for stores in memory.
    pub async fn whole(mut self) -> Result<Packed, Cause> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.next().await {
            chunks.push(chunk);
        }
        let Summary { form, bytes } = self.end().await?;
        Ok(Packed { form, bytes, chunks })
    }
}

/// A state as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    pub form: Form,
    /// Of the JSON.
    pub bytes: u64,
    pub chunks: Vec<Vec<u8>>,
}

impl Packed {
    /// The state in it.
    pub fn open<S: DeserializeOwned>(&self) -> Result<S, Cause> {
        let content = Chunks { chunks: &self.chunks, at: 0 };
        match self.form {
            Form::Json => read(content, self.bytes),
            Form::Deflated => read(DeflateDecoder::new(content), self.bytes),
        }
    }

    /// The same, without holding up others of this thread.
    pub async fn open_aside<S: DeserializeOwned + Send + 'static>(self) -> Result<S, Cause> {
        if self.bytes <= AT_ONCE_BYTES_MAX {
            return self.open();
        }
        let opening = tokio::task::spawn_blocking(move || self.open());
        opening.await.unwrap_or_else(|panic| Err(Cause::of(panic)))
    }
}

/// From a slice where it is short: that is twice as fast as from a stream.
fn read<S: DeserializeOwned>(mut content: impl Read, bytes: u64) -> Result<S, Cause> {
    if bytes <= AT_ONCE_BYTES_MAX {
        let mut json = Vec::with_capacity(usize::try_from(bytes).expect("it is short"));
        content.take(AT_ONCE_BYTES_MAX + 1).read_to_end(&mut json).map_err(Cause::of)?;
        return serde_json::from_slice(&json).map_err(Cause::of);
    }
    serde_json::from_reader(BufReader::new(&mut content)).map_err(Cause::of)
}

/// The bytes of chunks, one after another.
struct Chunks<'a> {
    chunks: &'a [Vec<u8>],
    /// Bytes of the first one that were read.
    at: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((first, rest)) = self.chunks.split_first() {
            let left = &first[self.at..];
            if left.is_empty() {
                (self.chunks, self.at) = (rest, 0);
                continue;
            }
            let count = left.len().min(buffer.len());
            buffer[..count].copy_from_slice(&left[..count]);
            self.at += count;
            return Ok(count);
        }
        Ok(0)
    }
}

/// Takes JSON and gives chunks to `sink`.
struct Packer<F: FnMut(Vec<u8>) -> io::Result<()>> {
    bytes: u64,
    stage: Stage<F>,
}

enum Stage<F: FnMut(Vec<u8>) -> io::Result<()>> {
    /// It may still turn out to be little.
    Little { json: Vec<u8>, cutter: Option<Cutter<F>> },
    /// The encoder clears its whole output buffer for each write, and JSON comes in words: they are
    /// gathered.
    Much(BufWriter<DeflateEncoder<Cutter<F>>>),
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Packer<F> {
    fn new(sink: F) -> Self {
        let cutter = Some(Cutter { chunk: Vec::new(), sink });
        Self { bytes: 0, stage: Stage::Little { json: Vec::new(), cutter } }
    }

    fn finish(self) -> io::Result<Summary> {
        let bytes = self.bytes;
        let (form, mut cutter) = match self.stage {
            Stage::Little { json, cutter } => {
                let mut cutter = cutter.expect("it is taken where there is much");
                cutter.write_all(&json)?;
                (Form::Json, cutter)
            }
            Stage::Much(encoder) => {
                let encoder = encoder.into_inner().map_err(io::IntoInnerError::into_error)?;
                (Form::Deflated, encoder.finish()?)
            }
        };
        cutter.cut()?;
        Ok(Summary { form, bytes })
    }
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Packer<F> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.bytes += part.len() as u64;
        match &mut self.stage {
            Stage::Little { json, .. } if json.len() + part.len() <= PLAIN_BYTES_MAX => {
                json.extend_from_slice(part);
            }
            Stage::Little { json, cutter } => {
                let cutter = cutter.take().expect("it is taken once");
                let encoder = DeflateEncoder::new(cutter, Compression::fast());
                let mut encoder = BufWriter::with_capacity(GATHERED_BYTES, encoder);
                encoder.write_all(json)?;
                encoder.write_all(part)?;
                self.stage = Stage::Much(encoder);
            }
            Stage::Much(encoder) => encoder.write_all(part)?,
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts bytes into chunks.
struct Cutter<F: FnMut(Vec<u8>) -> io::Result<()>> {
    chunk: Vec<u8>,
    sink: F,
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Cutter<F> {
    fn cut(&mut self) -> io::Result<()> {
        (self.sink)(std::mem::take(&mut self.chunk))
    }
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Cutter<F> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES_MAX {
            self.cut()?;
        }
        let count = part.len().min(CHUNK_BYTES_MAX - self.chunk.len());
        self.chunk.extend_from_slice(&part[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that do not repeat.
    fn texts(count: u64) -> Vec<String> {
        let text = |number: u64| format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        (0..count).map(text).collect()
    }

    #[tokio::test]
    async fn a_state_of_any_size_comes_back() {
        for (count, form) in [(0, Form::Json), (40, Form::Json), (100, Form::Deflated)] {
            let packed = Packing::of(texts(count)).whole().await.expect("it packs");
            assert_eq!((packed.form, packed.chunks.len()), (form, 1), "{count}");
            assert_eq!(packed.open::<Vec<String>>().expect("it opens"), texts(count));
        }
        let packed = Packing::of(texts(200_000)).whole().await.expect("it packs");
        assert!(packed.chunks.len() > 2 && packed.bytes > 3_000_000, "{}", packed.chunks.len());
        assert!(packed.chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES_MAX));
        let size: usize = packed.chunks.iter().map(Vec::len).sum();
        assert!((size as u64) < packed.bytes * 7 / 10, "{size} of {}", packed.bytes);
        let opened: Vec<String> = packed.open_aside().await.expect("it opens");
        assert!(opened == texts(200_000));
    }

    #[tokio::test]
    async fn what_is_cut_short_or_too_long_is_an_error() {
        let mut packed = Packing::of(texts(200_000)).whole().await.expect("it packs");
        packed.chunks.pop();
        assert!(packed.open::<Vec<String>>().is_err());
        let mut packed = Packing::of(texts(10)).whole().await.expect("it packs");
        packed.chunks.push(b"]".to_vec());
        assert!(packed.open::<Vec<String>>().is_err());
    }

    #[tokio::test]
    async fn who_takes_no_more_ends_the_packing() {
        let mut packing = Packing::of(texts(400_000));
        packing.next().await.expect("a chunk");
        packing.chunks.close();
        while packing.next().await.is_some() {}
        assert!(packing.end().await.is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_written_as_json_says_so() {
        let mut packing = Packing::of(std::collections::BTreeMap::from([((1, 2), 3)]));
        assert_eq!(packing.next().await, None);
        let error = packing.end().await.expect_err("no such key");
        assert!(error.to_string().contains("key"), "{error}");
    }
}
