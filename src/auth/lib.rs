//! Who asks: the [`Principal`] that every request runs as. Reads no token yet; it never decides
//! what a principal may do to one aggregate.

use std::sync::Arc;

use domain::principal::Principal as Identity;

/// Whoever a request runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who that is, in the metadata of events; scopes idempotency keys.
    pub identity: Arc<Identity>,
    permissions: &'static [Permission],
}

/// What a root field of the API needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To see what aggregates and views hold.
    Read,
    /// To send commands to aggregates.
    Write,
    /// To look after the actors themselves.
    Operate,
}

impl Principal {
    /// Who everybody is on a server that was started to be tried out: may do everything.
    pub fn demo() -> Self {
        use Permission::{Operate, Read, Write};
        Self { identity: Identity::client("demo"), permissions: &[Read, Write, Operate] }
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
