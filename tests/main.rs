//! The whole, on real parts. `cargo test -p gengfu-tests --test gengfu -- outage` runs one module; `GENGFU_LONG=1`
//! takes the lengths, `GENGFU_SEED` repeats a random run, `GENGFU_STRICT=1` fails what could not be run.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test that falls over has failed"
)]

mod tidy;
mod harness;
mod round_trip;
mod foreign_modbus;
mod outage;
mod uplink;
mod kill9;
mod crash;
mod soak;
mod commit_window;
mod lost_tail;
mod isolation;
mod stuck_push;
mod sick_disk;
mod ledger;
mod storm;
mod reload;
mod packs;
mod retention;
mod two_days;
mod bad_config;
mod bad_mqtt;
mod lost_link;
mod away;
mod bad_modbus;
mod bad_store;
mod redrive;
mod torn_journal;
mod backup;
mod export;
mod replay;
mod silence;
mod early_warning;
mod shadow;
mod same_mind;
mod clock_step;
mod no_clock;
mod lifecycle;
mod learned;
mod console;
mod page;
mod service;
mod stop;
mod samples;
