//! What the user says: arguments, configuration, commands.

use std::process::ExitCode;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
