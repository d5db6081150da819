//! The program as its users start it: real processes, real signals, real files.

mod attacks;
mod cluster;
mod configuration;
mod databases;
mod door;
mod faults;
mod inbox;
mod journal;
mod keycloak;
mod letters;
mod live;
mod load;
mod nodes;
mod npm;
mod openid;
mod personal;
mod process;
mod projections;
mod restart;
mod searching;
mod secrets;
mod serving;
mod sign_in;
mod tokens;
mod walkthrough;
mod webhooks;
