//! The seam to tokio-modbus: one connection, one request at a time, every length checked.
//!
//! `Context::call` is used rather than the `read_*` helpers: those check a reply's length only by `debug_assert`, so
//! that a debug build panics and a release build hands on whatever came. Any fault but an exception leaves the
//! connection in an unknown state (a late reply would fail, or answer, every later request), so the caller drops it.

use std::time::Duration;

use gengfu_core::quality::Reason;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{Error, ExceptionCode, ProtocolError, Request, Response, Slave};

use super::decode::Block;
use super::plan::Read;
use crate::config::checked::Table;

/// Bounds of a connection attempt, whatever the line's own timeout.
const CONNECT_AT_LEAST: Duration = Duration::from_millis(500);
const CONNECT_AT_MOST: Duration = Duration::from_secs(2);

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Block(Block),
    /// The device declines this one request; the connection is sound.
    Exception(u8),
    /// A gateway says that the unit behind it does not answer (0x0A, 0x0B); the connection is sound.
    UnitDown,
    /// The connection must be dropped.
    Broken(Fault),
}

/// Why a connection is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No reply in time.
    Timeout,
    /// The reply is for another request, unit or function.
    Mismatch,
    /// The reply holds more or less than was asked.
    Length,
    /// Closed, reset, or bytes that are no Modbus.
    Transport,
}

impl Fault {
    /// What the points that were asked for are marked with.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Timeout => Reason::Timeout,
            Self::Mismatch => Reason::LateReply,
            Self::Length => Reason::DeviceFault,
            Self::Transport => Reason::Comm,
        }
    }

    /// In words, for the log and the status page.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "no reply in time",
            Self::Mismatch => "a reply to another request",
            Self::Length => "a reply of the wrong length",
            Self::Transport => "connection closed or unreadable bytes",
        }
    }
}

/// One TCP connection to a line.
pub(super) struct Link {
    context: Context,
    timeout: Duration,
}

impl Link {
    /// `address` is `host:port`; `reply` is how long one may take.
    pub(super) async fn connect(address: &str, reply: Duration) -> Result<Self, String> {
        let limit = reply.clamp(CONNECT_AT_LEAST, CONNECT_AT_MOST);
        let stream = match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("{address}: {error}")),
            Err(_) => return Err(format!("{address}: no connection within {} ms", limit.as_millis())),
        };
        stream.set_nodelay(true).map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { context: tcp::attach_slave(stream, Slave(0)), timeout: reply })
    }

    /// Asks `unit` for one block.
    pub(super) async fn read(&mut self, unit: u8, read: &Read) -> Answer {
        self.context.set_slave(Slave(unit));
        let request = match read.table {
            Table::Coil => Request::ReadCoils(read.start, read.count),
            Table::Discrete => Request::ReadDiscreteInputs(read.start, read.count),
            Table::Input => Request::ReadInputRegisters(read.start, read.count),
            Table::Holding => Request::ReadHoldingRegisters(read.start, read.count),
        };
        match timeout(self.timeout, self.context.call(request)).await {
            Err(_) => Answer::Broken(Fault::Timeout),
            Ok(Err(Error::Protocol(
                ProtocolError::HeaderMismatch { .. } | ProtocolError::FunctionCodeMismatch { .. },
            ))) => Answer::Broken(Fault::Mismatch),
            // The library's text is not to be trusted here (a close shows as "in progress"), only the variant.
            Ok(Err(Error::Transport(_))) => Answer::Broken(Fault::Transport),
            Ok(Ok(Err(ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice))) => Answer::UnitDown,
            Ok(Ok(Err(exception))) => Answer::Exception(exception.into()),
            Ok(Ok(Ok(response))) => block(*read, response).map_or(Answer::Broken(Fault::Length), Answer::Block),
        }
    }
}

/// The response as a block, if it is exactly as long as asked. Coils come in whole bytes.
fn block(read: Read, response: Response) -> Option<Block> {
    let count = usize::from(read.count);
    match (read.table, response) {
        (Table::Coil, Response::ReadCoils(mut bits)) | (Table::Discrete, Response::ReadDiscreteInputs(mut bits)) => {
            if bits.len() != count.next_multiple_of(8) {
                return None;
            }
            bits.truncate(count);
            Some(Block::Bits(bits))
        }
        (Table::Input, Response::ReadInputRegisters(words))
        | (Table::Holding, Response::ReadHoldingRegisters(words)) => {
            (words.len() == count).then_some(Block::Words(words))
        }
        _ => None,
    }
}
