//! Sagas on a running node: every checkout and every registration ends, whatever dies when.

mod checkout;
mod owners;
mod proof;
mod registration;
mod shop;
mod transfer;
