//! Gengfu's sensor node: the detectors of `gengfu-core` on a Cortex-M, a Modbus RTU server in front of them and a ring
//! behind them for the hours without a line. This crate is the part that needs no board and is tested on a host; the
//! node's own image comes with its issue. The two images that are here, behind the feature `board`, hold [`mind`] on an
//! emulated Cortex-M4F against a host.
#![cfg_attr(not(test), no_std)]
#![warn(missing_docs)]

pub mod ring;
pub mod mind;
