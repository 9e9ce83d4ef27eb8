//! `bench-proxy`: a slow network before a fast server, and what went over it.
//!
//! The first byte of every answer comes later, each connection carries so much in each direction
//! and no more, and connections do not hinder each other. Bodies are spliced, so that a machine
//! of few cores can afford it. Whoever connects to the control port is told what was asked for
//! since the beginning.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pailfs_bench::arguments::Arguments;
use pailfs_bench::framing::{self, Body, HEAD_BYTES_MAX};
use pailfs_bench::measure;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::counts::{Counts, kind_of};
use crate::link::{Pace, Pipe};

#[path = "proxy/counts.rs"]
mod counts;
#[path = "proxy/link.rs"]
mod link;

/// Requests of one connection whose answers are not there yet: one, but for those who pipeline.
const PIPELINED_MAX: usize = 64;

/// What the network is like.
#[derive(Clone, Copy, Debug)]
struct Network {
    server: SocketAddr,
    delay: Duration,
    /// Bytes a second in each direction of a connection; 0 is without bound.
    rate: u64,
}

fn main() -> ExitCode {
    let outcome = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments));
    measure::report("bench-proxy", outcome)
}

fn run(arguments: &Arguments) -> Result<Value, String> {
    let network = Network {
        server: arguments.required("server")?,
        delay: Duration::from_millis(arguments.option("delay-ms", 15)?),
        rate: arguments.option("rate", 80_000_000)?,
    };
    let (listen, control): (SocketAddr, SocketAddr) =
        (arguments.required("listen")?, arguments.required("control")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime.map_err(|error| error.to_string())?.block_on(async {
        let counts = Arc::new(Counts::default());
        let listener = TcpListener::bind(listen).await?;
        let control = TcpListener::bind(control).await?;
        tokio::try_join!(serve(listener, network, &counts), tell(control, &counts))
    });
    served.map(|_| Value::Null).map_err(|error| error.to_string())
}

async fn serve(listener: TcpListener, network: Network, counts: &Arc<Counts>) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let counts = Arc::clone(counts);
        // A connection that breaks is its two ends' business.
        tokio::spawn(async move { carry(client, network, &counts).await.ok() });
    }
}

async fn tell(control: TcpListener, counts: &Counts) -> io::Result<()> {
    loop {
        let (mut asker, _) = control.accept().await?;
        asker.write_all(format!("{}\n", counts.snapshot()).as_bytes()).await.ok();
    }
}

/// Carries one connection until either end closes.
async fn carry(client: TcpStream, network: Network, counts: &Counts) -> io::Result<()> {
    let server = TcpStream::connect(network.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    counts.connected();
    let (asked, awaited) = mpsc::channel(PIPELINED_MAX);
    let up = Way::new(&client, &server, network.rate)?;
    let down = Way::new(&server, &client, network.rate)?;
    let requests = async {
        carry_requests(up, asked, counts).await?;
        // The client asks nothing more; answers may still be on their way.
        pending().await
    };
    tokio::select! {
        ended = requests => ended,
        ended = carry_answers(down, awaited, network.delay, counts) => ended,
    }
}

async fn carry_requests(
    mut way: Way<'_>,
    methods: mpsc::Sender<String>,
    counts: &Counts,
) -> io::Result<()> {
    while let Some(head) = way.read_head().await? {
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        counts.asked(kind_of(&head));
        // Before the request, so that no answer comes before it is awaited.
        if methods.send(method).await.is_err() {
            break;
        }
        way.write_head().await?;
        let bytes = way.carry_body(framing::request_body(&head)).await?;
        counts.sent(bytes);
    }
    Ok(())
}

/// Ends when the server closes, or the client has and was answered.
async fn carry_answers(
    mut way: Way<'_>,
    mut awaited: mpsc::Receiver<String>,
    delay: Duration,
    counts: &Counts,
) -> io::Result<()> {
    loop {
        let method = tokio::select! {
            method = awaited.recv() => method,
            ended = way.ended() => return ended,
        };
        let Some(method) = method else { return Ok(()) };
        while let Some(head) = way.read_head().await? {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            way.write_head().await?;
            let bytes = way.carry_body(framing::answer_body(&method, &head)).await?;
            let status = framing::status(&head).unwrap_or(0);
            // Behind `100 Continue` the answer itself is still to come.
            if !(100..200).contains(&status) {
                counts.answered(status, bytes);
                break;
            }
        }
    }
}

/// One direction of a connection.
struct Way<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    /// What was read with a head and is not carried yet.
    buffer: Vec<u8>,
    /// How much of it is the head.
    head_bytes: usize,
    pipe: Pipe,
    pace: Pace,
}

