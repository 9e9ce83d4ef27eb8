//! What the user says: arguments, configuration, commands.
//!
//! The only room that knows clap, the environment, signals and the terminal. Words are typed
//! (`args`), then meant (`config`), then done (`commands`).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks")]

pub mod advice;
pub mod args;
pub mod attributes;
pub mod commands;
pub mod config;
pub mod control;
pub mod daemon;
pub mod environment;
pub mod lifetime;
pub mod logging;
pub mod mountpoint;
pub mod open_files;
pub mod runtime_file;
pub mod source;
pub mod state_directory;
pub mod waiting;

use std::process::ExitCode;

use crate::cli::args::{CommandName, Stop, Typed, UsageError};
use crate::cli::commands::{demo, get, info, mount, serve, set, umount, unset};

/// Words that make no sense, as for every other command of the system.
const EXIT_USAGE: u8 = 2;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    match args::parse(std::env::args_os().collect()) {
        Ok(typed) => run(&typed).unwrap_or_else(|error| fail(&error)),
        Err(Stop::Usage(error)) => fail(&error.into()),
        Err(Stop::Clap(error)) => {
            // A terminal that is gone needs no help.
            let _gone = error.print();
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(typed: &Typed) -> anyhow::Result<ExitCode> {
    let environment = environment::read();
    match typed.command {
        CommandName::Mount => mount::run(typed, &environment),
        CommandName::Umount => umount::run(typed, &environment),
        CommandName::Serve => serve::run(typed, &environment),
        CommandName::Demo => demo::run(typed, &environment),
        CommandName::Info => info::run(typed, &environment),
        CommandName::Get => get::run(typed, &environment),
        CommandName::Set => set::run(typed, &environment),
        CommandName::Unset => unset::run(typed, &environment),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("pailfs: {error:#}");
    let is_usage = error.downcast_ref::<UsageError>().is_some();
    if is_usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
