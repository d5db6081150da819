//! Sagas on a running node: every checkout and every registration ends, whatever dies when.

mod checkout;
mod registration;
mod shop;
