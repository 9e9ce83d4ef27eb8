//! Checksums: S3's five, taken while the bytes pass.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::{CrcAlgorithm, Digest};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::store::types::{Checksum, ChecksumAlgorithm};

/// The checksum of bytes that are passing.
pub(super) struct RunningChecksum {
    algorithm: ChecksumAlgorithm,
    running: Running,
}

enum Running {
    Crc(Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl RunningChecksum {
    pub(super) fn new(algorithm: ChecksumAlgorithm) -> Self {
        let running = match (algorithm, crc_of(algorithm)) {
            (_, Some(crc)) => Running::Crc(Digest::new(crc)),
            (ChecksumAlgorithm::Sha1, _) => Running::Sha1(Sha1::new()),
            _ => Running::Sha256(Sha256::new()),
        };
        Self { algorithm, running }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.running {
            Running::Crc(crc) => crc.update(bytes),
            Running::Sha1(sha1) => sha1.update(bytes),
            Running::Sha256(sha256) => sha256.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let bytes = match self.running {
            Running::Crc(crc) => crc_bytes(self.algorithm, crc.finalize()),
            Running::Sha1(sha1) => sha1.finalize().to_vec(),
            Running::Sha256(sha256) => sha256.finalize().to_vec(),
        };
        Checksum { algorithm: self.algorithm, value: BASE64.encode(bytes) }
    }
}

/// The parameters of a checksum that is a CRC.
pub(super) fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32C => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// A CRC as S3 encodes it.
pub(super) fn crc_bytes(algorithm: ChecksumAlgorithm, crc: u64) -> Vec<u8> {
    let bytes = crc.to_be_bytes();
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => bytes.to_vec(),
        _ => bytes[4..].to_vec(),
    }
}
