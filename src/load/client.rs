//! The public API as this program asks it, and what an answer means: done, refused, not by this
//! try, or not known. Retries what may be retried, always with the same idempotency key, a bounded
//! number of times. Knows no scenario.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::LoadError;
use super::meter::Meter;
use super::pool::{Broken, Pool, Target};

/// Tries after one whose outcome is not known; then the operation is counted as unknown.
const UNSURE_TRIES: u32 = 5;
/// Tries after one that was turned away, in the closed loop.
const BUSY_TRIES: u32 = 10;
/// The longest pause before another try, whatever the server asks for.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The first pause where the server does not say; each one after it is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// What is shown of a reply that cannot be read, in characters.
const SHOWN_MAX: usize = 200;

/// Our words for what has no code of the server.
pub const NOT_CONNECTED: &str = "NOT_CONNECTED";
pub const NO_ANSWER: &str = "NO_ANSWER";
pub const UNREADABLE: &str = "UNREADABLE_REPLY";
pub const WRONG_ANSWER: &str = "WRONG_ANSWER";
pub const NOT_STARTED: &str = "NOT_STARTED";

pub const OVERLOADED: &str = "OVERLOADED";
const UNAVAILABLE: &str = "UNAVAILABLE";
const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";

/// Cheap to share; one for a whole run.
pub struct Api {
    pool: Pool,
    url: String,
}

/// Whether to come back when told to: in an open loop the next start is due anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    ComesBack,
    GivesUp,
}

/// What a request that was tried as often as it should be came to.
#[derive(Debug)]
pub enum Told<T> {
    Answer(T),
    /// It may have happened.
    Unknown,
    /// It did not happen, for a reason with this code.
    Failed {
        code: String,
        message: String,
    },
}

/// What one try came to.
enum Tried<T> {
    Answer(T),
    Fault {
        code: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// It never left.
    Unsent(String),
    /// It left, and no answer came.
    Lost(String),
}

/// Where there are errors the data need not have the shape of an answer: it is read after them.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Extensions {
    code: Option<String>,
    /// Milliseconds.
    retry_after: Option<u64>,
}

impl Api {
    pub fn new(target: Target) -> Self {
        Self { url: target.url.clone(), pool: Pool::new(target) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a command until it is clear what became of it, or long enough. The body holds the
    /// idempotency key, so every try is the same command. Each answer that is a fault is counted.
    pub async fn tell<T: DeserializeOwned>(
        &self,
        body: Bytes,
        patience: Patience,
        meter: &Meter,
    ) -> Told<T> {
        let (mut unsure, mut unsure_tries, mut busy_tries) = (false, 0, 0);
        loop {
            let sent = Instant::now();
            let (code, message, pause) = match self.send(body.clone()).await {
                Tried::Answer(answer) => return Told::Answer(answer),
                Tried::Fault { code, message, retry_after } => {
                    if code == OVERLOADED {
                        meter.turned_away(&code, sent.elapsed(), retry_after.is_some());
                    } else {
                        meter.fault(&code);
                    }
                    unsure |= code == OUTCOME_UNKNOWN;
                    (code, message, retry_after)
                }
                Tried::Unsent(message) => {
                    meter.fault(NOT_CONNECTED);
                    (NOT_CONNECTED.to_owned(), message, None)
                }
                Tried::Lost(message) => {
                    meter.fault(NO_ANSWER);
                    unsure = true;
                    (NO_ANSWER.to_owned(), message, None)
                }
            };
            // That this try did nothing says nothing of an earlier one with the same key.
            if unsure {
                unsure_tries += 1;
                if unsure_tries > UNSURE_TRIES {
                    return Told::Unknown;
                }
            } else {
                let passes = [OVERLOADED, UNAVAILABLE, NOT_CONNECTED].contains(&code.as_str());
                busy_tries += 1;
                if !passes || patience == Patience::GivesUp || busy_tries > BUSY_TRIES {
                    return Told::Failed { code, message };
                }
            }
            let tries = unsure_tries + busy_tries;
            let pause = pause.unwrap_or_else(|| PAUSE * 2_u32.pow(tries.min(5) - 1));
            tokio::time::sleep(pause.min(PAUSE_MAX)).await;
        }
    }

    /// The same for what must succeed: preparing a run, reading back what it did.
    pub async fn need<T: DeserializeOwned>(&self, what: &str, body: Bytes) -> Result<T, LoadError> {
        // Not part of what is measured.
        let aside = Meter::begin(Instant::now());
        match self.tell(body, Patience::ComesBack, &aside).await {
            Told::Answer(answer) => Ok(answer),
            Told::Unknown => Err(LoadError::Failed(format!(
                "{what}: {} does not answer; look at its log, and try again",
                self.url
            ))),
            Told::Failed { code, message } if code == NOT_CONNECTED => {
                Err(LoadError::Failed(format!(
                    "cannot reach {}: {message}; start it with `emporium serve --demo`, or say \
                     where it is with --url",
                    self.url
                )))
            }
            Told::Failed { code, message } if code == "UNAUTHENTICATED" => {
                Err(LoadError::Failed(format!(
                    "{what}: {message} ({code}); load tests need --token, such as \
                     `emporium user token administrator` prints"
                )))
            }
            Told::Failed { code, message } => {
                Err(LoadError::Failed(format!("{what}: {message} ({code})")))
            }
        }
    }

    async fn send<T: DeserializeOwned>(&self, body: Bytes) -> Tried<T> {
        let (status, bytes) = match self.pool.post(body).await {
            Ok(answer) => answer,
            Err(Broken::Unsent(message)) => return Tried::Unsent(message),
            Err(Broken::Lost(message)) => return Tried::Lost(message),
        };
        let unreadable = |error: serde_json::Error| {
            let shown: String = String::from_utf8_lossy(&bytes).chars().take(SHOWN_MAX).collect();
            let message = format!("HTTP {status}, {error}: {shown}");
            Tried::Fault { code: UNREADABLE.to_owned(), message, retry_after: None }
        };
        let envelope = match serde_json::from_slice::<Envelope>(&bytes) {
            Ok(envelope) => envelope,
            Err(error) => return unreadable(error),
        };
        match (envelope.errors.into_iter().next(), envelope.data) {
            (Some(fault), _) => Tried::Fault {
                code: fault.extensions.code.unwrap_or_else(|| "NO_CODE".to_owned()),
                message: fault.message,
                retry_after: fault.extensions.retry_after.map(Duration::from_millis),
            },
            (None, Some(data)) => {
                serde_json::from_str(data.get()).map_or_else(unreadable, Tried::Answer)
            }
            (None, None) => Tried::Fault {
                code: UNREADABLE.to_owned(),
                message: format!("HTTP {status} with neither data nor errors"),
                retry_after: None,
            },
        }
    }
}

/// A body of which all but a few pieces is the same for every request: written once, filled in
/// between. The document holds no character that JSON escapes.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<String>,
}

impl Template {
    /// `variables` is JSON in which each `$` stands for a piece that is filled in.
    pub fn new(document: &str, variables: &str) -> Self {
        debug_assert!(!document.contains(['"', '\\', '\n']), "{document}");
        let pieces: Vec<String> = variables.split('$').map(str::to_owned).collect();
        let mut all = vec![format!("{{\"query\":\"{document}\",\"variables\":{}", pieces[0])];
        all.extend(pieces.into_iter().skip(1));
        all.last_mut().expect("there is a first piece").push('}');
        Self { pieces: all }
    }

