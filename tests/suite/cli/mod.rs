//! The program's commands, as a shell and mount(8) run them.

mod attributes;
mod refusals;
mod serving;
mod ways;
