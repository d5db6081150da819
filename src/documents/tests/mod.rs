//! Tests of the room against a small schema that has a case of everything, and of that against
//! graphql-js, which runs the specification's own algorithms.

mod laid_out;
mod limits;
mod generator;
mod literals;
mod graphql_js;
mod mirror;
mod differential;
