//! Which versions of this program may share a database, and what they may write into it. Pure: the
//! row is read and changed by the adapters.
//!
//! What is stored has a *form*, a number that a minor version raises when it adds to it. Two forms
//! run side by side while nodes are replaced one by one: the newer program adds its tables at once,
//! which the older one does not miss, but writes what the older one cannot read only after an
//! operator has said that none of those will come back.

/// The form that this program knows.
pub const FORM: u32 = 1;

/// What a database says of the programs that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterVersion {
    /// The form that the tables have been brought to, by the newest program that was here.
    pub tables: u32,
    /// What is written may be of this form or an older one.
    pub written: u32,
}

/// Why a program must not use a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooNew {
    #[error(
        "its tables have form {tables}, and this version knows form {known} and serves at most one \
         form more: start the version that made them, or the one before that"
    )]
    Tables { tables: u32, known: u32 },
    #[error(
        "what is written into it has form {written} since an operator said so, and this version \
         reads form {known} at most: start a newer version"
    )]
    Written { written: u32, known: u32 },
}

impl ClusterVersion {
    /// Whether a program that knows `form` may use the database.
    pub fn admits(self, form: u32) -> Result<(), TooNew> {
        let Self { tables, written } = self;
        if written > form {
            return Err(TooNew::Written { written, known: form });
        }
        if tables > form + 1 {
            return Err(TooNew::Tables { tables, known: form });
        }
        Ok(())
    }

    /// Whether every program that may use the database can read this form: only then may it be
    /// written.
    pub fn may_write(self, form: u32) -> bool {
        form <= self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_ahead_is_served_and_two_are_not_nor_what_cannot_be_read() {
        let database = |tables, written| ClusterVersion { tables, written };
        for (version, known, admitted) in [
            (database(1, 1), 1, Ok(())),
            (database(2, 1), 1, Ok(())),
            (database(3, 1), 1, Err(TooNew::Tables { tables: 3, known: 1 })),
            (database(2, 2), 1, Err(TooNew::Written { written: 2, known: 1 })),
            (database(1, 1), 5, Ok(())),
            (database(5, 4), 4, Ok(())),
        ] {
            assert_eq!(version.admits(known), admitted, "{version:?} for form {known}");
        }
        assert!(database(2, 1).may_write(1) && !database(2, 1).may_write(2));
    }
}