impl<'a> Way<'a> {
    fn new(from: &'a TcpStream, to: &'a TcpStream, rate: u64) -> io::Result<Self> {
        let (pipe, pace) = (Pipe::new()?, Pace::new(rate));
        Ok(Self { from, to, buffer: Vec::new(), head_bytes: 0, pipe, pace })
    }

    /// The next head, or none if the connection ended before it.
    async fn read_head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(length) = framing::head_length(&self.buffer) {
                self.head_bytes = length;
                let head = String::from_utf8_lossy(&self.buffer[..length]);
                return Ok(Some(head.into_owned()));
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("a head without an end"));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Waits until the connection ends, while nothing may come over it.
    async fn ended(&mut self) -> io::Result<()> {
        while self.buffer.is_empty() {
            if !self.read_more().await? {
                return Ok(());
            }
        }
        pending().await
    }

    async fn write_head(&mut self) -> io::Result<()> {
        let length = self.head_bytes;
        self.write_buffered(length).await
    }

    /// Carries a body; says how long it was.
    async fn carry_body(&mut self, body: Body) -> io::Result<u64> {
        match body {
            Body::Bytes(length) => self.carry_bytes(length).await,
            Body::Chunked => self.carry_chunks().await,
            Body::UntilEnd => self.carry_bytes(u64::MAX).await,
        }
    }

    async fn carry_bytes(&mut self, length: u64) -> io::Result<u64> {
        let buffered = length.min(self.buffer.len() as u64);
        self.write_buffered(buffered as usize).await?;
        let mut carried = buffered;
        while carried < length {
            let count = self.pipe.carry(self.from, self.to, length - carried).await?;
            if count == 0 {
                break;
            }
            carried += count;
            self.pace.spend(count).await;
        }
        Ok(carried)
    }

    async fn carry_chunks(&mut self) -> io::Result<u64> {
        let mut carried = 0;
        loop {
            let line = self.line_length().await?;
            let length = framing::chunk_length(&self.buffer[..line])
                .ok_or_else(|| io::Error::other("not a chunk"))?;
            self.write_buffered(line).await?;
            if length == 0 {
                return self.carry_trailers().await.map(|()| carried);
            }
            carried += self.carry_bytes(length).await?;
            let line = self.line_length().await?;
            self.write_buffered(line).await?;
        }
    }

    /// What follows the last chunk, up to the empty line.
    async fn carry_trailers(&mut self) -> io::Result<()> {
        loop {
            let line = self.line_length().await?;
            self.write_buffered(line).await?;
            if line == 2 {
                return Ok(());
            }
        }
    }

    /// How long the line is with which the buffer begins.
    async fn line_length(&mut self) -> io::Result<usize> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                return Ok(at + 2);
            }
            if !self.read_more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<bool> {
        self.from.readable().await?;
        self.buffer.reserve(HEAD_BYTES_MAX);
        match self.from.try_read_buf(&mut self.buffer) {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn write_buffered(&mut self, length: usize) -> io::Result<()> {
        let mut written = 0;
        while written < length {
            self.to.writable().await?;
            match self.to.try_write(&self.buffer[written..length]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.drain(..length);
        self.pace.spend(length as u64).await;
        Ok(())
    }
}
