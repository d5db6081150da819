//! The program: parses the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use emporium::cli::Arguments;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    emporium::bootstrap::run(Arguments::parse())
}
