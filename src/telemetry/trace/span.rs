//! A span as this program makes it: whole, when it has ended.

use std::borrow::Cow;
use std::time::SystemTime;

use super::{Context, send};

/// What a span is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answers somebody outside.
    Server,
    /// It asks somebody outside.
    Client,
    Internal,
}

/// A finished span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub context: Context,
    pub parent: Option<Context>,
    /// The parent is a span of another program.
    pub parent_is_remote: bool,
    pub began: SystemTime,
    pub ended: SystemTime,
    pub attributes: Vec<(&'static str, String)>,
    /// Spans that this one has to do with and is no part of.
    pub links: Vec<Context>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A span that has begun. One that is dropped before its end was never there.
#[must_use]
#[derive(Debug)]
pub struct OpenSpan(Box<Span>);

impl OpenSpan {
    /// Begins a span below `parent`, which is sampled; in a trace of its own without one.
    pub fn begin(name: impl Into<Cow<'static, str>>, parent: Option<Context>) -> Self {
        let now = SystemTime::now();
        Self(Box::new(Span {
            name: name.into(),
            kind: Kind::Internal,
            context: parent.map_or_else(Context::new_trace, |parent| parent.child()),
            parent,
            parent_is_remote: false,
            began: now,
            ended: now,
            attributes: Vec::new(),
            links: Vec::new(),
            error: None,
        }))
    }

    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub fn with_remote_parent(mut self) -> Self {
        self.0.parent_is_remote = self.0.parent.is_some();
        self
    }

    pub fn with_links(mut self, links: impl IntoIterator<Item = Context>) -> Self {
        self.0.links.extend(links);
        self
    }

    pub fn named(&mut self, name: String) {
        self.0.name = name.into();
    }

    pub fn set(&mut self, name: &'static str, value: impl ToString) {
        self.0.attributes.push((name, value.to_string()));
    }

    pub fn fail(&mut self, reason: impl ToString) {
        self.0.error = Some(reason.to_string());
    }

    pub fn context(&self) -> Context {
        self.0.context
    }

    /// What its children are told of it.
    pub fn traceparent(&self) -> String {
        self.0.context.to_string()
    }

    pub fn end(mut self) {
        self.0.ended = SystemTime::now();
        send(*self.0);
    }
}
