//! The program's commands, as a shell and mount(8) run them.

mod refusals;
mod serving;
mod ways;
