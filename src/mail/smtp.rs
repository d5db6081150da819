//! Letters by SMTP (RFC 5321): over TLS, or in the clear to a server on this very machine. One connection a letter:
//! there are few.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::{Carrier, Letter, NotCarried};

/// For each step of the conversation.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// For all of it.
const WITHIN: Duration = Duration::from_secs(30);

/// Why a server or a sender is of no use, and what would be right.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    #[error(
        "expected smtps://USER:PASSWORD@HOST, or smtp://HOST?tls=required; smtp:// without it to this machine only"
    )]
    Server,
    #[error("expected an address, such as \"Emporium <no-reply@shop.example>\"")]
    Sender,
}

/// See the module.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// Connects nowhere yet. `url` may hold a password.
    pub fn new(url: &str, from: &str) -> Result<Self, Unusable> {
        if !is_private(url) {
            return Err(Unusable::Server);
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let builder = builder.map_err(|_| Unusable::Server)?;
        let from = from.parse().map_err(|_| Unusable::Sender)?;
        Ok(Self { transport: builder.timeout(Some(STEP_WITHIN)).build(), from })
    }

    fn message(&self, letter: &Letter) -> Result<Message, NotCarried> {
        let never = |error: Box<dyn std::error::Error + Send + Sync>| NotCarried::Never(error);
        let to: Address = letter.to.parse().map_err(|error| never(Box::new(error)))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .header(ContentTransferEncoding::QuotedPrintable)
            // Nobody answers it by a machine (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .body(letter.text.clone())
            .map_err(|error| never(Box::new(error)))
    }
}

#[async_trait]
impl Carrier for Smtp {
    async fn carry(&self, letter: &Letter) -> Result<(), NotCarried> {
        let sent = self.transport.send(self.message(letter)?);
        match tokio::time::timeout(WITHIN, sent).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(NotCarried::Never(error.into())),
            Ok(Err(error)) => Err(NotCarried::Later(error.into())),
            Err(elapsed) => Err(NotCarried::Later(elapsed.into())),
        }
    }
}

/// Whether nobody in between reads what opens accounts.
fn is_private(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_here = host == "localhost" || host.parse().is_ok_and(|it: IpAddr| it.is_loopback());
    match scheme {
        "smtps" => true,
        "smtp" => is_here || query.split('&').any(|pair| pair == "tls=required"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "Emporium <no-reply@shop.example>";

    #[test]
    fn letters_leave_over_tls_or_stay_on_this_machine() {
        for (url, is_right) in [
            ("smtps://u:p@mail.example", true),
            ("smtp://u:p@mail.example:587?tls=required", true),
            ("smtp://127.0.0.1:2525", true),
            ("smtp://localhost", true),
            ("smtp://[::1]:25", true),
            ("smtp://mail.example", false),
            ("smtp://u:p@mail.example?tls=opportunistic", false),
            ("smtp://127.0.0.1@mail.example", false),
            ("smtp://127.0.0.1.example", false),
            ("http://127.0.0.1", false),
            ("mail.example", false),
        ] {
            assert_eq!(Smtp::new(url, FROM).is_ok(), is_right, "{url}");
        }
        assert_eq!(Smtp::new("smtp://localhost", "nobody").err(), Some(Unusable::Sender));
    }

    #[test]
    fn a_letter_has_no_head_but_its_own() {
        let smtp = Smtp::new("smtp://localhost", FROM).expect("both are right");
        let letter = |to: &str, subject: &str| Letter {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n".to_owned(),
        };
        let whole = smtp.message(&letter("ada@example.com", "Hi\r\nBcc: eve@example.com"));
        let whole = String::from_utf8(whole.expect("a letter").formatted()).expect("ASCII");
        assert!(!whole.contains("\nBcc"), "{whole}");
        assert!(whole.contains("To: ada@example.com\r\n") && whole.contains("=C3=BC"), "{whole}");
        for to in ["ada@example.com, eve@example.com", "ada@example.com\r\nBcc: e@x.example", ""] {
            assert!(smtp.message(&letter(to, "Hi")).is_err(), "{to}");
        }
    }
}
