//! Plans: which bytes to fetch for a read, and how far ahead.
//!
//! Pure. A scan is fetched ahead by a window that grows with what it has read, in pieces that grow
//! along, so that it reaches full speed within a few requests and whoever stops early has paid
//! for little. What a scan begins with does not wait for more. A scan that goes down has the same window,
//! below where it stands. Reads at equal distances are each fetched ahead by an exact request. A random
//! read pays for what it asked, and a small object is had whole by one request.

use std::ops::Range;
use std::time::Duration;

use crate::vfs::read::pattern::{Pattern, Scan};

/// The smallest window of a scan.
const WINDOW_BYTES_MIN: u64 = 2 << 20;

/// The window is so many times what was read in order: it is full after two round trips.
const WINDOW_GROWTH: u64 = 16;

/// A window is cut into so many pieces, each over a connection of its own.
const WINDOW_PIECES: u64 = 32;

/// An object up to this size is had whole: its last byte comes hardly later than its first.
const WHOLE_BYTES_MAX: u64 = 2 << 20;

/// What a scan begins with is rounded out to this: the kernel's second request comes along.
const FIRST_UNIT_BYTES: u64 = 128 << 10;

/// The smallest piece of a scan.
const PIECE_BYTES_MIN: u64 = 1 << 20;

/// The largest piece; larger ones make no request cheaper but bytes later, since a piece is read when
/// all of it is here.
const BLOCK_BYTES_MAX: u64 = 4 << 20;

/// As many requests as this saturate any link without being told to slow down.
const REQUESTS_MAX: usize = 32;

/// Thirty-two of the largest pieces: further connections make no scan faster.
const WINDOW_BYTES_MAX: u64 = 128 << 20;

/// Random reads are rounded out to this: neighbours on one page of most databases come along,
/// and the table of extents stays small.
const EXACT_UNIT_BYTES: u64 = 16 << 10;

/// So many steps of reads at equal distances are fetched ahead for each that was seen.
const STEPS_GROWTH: u64 = 2;

/// And no more than these: as many as there are requests.
const STEPS_AHEAD_MAX: u64 = REQUESTS_MAX as u64;

/// Bounds of the read path of one mount.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// The largest piece of a scan; a power of two of at least 1 MiB.
    pub block_bytes: u64,
    /// What all scans together may have fetched ahead.
    pub window_bytes_max: u64,
    /// GETs under way at once; a quarter of them is left to what programs wait for.
    pub requests_max: usize,
    /// How long one fetch may take with all its retries.
    pub operation_timeout: Duration,
    /// How long a GET may bring no byte before it is made anew.
    pub stall_timeout: Duration,
    /// How long a read waits for memory before it goes over the budget.
    pub memory_wait: Duration,
}

impl ReadLimits {
    /// The limits that suit a budget of so many bytes.
    #[must_use]
    pub fn for_memory(memory_bytes_max: u64, operation_timeout: Duration) -> Self {
        Self {
            block_bytes: power_of_two_within(memory_bytes_max / 16, BLOCK_BYTES_MAX),
            window_bytes_max: (memory_bytes_max / 2).clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX),
            requests_max: REQUESTS_MAX,
            operation_timeout,
            stall_timeout: Duration::from_secs(10),
            memory_wait: Duration::from_secs(2),
        }
    }
}

/// In which shape missing bytes are fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// All that is missing of the object.
    Whole,
    /// No more than up to here.
    Exact { until: u64 },
    /// In pieces that end at multiples of this.
    Pieces { bytes: u64 },
}

/// What to fetch that nobody asked for yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ahead {
    Nothing,
    /// All up to here, in pieces that end at multiples of `bytes`.
    Up {
        until: u64,
        bytes: u64,
    },
    /// All down to here, the same.
    Down {
        from: u64,
        bytes: u64,
    },
    /// The next so many steps.
    Steps {
        count: u64,
    },
}

/// What a read is to fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadPlan {
    /// Of what the read waits for.
    pub awaited: Shape,
    pub ahead: Ahead,
}

/// What of a stretch is missing is to be fetched, in this shape.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stretch {
    pub range: Range<u64>,
    pub shape: Shape,
}

