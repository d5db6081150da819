//! What is named and what is counted alone.

use super::{
    Command, Denial, Event, NAMED_MAX, NAMED_OF_CALLER_MAX, NOTED_AT_ONCE_MAX, Refusal, State,
    TEXT_BYTES_MAX,
};

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    let Command::Note { denials, others } = command;
    if denials.len() > NOTED_AT_ONCE_MAX || !denials.iter().all(is_short) {
        return Err(Refusal::TooMuch);
    }
    let (mut after, mut named, mut others) = (state.clone(), Vec::new(), *others);
    for denial in denials {
        let of_caller = after.of_callers.get(denial.by.as_str()).copied().unwrap_or(0);
        if after.named < NAMED_MAX && of_caller < NAMED_OF_CALLER_MAX {
            after.apply(&Event::DenialsNoted { denials: vec![denial.clone()], others: 0 });
            named.push(denial.clone());
        } else {
            others = others.saturating_add(denial.count.into());
        }
    }
    if named.is_empty() && others == 0 {
        return Ok(vec![]);
    }
    Ok(vec![Event::DenialsNoted { denials: named, others }])
}

fn is_short(denial: &Denial) -> bool {
    let Denial { by, on_behalf_of, session, action, thing, code, .. } = denial;
    let thing = thing.as_ref().map(|(kind, _)| kind);
    let texts =
        [Some(by), on_behalf_of.as_ref(), session.as_ref(), Some(action), thing, Some(code)];
    texts.into_iter().flatten().all(|text| text.len() <= TEXT_BYTES_MAX)
}
