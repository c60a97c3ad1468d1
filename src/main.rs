//! The command line, then one call into `boot`.

fn main() -> std::process::ExitCode {
    sitekeep::boot::main()
}
