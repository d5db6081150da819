//! What is kept with each command beside its events, and how it is written. Ids stand in the form
//! in which logs and answers show them, so that what an operator copies from one is found in the
//! other; what follows from the rest is left out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

use super::write_json;
use domain::event_name::EventName;
use domain::principal::Principal;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// The try that decided this. Left out where the command has a cause: it follows from that.
    pub command_id: Option<Uuid>,
    /// The idempotency key, at most [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX) bytes.
    pub key: Option<Arc<str>>,
    /// A keyed hash of what was asked for; tells a repeated command from another with the same key,
    /// and nobody without the secret anything.
    pub input_hash: Option<u64>,
    /// What business this belongs to. Left out where that is the aggregate of the cause or, without
    /// a cause, the aggregate of these events.
    pub correlation_id: Option<Uuid>,
    pub cause: Option<Cause>,
    pub principal: Arc<Principal>,
    /// W3C `traceparent`, where the caller sent one.
    pub trace: Option<Arc<str>>,
}

/// The event that a command followed from.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// An earlier one of the same aggregate.
    Here(u64),
    Elsewhere(EventName),
}

/// The idempotency key of a step that follows from an event: `step` is its place among those that
/// do. It is stored as that number.
pub fn step_key(cause: &EventName, step: u32) -> String {
    format!("{cause}#{step}")
}

impl Meta {
    /// What is kept of a command's id, correlation and cause, where it is decided by `on`.
    pub fn of(
        on: (&str, Uuid),
        command_id: Uuid,
        correlation_id: Uuid,
        cause: Option<EventName>,
    ) -> (Option<Uuid>, Option<Uuid>, Option<Cause>) {
        let (kind, id) = on;
        let usual = cause.as_ref().map_or(id, |cause| cause.aggregate.0);
        let correlation_id = Some(correlation_id).filter(|correlation| *correlation != usual);
        let command_id = cause.is_none().then_some(command_id);
        let cause = cause.map(|cause| {
            let here = cause.kind == kind && cause.aggregate.0 == id;
            if here { Cause::Here(cause.version) } else { Cause::Elsewhere(cause) }
        });
        (command_id, correlation_id, cause)
    }

    /// Appends it as a JSON object.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let principal = &*self.principal;
        buffer.extend_from_slice(br#"{"by":"#);
        write_text(buffer, principal.kind.name(), ":", &principal.subject);
        let texts = [("for", &principal.on_behalf_of), ("session", &principal.session)];
        for (name, text) in texts {
            write_field(buffer, name, text.as_deref());
        }
        write_id(buffer, "command", self.command_id);
        match self.step() {
            Some(step) => write_field(buffer, "step", Some(&step)),
            None => write_field(buffer, "key", self.key.as_deref()),
        }
        if let Some(hash) = self.input_hash {
            let mut text = String::with_capacity(16);
            write!(text, "{hash:016x}").expect("a string takes it");
            write_field(buffer, "hash", Some(text.as_str()));
        }
        write_id(buffer, "correlation", self.correlation_id);
        match &self.cause {
            Some(Cause::Here(version)) => write_field(buffer, "cause", Some(version)),
            Some(Cause::Elsewhere(name)) => {
                write_field(buffer, "cause", Some(name.to_string().as_str()));
            }
            None => {}
        }
        write_field(buffer, "trace", self.trace.as_deref());
        buffer.push(b'}');
    }

    /// The step whose key this is, if it is one.
    fn step(&self) -> Option<u32> {
        let Some(Cause::Elsewhere(cause)) = &self.cause else { return None };
        let (_, step) = self.key.as_deref()?.rsplit_once('#')?;
        let step = step.parse().ok()?;
        (self.key.as_deref() == Some(&step_key(cause, step))).then_some(step)
    }
}

fn write_field<T: serde::Serialize + ?Sized>(buffer: &mut Vec<u8>, name: &str, value: Option<&T>) {
    let Some(value) = value else { return };
    name_field(buffer, name);
    write_json(buffer, value);
}

fn name_field(buffer: &mut Vec<u8>, name: &str) {
    buffer.extend_from_slice(br#",""#);
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(br#"":"#);
}

fn write_id(buffer: &mut Vec<u8>, name: &str, id: Option<Uuid>) {
    let Some(id) = id else { return };
    name_field(buffer, name);
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.as_hyphenated().encode_lower(&mut text);
    buffer.push(b'"');
    buffer.extend_from_slice(text.as_bytes());
    buffer.push(b'"');
}

/// One JSON string of three parts, the first two of which need no escapes.
fn write_text(buffer: &mut Vec<u8>, first: &str, second: &str, last: &str) {
    let opened = buffer.len();
    write_json(buffer, last);
    debug_assert_eq!(buffer[opened], b'"');
    let before = first.bytes().chain(second.bytes());
    buffer.splice(opened + 1..opened + 1, before);
}

/// The object as it stands in the text.
#[derive(Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    by: Cow<'a, str>,
    #[serde(rename = "for")]
    on_behalf_of: Option<Arc<str>>,
    session: Option<Arc<str>>,
    command: Option<Uuid>,
    key: Option<Arc<str>>,
    step: Option<u32>,
    #[serde(borrow)]
    hash: Option<Cow<'a, str>>,
    correlation: Option<Uuid>,
    #[serde(borrow)]
    cause: Option<SaidCause<'a>>,
    trace: Option<Arc<str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SaidCause<'a> {
    Here(u64),
    #[serde(borrow)]
    Elsewhere(Cow<'a, str>),
}

/// Neighbours are mostly asked by the same: their principal is made once.
#[derive(Default)]
pub(super) struct LastPrincipal(Option<(String, Arc<Principal>)>);

impl LastPrincipal {
    fn of(&mut self, said: &Said<'_>) -> Result<Arc<Principal>, String> {
        let alone = said.on_behalf_of.is_none() && said.session.is_none();
        if let Some((by, principal)) = &self.0
            && alone
            && *by == said.by
        {
            return Ok(Arc::clone(principal));
        }
        let principal = Principal::parse(&said.by)
            .ok_or_else(|| format!("{:?} names no principal", said.by))?;
        let principal = Arc::new(Principal {
            on_behalf_of: said.on_behalf_of.clone(),
            session: said.session.clone(),
            ..principal
        });
        if alone {
            self.0 = Some((said.by.clone().into_owned(), Arc::clone(&principal)));
        }
        Ok(principal)
    }
}

impl Said<'_> {
    pub(super) fn read(self, last: &mut LastPrincipal) -> Result<Meta, String> {
        let principal = last.of(&self)?;
        let cause = match self.cause {
            None => None,
            Some(SaidCause::Here(version)) => Some(Cause::Here(version)),
            Some(SaidCause::Elsewhere(name)) => {
                Some(Cause::Elsewhere(name.parse().map_err(|error| format!("{error}"))?))
            }
        };
        let key = match (self.key, self.step, &cause) {
            (key, None, _) => key,
            (None, Some(step), Some(Cause::Elsewhere(cause))) => Some(step_key(cause, step).into()),
            _ => return Err("a step of no cause".to_owned()),
        };
        let read_hash = |text: Cow<'_, str>| {
            u64::from_str_radix(&text, 16).map_err(|_| format!("{text:?} is no hash"))
        };
        Ok(Meta {
            command_id: self.command,
            key,
            input_hash: self.hash.map(read_hash).transpose()?,
            correlation_id: self.correlation,
            cause,
            principal,
            trace: self.trace,
        })
    }
}
