//! The command line.

pub mod check;
mod columns;
mod survey;
#[cfg(test)]
mod check_tests;
