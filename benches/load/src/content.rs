//! Contents: the bytes that every object has, known from its name alone.
//!
//! An object is a tile of random bytes over and over, entered at a place that its name decides.
//! The tile's length is a prime: no block of the right length from the wrong offset or the wrong
//! object passes for the right one. Comparing costs a memcmp, the same for every contender.

use crc_fast::{CrcAlgorithm, Digest};

/// The length of the tile: the first prime over 1 MiB.
const TILE_BYTES: usize = 1_048_583;

/// The bytes of all objects.
pub struct Contents {
    /// The tile twice, so that a run may begin anywhere in it.
    tiles: Vec<u8>,
}

impl Default for Contents {
    fn default() -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let mut tiles = vec![0; TILE_BYTES];
        random.fill(&mut tiles);
        tiles.extend_from_within(..);
        Self { tiles }
    }
}

impl Contents {
    /// What the object has from `offset` on: up to `length` bytes, at least one.
    #[must_use]
    pub fn run(&self, name: &str, offset: u64, length: u64) -> &[u8] {
        let tile_bytes = TILE_BYTES as u64;
        let start = ((entry(name) + offset) % tile_bytes) as usize;
        let length = length.min(tile_bytes) as usize;
        &self.tiles[start..start + length]
    }

    /// The runs of a range, in order.
    pub fn runs(&self, name: &str, offset: u64, length: u64) -> impl Iterator<Item = &[u8]> {
        let starts = (0..length).step_by(TILE_BYTES);
        starts.map(move |start| self.run(name, offset + start, length - start))
    }

    /// Whether these are the bytes at `offset`.
    #[must_use]
    pub fn agrees(&self, name: &str, offset: u64, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.runs(name, offset, bytes.len() as u64).all(|run| {
            let (head, tail) = rest.split_at(run.len());
            rest = tail;
            head == run
        })
    }

    /// The CRC32C of a range.
    #[must_use]
    pub fn crc32c(&self, name: &str, offset: u64, length: u64) -> u32 {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        self.runs(name, offset, length).for_each(|run| digest.update(run));
        digest.finalize() as u32
    }
}

/// Where in the tile an object begins: by the last part of its name, so that a copy elsewhere
/// has the same bytes.
fn entry(name: &str) -> u64 {
    let base = name.rsplit('/').next().unwrap_or(name);
    let hash = base.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % TILE_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_bytes_at_the_right_place_agree() {
        let contents = Contents::default();
        let part = 3 * TILE_BYTES as u64 + 17;
        let bytes = contents.runs("a/big", 5, part).flatten().copied().collect::<Vec<_>>();
        assert_eq!(bytes.len() as u64, part);
        assert!(contents.agrees("b/big", 5, &bytes));
        assert!(!contents.agrees("big", 6, &bytes));
        assert!(!contents.agrees("big", 5 + (1 << 20), &bytes));
        assert!(!contents.agrees("pig", 5, &bytes));
        let mut spoilt = bytes;
        *spoilt.last_mut().unwrap() ^= 1;
        assert!(!contents.agrees("big", 5, &spoilt));
    }
}
