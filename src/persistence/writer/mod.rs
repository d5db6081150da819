//! The group-commit writer: a pure core that decides ([`lane`]) and a shell that performs.

pub mod lane;

#[cfg(test)]
mod tests;
