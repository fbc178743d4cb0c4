//! Gengfu's mind: what a reading is, when it is a danger, and what an alarm does with its life.
//!
//! This crate decides and never does. Events and `now` go in; transitions and "wake me at" come out.
//! It has no clock, no I/O and no allocation, and it owns no storage: the caller lends plain slices
//! ([`engine::Tables`]). The gateway and the Cortex-M node run this same code, and since it uses
//! nothing but `+ - * / sqrt` and `libm`, they agree bit for bit.
#![cfg_attr(not(test), no_std)]
#![warn(missing_docs)]

pub mod time;
pub mod quality;
pub mod reading;
pub mod normalize;
pub mod detect;
pub mod derive;
pub mod alarm;
pub mod warning;
pub mod engine;
