//! Sagas on a running node: every checkout and every registration ends, whatever dies when.

mod checkout;
mod proof;
mod registration;
mod shop;
mod transfer;
