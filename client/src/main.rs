//! The `keybackup` command: all of it is in the library.

fn main() -> std::process::ExitCode {
    keybackup::commands::main()
}
