//! The uplink without a broker: framing, commands, the book, the bucket and the loader.

mod book;
mod command;
mod framing;
mod load;
