//! The command line of Gengfu; see `gengfu --help`.

fn main() -> std::process::ExitCode {
    gengfu::cli::main()
}