/// Plans a read of `asked`, which is within the `size` of the object; `scans` of the mount share
/// the window.
#[must_use]
pub fn plan_read(
    asked: &Range<u64>,
    size: u64,
    pattern: Pattern,
    limits: &ReadLimits,
    scans: u64,
) -> ReadPlan {
    if size <= WHOLE_BYTES_MAX.min(limits.block_bytes) {
        return ReadPlan { awaited: Shape::Whole, ahead: Ahead::Nothing };
    }
    let share = (limits.window_bytes_max / scans.max(1)).max(WINDOW_BYTES_MIN);
    match pattern {
        Pattern::Random => {
            let awaited = exact(asked, size, EXACT_UNIT_BYTES);
            ReadPlan { awaited, ahead: Ahead::Nothing }
        }
        Pattern::Sequential { streak_bytes } => {
            let (window, bytes) = plan_window(streak_bytes, share, limits);
            let horizon = asked.end.saturating_add(window);
            let until = if horizon < size { round_down(horizon, bytes) } else { size };
            let begins = streak_bytes <= asked.end - asked.start;
            let awaited = match begins {
                true => exact(asked, size, FIRST_UNIT_BYTES),
                false => Shape::Pieces { bytes },
            };
            let is_ahead = until > asked.end;
            let ahead = if is_ahead { Ahead::Up { until, bytes } } else { Ahead::Nothing };
            ReadPlan { awaited, ahead }
        }
        Pattern::Backward { streak_bytes } => {
            let (window, bytes) = plan_window(streak_bytes, share, limits);
            let from = asked.start.saturating_sub(window).next_multiple_of(bytes);
            let is_ahead = from < asked.start;
            let ahead = if is_ahead { Ahead::Down { from, bytes } } else { Ahead::Nothing };
            ReadPlan { awaited: Shape::Pieces { bytes }, ahead }
        }
        Pattern::Strided { steps, bytes } => {
            let step_bytes = bytes.next_multiple_of(EXACT_UNIT_BYTES).max(EXACT_UNIT_BYTES);
            let grown = steps.saturating_mul(STEPS_GROWTH).min(STEPS_AHEAD_MAX);
            let count = grown.min(share / step_bytes);
            let awaited = exact(asked, size, EXACT_UNIT_BYTES);
            ReadPlan { awaited, ahead: Ahead::Steps { count } }
        }
    }
}

/// What to fetch ahead next; `None` where that is done. For whoever gets a stretch to tell
/// [`Scan::have_ahead`].
#[must_use]
pub fn plan_ahead(ahead: Ahead, scan: &Scan<'_>, asked: &Range<u64>, size: u64) -> Option<Stretch> {
    match (ahead, scan) {
        (Ahead::Up { until, bytes }, Scan::Forward(stream)) => {
            let from = stream.ahead_until.max(asked.end);
            let shape = Shape::Pieces { bytes };
            (from < until).then_some(Stretch { range: from..until, shape })
        }
        (Ahead::Down { from, bytes }, Scan::Backward(descent)) => {
            let until = descent.ahead_from.min(asked.start);
            let range = round_down(until.saturating_sub(1), bytes)..until;
            (from < until).then_some(Stretch { range, shape: Shape::Pieces { bytes } })
        }
        (Ahead::Steps { count }, Scan::Strided(stride)) => {
            let steps = stride.ahead_steps + 1;
            let step = if steps <= count { stride.foreseen(steps) } else { None }?;
            let range = step.start..step.end.min(size);
            let shape = exact(&range, size, EXACT_UNIT_BYTES);
            (!range.is_empty()).then_some(Stretch { range, shape })
        }
        (Ahead::Nothing | Ahead::Up { .. } | Ahead::Down { .. } | Ahead::Steps { .. }, _) => None,
    }
}

/// How many bytes of a scan to have on the way, and by pieces of how many.
fn plan_window(streak_bytes: u64, share: u64, limits: &ReadLimits) -> (u64, u64) {
    let window = streak_bytes.saturating_mul(WINDOW_GROWTH).clamp(WINDOW_BYTES_MIN, share);
    (window, power_of_two_within(window / WINDOW_PIECES, limits.block_bytes))
}

fn exact(asked: &Range<u64>, size: u64, unit: u64) -> Shape {
    Shape::Exact { until: asked.end.next_multiple_of(unit).min(size) }
}

/// Which range to fetch by one request to have the byte at `at`, within the `free` space around
/// it, of which nothing is here or coming.
#[must_use]
pub fn plan_piece(at: u64, size: u64, shape: Shape, free: &Range<u64>) -> Range<u64> {
    let (start, end) = match shape {
        Shape::Whole => (0, size),
        Shape::Exact { until } => (round_down(at, EXACT_UNIT_BYTES), until),
        Shape::Pieces { bytes } => (round_down(at, PIECE_BYTES_MIN), round_down(at, bytes) + bytes),
    };
    start.max(free.start)..end.min(free.end).min(size)
}

fn round_down(offset: u64, unit: u64) -> u64 {
    offset - offset % unit
}

/// The largest power of two up to `bytes`, neither below the smallest piece nor above `bytes_max`.
fn power_of_two_within(bytes: u64, bytes_max: u64) -> u64 {
    let exponent = bytes.max(PIECE_BYTES_MIN).ilog2();
    (1 << exponent).min(bytes_max)
}

#[cfg(test)]
mod tests;
