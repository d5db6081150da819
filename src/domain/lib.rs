//! The rules of the shop. Pure: no async, SQL, HTTP, clock or randomness here; time and ids come
//! in as arguments and events leave as data. Nothing in this room knows any other room.

pub mod aggregate;
pub mod question;
pub mod email;
pub mod event_name;
pub mod id;
pub mod money;
pub mod tax;
pub mod principal;
pub mod text;
pub mod language;
pub mod sealed;

pub mod access;
pub mod commerce;
pub mod messaging;
pub mod products;
pub mod scheduling;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
