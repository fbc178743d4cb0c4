//! Gengfu's sensor node: the detectors of `gengfu-core` on a Cortex-M, a Modbus RTU server in front of them and a ring
//! behind them for the hours without a line. This crate is the part that needs no board and is tested on a host; the
//! board files and binaries come with the node's own issue.
#![cfg_attr(not(test), no_std)]
#![warn(missing_docs)]

pub mod ring;
pub mod mind;
