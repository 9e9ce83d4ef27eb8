//! Links: bytes from one socket to another, without a copy and no faster than allowed.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What is moved at once; as little as lets a slow connection run evenly.
const PIECE_BYTES_MAX: u64 = 256 << 10;
/// Pipes over this need a privilege.
const PIPE_BYTES: usize = 1 << 20;
/// So much earlier than its time a piece may come: what the timer rounds up is made good.
const AHEAD_MAX: Duration = Duration::from_millis(2);

/// What bytes go through between two sockets.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&writer, PIPE_BYTES)?;
        Ok(Self { reader, writer })
    }

    /// Moves up to `length` bytes, at least one unless `from` ended.
    pub(crate) async fn carry(
        &self,
        from: &TcpStream,
        to: &TcpStream,
        length: u64,
    ) -> io::Result<u64> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let piece = length.min(PIECE_BYTES_MAX) as usize;
        let taken = from.async_io(Interest::READABLE, || {
            Ok(splice(from, None, &self.writer, None, piece, flags)?)
        });
        let taken = taken.await?;
        let mut given = 0;
        while given < taken {
            let rest = taken - given;
            let count = to.async_io(Interest::WRITABLE, || {
                Ok(splice(&self.reader, None, to, None, rest, flags)?)
            });
            given += count.await?;
        }
        Ok(taken as u64)
    }
}

/// How fast one direction of a connection may go.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes a second; 0 is without bound.
    rate: u64,
    /// When all that went is paid for.
    paid_at: Instant,
}

impl Pace {
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate, paid_at: Instant::now() }
    }

    /// Waits as long as these bytes take.
    pub(crate) async fn spend(&mut self, bytes: u64) {
        if self.rate == 0 {
            return;
        }
        let now = Instant::now();
        self.paid_at = plan_paid(self.paid_at, now, bytes, self.rate);
        if self.paid_at > now + AHEAD_MAX {
            tokio::time::sleep_until(self.paid_at).await;
        }
    }
}

/// When bytes that went now are paid for: time in which nothing went pays for nothing but the
/// little that a timer comes late.
fn plan_paid(paid_at: Instant, now: Instant, bytes: u64, rate: u64) -> Instant {
    let begins = paid_at.max(now.checked_sub(AHEAD_MAX).unwrap_or(now));
    begins + Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cost_their_time_and_idle_time_pays_for_almost_nothing() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(plan_paid(now, now, 80, 80), now + second);
        assert_eq!(plan_paid(now + second, now, 40, 80), now + second * 3 / 2);
        let rested = now + 10 * second;
        assert_eq!(plan_paid(now, rested, 80, 80), rested + second - AHEAD_MAX);
    }
}
