//! The connection of a line and when to make a new one. Whoever is to blame for a failure is settled here: a request,
//! a unit, or the line.

use std::time::Duration;

use gengfu_core::quality::Reason;
use gengfu_core::time::Mono;

use super::decode::Block;
use super::link::{Answer, Fault, Link};
use super::plan::Read;
use crate::backoff::{Backoff, phase};
use crate::config::checked::ModbusLine;
use crate::source::Context;
use crate::telemetry::LinkState;

/// Pauses between attempts to connect. The first attempt after a loss goes out at once.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Why there is no block, by who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// This request alone; the unit's others may go on.
    Request(Reason),
    /// The unit: not asked further in this poll, and its breaker hears of it.
    Unit(Reason),
    /// The line: no unit is to blame while nothing at all comes over it.
    Line(Reason),
}

impl Trouble {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Request(why) | Self::Unit(why) | Self::Line(why) => why,
        }
    }
}

pub(super) struct Wire {
    name: String,
    address: String,
    timeout: Duration,
    conn: Conn,
    retry: Backoff,
    /// Connections in a row that were closed on us without a word.
    wordless: u32,
    /// It was said to be up: something sensible has come over it, and no outage since.
    up: bool,
}

enum Conn {
    Up {
        link: Link,
        /// Something sensible has come over it.
        answered: bool,
    },
    /// No attempt before then.
    Down(Mono),
}

impl Wire {
    pub(super) fn new(config: &ModbusLine, site: &str) -> Self {
        Self {
            name: config.name.clone(),
            address: config.address.clone(),
            timeout: config.timeout,
            conn: Conn::Down(Mono(0)),
            retry: Backoff::new(FIRST_RETRY, LONGEST_RETRY, phase(&[site, &config.name])),
            wordless: 0,
            up: false,
        }
    }

    /// Whether there is a connection; makes one if it is time to.
    pub(super) async fn connected(&mut self, context: &Context) -> bool {
        match self.conn {
            Conn::Up { .. } => return true,
            Conn::Down(until) if context.clock.mono() < until => return false,
            Conn::Down(_) => {}
        }
        match Link::connect(&self.address, self.timeout).await {
            Ok(link) => {
                context.stats.modbus_connects.add(1);
                self.conn = Conn::Up { link, answered: false };
                true
            }
            Err(why) => {
                self.rest(context, why);
                false
            }
        }
    }

    /// Asks one unit for one block. Any fault but an exception throws the connection away.
    pub(super) async fn ask(&mut self, context: &Context, unit: u8, read: &Read) -> Result<Block, Trouble> {
        let Conn::Up { link, answered } = &mut self.conn else { return Err(Trouble::Line(Reason::Comm)) };
        context.stats.modbus_requests.add(1);
        let answer = link.read(unit, read).await;
        let fault = match answer {
            Answer::Broken(fault) => fault,
            Answer::Block(_) | Answer::Exception(_) | Answer::UnitDown => {
                *answered = true;
                self.retry.reset();
                self.wordless = 0;
                // Not at the connection: what accepts and then closes or says nothing is no line.
                if !std::mem::replace(&mut self.up, true) {
                    context.link(&self.name, LinkState::Up);
                }
                return sound(context, answer);
            }
        };
        context.stats.modbus_timeouts.add(u64::from(fault == Fault::Timeout));
        tracing::debug!(line = self.name, unit, fault = fault.word(), "connection thrown away");
        // Silence or nonsense is the unit's doing, and so is a close right after its request; then the next connection
        // is made at once. Closed on us twice without ever a word: that is the line.
        let why = format!("{}: {}", self.address, fault.word());
        self.wordless = if fault == Fault::Transport && !*answered { self.wordless + 1 } else { 0 };
        if self.wordless > 1 {
            self.rest(context, why);
            return Err(Trouble::Line(fault.reason()));
        }
        if !self.up {
            context.link(&self.name, LinkState::Down { why });
        }
        self.conn = Conn::Down(Mono(0));
        Err(Trouble::Unit(fault.reason()))
    }

    /// It connects, and no unit behind it answers.
    pub(super) fn silent(&mut self, context: &Context, why: Reason) {
        if std::mem::take(&mut self.up) {
            let why = format!("{}: no unit answers ({})", self.address, why.word());
            context.link(&self.name, LinkState::Down { why });
        }
    }

    fn rest(&mut self, context: &Context, why: String) {
        let pause = self.retry.next().as_millis() as u64;
        self.conn = Conn::Down(context.clock.mono().plus(pause));
        self.up = false;
        context.link(&self.name, LinkState::Down { why });
    }
}

/// What a reply on a sound connection comes to.
fn sound(context: &Context, answer: Answer) -> Result<Block, Trouble> {
    match answer {
        Answer::Block(block) => Ok(block),
        Answer::Exception(code) => {
            context.stats.modbus_exceptions.add(1);
            tracing::trace!(code, "exception");
            Err(Trouble::Request(Reason::DeviceFault))
        }
        Answer::UnitDown => {
            context.stats.modbus_exceptions.add(1);
            Err(Trouble::Unit(Reason::Comm))
        }
        Answer::Broken(fault) => Err(Trouble::Unit(fault.reason())),
    }
}