    /// The body with the gaps filled in, in a buffer that is used again once the body was sent.
    /// What is filled in is our own: it needs no escape.
    pub fn fill(&self, buffer: &mut BytesMut, gaps: &[&dyn std::fmt::Display]) -> Bytes {
        use std::fmt::Write;
        debug_assert_eq!(gaps.len() + 1, self.pieces.len());
        buffer.clear();
        buffer.extend_from_slice(self.pieces[0].as_bytes());
        for (gap, piece) in gaps.iter().zip(&self.pieces[1..]) {
            write!(buffer, "{gap}").expect("a buffer grows");
            buffer.extend_from_slice(piece.as_bytes());
        }
        buffer.split().freeze()
    }
}

/// A refusal in the reply to a mutation.
#[derive(Clone, Debug, Deserialize)]
pub struct UserError {
    pub code: String,
    /// Of `STOCK_INSUFFICIENT`, where it was asked for.
    #[serde(default)]
    pub available: Option<i64>,
    /// Of `SLOT_TAKEN`, where it was asked for.
    #[serde(default)]
    pub by: Option<String>,
}

/// What a document with one mutation, or one question, called `payload` is answered with.
#[derive(Debug, Deserialize)]
pub struct Data<P> {
    pub payload: P,
}

/// What every mutation answers; the more particular answers hold the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    pub user_errors: Vec<UserError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in() {
        let template = Template::new("{ a }", r#"{"k":"$","n":$}"#);
        let mut buffer = BytesMut::new();
        let body = template.fill(&mut buffer, &[&"key", &7]);
        assert_eq!(&body[..], br#"{"query":"{ a }","variables":{"k":"key","n":7}}"#);
        let fixed = Template::new("{ a }", "{}").fill(&mut buffer, &[]);
        assert_eq!(&fixed[..], br#"{"query":"{ a }","variables":{}}"#);
    }

    #[test]
    fn faults_and_data_are_read() {
        let text = r#"{"errors":[{"message":"m","extensions":{"code":"OVERLOADED","retryAfter":50}}],"data":null}"#;
        let read: Envelope = serde_json::from_str(text).expect("an envelope");
        assert!(read.data.is_none());
        assert_eq!(read.errors[0].extensions.retry_after, Some(50));
        // A field that failed is null, and no answer.
        let text = r#"{"errors":[{"message":"m","extensions":{"code":"OVERLOADED"}}],"data":{"payload":null}}"#;
        let read: Envelope = serde_json::from_str(text).expect("an envelope");
        assert_eq!(read.errors[0].extensions.code.as_deref(), Some("OVERLOADED"));
        let text = r#"{"data":{"payload":{"userErrors":[{"code":"NO","available":3}]}}}"#;
        let read: Envelope = serde_json::from_str(text).expect("an envelope");
        let data: Data<Payload> =
            serde_json::from_str(read.data.expect("data").get()).expect("a payload");
        assert_eq!(data.payload.user_errors[0].available, Some(3));
    }
}
