//! The program: parses the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use emporium::app;
use emporium::cli::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::run(Arguments::parse())
}
