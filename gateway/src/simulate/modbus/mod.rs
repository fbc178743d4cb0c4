//! Modbus TCP servers. One listener an address, any number of units behind it; nothing runs between two requests.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_modbus::server::{Service, tcp::Server};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::StoryTime;
use super::fault::{Fault, Switch};
use super::image::Image;
use super::signal::mix;
use super::story::{Silence, Story};
use crate::config::checked::{ModbusDevice, ModbusLine, Table};
use crate::stop::Stop;

/// Clients of one address at a time; more are turned away.
const MAX_CLIENTS: usize = 64;
/// Registers and bits a request may ask for (Modbus application protocol V1.1b3, 6.1 to 6.4).
const MAX_REGISTERS: u16 = 125;
const MAX_BITS: u16 = 2000;
/// Pause before a listener that failed is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// One address and the units behind it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) address: SocketAddr,
    units: HashMap<u8, Unit>,
    time: StoryTime,
    clients: Arc<Semaphore>,
    /// Said by a switch that was moved, so that the listener looks at its faults again.
    moved: watch::Receiver<u64>,
}

#[derive(Debug, Default)]
struct Unit {
    image: Image,
    /// The devices on this unit, nearly always one.
    devices: Vec<(Arc<Switch>, Silence)>,
    /// Replies in garbage so far, so that each is bad in another way.
    garbled: AtomicU64,
}

impl Line {
    pub(super) fn new(address: SocketAddr, time: StoryTime, moved: watch::Receiver<u64>) -> Self {
        let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
        Self { address, units: HashMap::new(), time, clients, moved }
    }

    /// Puts a line's devices behind the address; `switch` gives each its faults.
    pub(super) fn add(&mut self, line: &ModbusLine, story: &Story, switch: &mut impl FnMut(&str) -> Arc<Switch>) {
        for device in &line.devices {
            self.add_device(device, story, switch(&device.name));
        }
    }

    fn add_device(&mut self, device: &ModbusDevice, story: &Story, switch: Arc<Switch>) {
        let unit = self.units.entry(device.unit).or_default();
        unit.image.add(device, story);
        unit.devices.push((switch, story.silence(&device.name)));
    }

    /// A TCP host refuses as a whole: one refusing device takes its neighbours along.
    fn refused(&self) -> bool {
        self.units.values().any(|unit| unit.fault(0) == Fault::Refused)
    }

    fn answer(&self, ask: &SlaveRequest<'_>) -> Answer {
        let t = self.time.now();
        let Some(unit) = self.units.get(&ask.slave) else {
            return Answer::now(Err(ExceptionCode::GatewayTargetDevice));
        };
        match unit.fault(t) {
            Fault::None => Answer::now(unit.read(&ask.request, t)),
            Fault::Silent | Fault::Refused => Answer::Never,
            Fault::Exception(code) => Answer::now(Err(ExceptionCode::new(code))),
            Fault::Garbage => Answer::now(Ok(unit.garbage(&ask.request))),
            Fault::Slow(delay) => Answer::After(delay, unit.read(&ask.request, t)),
        }
    }
}

impl Unit {
    /// The first fault of its devices; a device that the story has dropped out is silent.
    fn fault(&self, t: u64) -> Fault {
        let of = |(switch, silence): &(Arc<Switch>, Silence)| {
            let fault = switch.get();
            if fault == Fault::None && silence.at(t) { Fault::Silent } else { fault }
        };
        self.devices.iter().map(of).find(|fault| *fault != Fault::None).unwrap_or(Fault::None)
    }

    fn read(&self, request: &Request<'_>, t: u64) -> Result<Response, ExceptionCode> {
        let bits = |table, at, n| {
            let words = self.words(table, at, n, MAX_BITS, t)?;
            Ok(words.into_iter().map(|word| word != 0).collect())
        };
        let registers = |table, at, n| self.words(table, at, n, MAX_REGISTERS, t);
        match *request {
            Request::ReadCoils(at, n) => bits(Table::Coil, at, n).map(Response::ReadCoils),
            Request::ReadDiscreteInputs(at, n) => bits(Table::Discrete, at, n).map(Response::ReadDiscreteInputs),
            Request::ReadInputRegisters(at, n) => registers(Table::Input, at, n).map(Response::ReadInputRegisters),
            Request::ReadHoldingRegisters(at, n) => {
                registers(Table::Holding, at, n).map(Response::ReadHoldingRegisters)
            }
            Request::WriteSingleCoil(..)
            | Request::WriteMultipleCoils(..)
            | Request::WriteSingleRegister(..)
            | Request::WriteMultipleRegisters(..)
            | Request::ReportServerId
            | Request::MaskWriteRegister(..)
            | Request::ReadWriteMultipleRegisters(..)
            | Request::ReadDeviceIdentification(..)
            | Request::Custom(..) => Err(ExceptionCode::IllegalFunction),
        }
    }

