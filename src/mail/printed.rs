//! Where no mail server is named, letters are printed on standard output: to try it out, and for whoever runs a
//! shop of one. Never in the log.

use std::io::Write;

use async_trait::async_trait;

use crate::{Carrier, Letter, NotCarried};

/// See the module.
pub struct Printed;

#[async_trait]
impl Carrier for Printed {
    async fn carry(&self, letter: &Letter) -> Result<(), NotCarried> {
        let Letter { to, subject, text } = letter;
        // In one piece: others print, too.
        let printed = format!("--- a letter to {to}: {subject}\n{text}---\n");
        let mut out = std::io::stdout().lock();
        let written = out.write_all(printed.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| NotCarried::Never(error.into()))
    }
}
