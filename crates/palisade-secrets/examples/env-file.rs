//! Writes a file of variables with fresh secrets: `cargo run -p palisade-secrets --example env-file -- staging .env`.

use std::process::ExitCode;

use palisade_secrets::{Environment, Error, generate};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let environment = arguments.next().unwrap_or_else(|| "development".into());
    let path = arguments.next().unwrap_or_else(|| ".env".into());
    match write(&environment, &path) {
        Ok(()) => {
            println!("{path}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn write(environment: &str, path: &str) -> Result<(), Error> {
    let environment: Environment = environment.parse()?;
    generate::env_file(environment, path)
}