    fn words(&self, table: Table, at: u16, count: u16, most: u16, t: u64) -> Result<Vec<u16>, ExceptionCode> {
        if count == 0 || count > most {
            return Err(ExceptionCode::IllegalDataValue);
        }
        self.image.read(table, at, count, t).ok_or(ExceptionCode::IllegalDataAddress)
    }

    /// A reply no client may believe: too short, too long, or of another function, in turn.
    fn garbage(&self, request: &Request<'_>) -> Response {
        let turn = self.garbled.fetch_add(1, Ordering::Relaxed);
        let noise = mix(turn);
        let words = |n: u16| {
            let n = usize::from(n.clamp(1, MAX_REGISTERS - 1));
            vec![noise as u16; if turn.is_multiple_of(3) { n - 1 } else { n + 1 }]
        };
        let foreign = turn % 3 == 2;
        if let Request::ReadHoldingRegisters(_, n) = *request
            && !foreign
        {
            Response::ReadHoldingRegisters(words(n))
        } else if let Request::ReadInputRegisters(_, n) = *request
            && !foreign
        {
            Response::ReadInputRegisters(words(n))
        } else {
            Response::Custom(0x41, Bytes::copy_from_slice(&noise.to_be_bytes()))
        }
    }
}

/// What becomes of a request.
enum Answer {
    Now(Result<Response, ExceptionCode>),
    After(Duration, Result<Response, ExceptionCode>),
    Never,
}

impl Answer {
    fn now(result: Result<Response, ExceptionCode>) -> Self {
        Self::Now(result)
    }
}

/// One client's end of a line.
struct Client {
    line: Arc<Line>,
    _place: OwnedSemaphorePermit,
}

impl Service for Client {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Option<Response>, ExceptionCode>> + Send>>;

    fn call(&self, ask: Self::Request) -> Self::Future {
        match self.line.answer(&ask) {
            Answer::Now(result) => Box::pin(ready(result.map(Some))),
            Answer::Never => Box::pin(ready(Ok(None))),
            Answer::After(delay, result) => Box::pin(async move {
                tokio::time::sleep(delay).await;
                result.map(Some)
            }),
        }
    }
}

/// Serves a line until stopped.
pub(super) async fn serve(line: Arc<Line>, listener: TcpListener, mut stop: Stop) {
    tokio::select! {
        () = stop.wait() => {}
        () = run(line, listener) => {}
    }
}

/// While a device refuses, the listener and every connection are closed, so that a client gets the operating system's
/// own refusal.
async fn run(line: Arc<Line>, first: TcpListener) {
    let mut moved = line.moved.clone();
    let mut held = Some(first);
    loop {
        let listener = match held.take() {
            Some(listener) => listener,
            None => bind_again(line.address).await,
        };
        let server = Server::new(listener);
        tokio::select! {
            () = until(&line, &mut moved, true) => {}
            () = accept(&server, &line) => {}
        }
        drop(server);
        until(&line, &mut moved, false).await;
    }
}

/// Returns once the line refuses, or no longer does.
async fn until(line: &Line, moved: &mut watch::Receiver<u64>, refused: bool) {
    while line.refused() != refused {
        if moved.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => tracing::warn!(%address, %error, "simulated modbus server cannot bind again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Accepts clients for ever; what one of them does wrong ends its own connection only.
async fn accept(server: &Server, line: &Arc<Line>) {
    let on_connected = |stream: TcpStream, _| {
        let place = Arc::clone(&line.clients).try_acquire_owned();
        let line = Arc::clone(line);
        async move {
            // Without this a reply waits for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            Ok(place.ok().map(|place| (Client { line, _place: place }, stream)))
        }
    };
    loop {
        let on_error = |error| tracing::debug!(%error, "simulated modbus client went");
        if let Err(error) = server.serve(&on_connected, on_error).await {
            tracing::warn!(address = %line.address, %error, "simulated modbus server cannot accept");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests;
