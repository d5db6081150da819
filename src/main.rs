//! The program: parses the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use emporium::app;
use emporium::cli::Arguments;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    app::run(Arguments::parse())
}
