//! The server's binary: all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    keybackup_server::cli::main()
}
