//! What a message makes of what is told to it: what comes again changes nothing.

use super::{
    Command, Content, Event, Phase, RETRIES, Refusal, State, TEXT_CHARACTERS_MAX, UNREADABLE,
    UNRELATED, message_id,
};
use crate::checkout::Checkout;
use crate::saga::{Saga, Standing};
use domain::aggregate::Context;
use domain::text::TextRule;

const SOURCE: TextRule = TextRule::line("source", TEXT_CHARACTERS_MAX);
const EVENT: TextRule = TextRule::line("event", TEXT_CHARACTERS_MAX);
const CODE: TextRule = TextRule::line("code", TEXT_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", TEXT_CHARACTERS_MAX);

type Decided = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, command: &Command, context: &Context) -> Decided {
    if let Command::Receive { source, event, content } = command {
        return receive(state, context, source, event, content);
    }
    if state.content.is_none() {
        return Err(Refusal::NotFound);
    }
    let is_over = state.phase != Phase::Applying;
    match command {
        Command::Receive { .. } => Ok(Vec::new()),
        Command::RecordApplied if is_over => Ok(Vec::new()),
        Command::RecordApplied => Ok(vec![Event::MessageApplied {}]),
        Command::RecordRefused { .. } | Command::RecordFailure { .. }
            if is_over || state.stalled =>
        {
            Ok(Vec::new())
        }
        Command::RecordRefused { code } => {
            Ok(vec![Event::MessageParked { error: CODE.read(code)? }])
        }
        Command::RecordFailure { error } => {
            let error = CODE.read(error)?;
            Ok(vec![match RETRIES.again(state.attempts, context.now) {
                Some((attempt, next_at)) => Event::MessageFailed { attempt, next_at, error },
                None => Event::MessageParked { error },
            }])
        }
        Command::Drop { reason } => {
            let reason = REASON.read(reason)?;
            match state.phase {
                Phase::Applied => Err(state.illegal("be dropped")),
                Phase::Dropped => Ok(Vec::new()),
                _ => Ok(vec![Event::MessageDropped { reason }]),
            }
        }
        Command::Retry if is_over => Err(state.illegal("be applied again")),
        Command::Retry if !state.says_something() => Err(Refusal::Unreadable),
        Command::Retry if state.stalled || state.next_at.is_some() => {
            Ok(vec![Event::MessageResumed {}])
        }
        Command::Retry => Err(Refusal::UnderWay),
    }
}

fn receive(
    state: &State,
    context: &Context,
    source: &str,
    event: &str,
    content: &Content,
) -> Decided {
    let (source, event) = (SOURCE.read(source)?, EVENT.read(event)?);
    if context.aggregate_id != message_id(&source, &event) {
        return Err(Refusal::WrongIdentity);
    }
    match &state.content {
        Some(known) if known == content => return Ok(Vec::new()),
        // Who could not read it then knows nothing of what it said.
        Some(_) if *content == (Content::Unreadable {}) => return Ok(Vec::new()),
        Some(Content::Unreadable {}) if state.phase == Phase::Applying => {}
        Some(Content::Unreadable {}) => return Ok(Vec::new()),
        Some(_) => return Err(Refusal::Conflict),
        None => {}
    }
    let problem = match content {
        Content::Unreadable {} => Some(UNREADABLE),
        content => (!content.is_related()).then_some(UNRELATED),
    };
    let mut events = vec![Event::MessageReceived { source, event, content: content.clone() }];
    events.extend(problem.map(|error| Event::MessageParked { error: error.to_owned() }));
    Ok(events)
}

impl Content {
    /// Whether it speaks of something that may be here.
    fn is_related(&self) -> bool {
        match self {
            Self::Payment { reference, outcome } => Checkout::noticed(reference, outcome).is_some(),
            Self::Unreadable {} => false,
        }
    }
}

impl State {
    /// Whether there is something to apply.
    pub(super) fn says_something(&self) -> bool {
        self.content.as_ref().is_some_and(Content::is_related)
    }

    /// How it stands between two tries.
    pub(super) fn standing(&self) -> Standing {
        let Self { stalled, attempts, next_at, .. } = *self;
        Standing { is_over: self.phase != Phase::Applying, stalled, attempts, next_at }
    }

    fn illegal(&self, command: &'static str) -> Refusal {
        Refusal::IllegalTransition { phase: self.phase, command: command.into() }
    }
}
