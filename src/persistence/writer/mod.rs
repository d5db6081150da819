//! The group-commit writer: a pure core that decides ([`lane`]) and a shell that performs
//! ([`shell`]).

pub mod lane;
pub mod shell;

#[cfg(test)]
mod tests;
