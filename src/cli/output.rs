//! Printing to standard output, where a reader that went away (`| head`) ends the command quietly.

use std::io::{self, Write};

use super::Failure;

/// Standard output for one listing. Flushes when dropped.
pub struct Output {
    out: io::BufWriter<io::Stdout>,
    closed: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self { out: io::BufWriter::new(io::stdout()), closed: false }
    }
}

impl Output {
    /// Nobody reads any more; there is no use in going on.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        self.heed(written)
    }

    /// Whole lines, as they are.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.out.write_all(text.as_bytes());
        self.heed(written)
    }

    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).expect("what is printed has text keys");
        self.line(&text)
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        self.heed(flushed)
    }

    fn heed(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::failed("writing the answer", error)),
        }
    }
}
