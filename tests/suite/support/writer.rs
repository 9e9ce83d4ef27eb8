//! A program that has a file open and writes to it when it is told.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::tools;

/// Another process that has a file open. Each process that a test starts has copies of the test's own
/// descriptors for a moment, and where one of a file is closed, what was written of it is committed.
pub(crate) struct Writer {
    process: Child,
}

/// Does what it is told, line by line: writes bytes that follow, cuts the file, or dates it.
const WRITER: &str = "
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
for line in iter(sys.stdin.buffer.readline, b''):
    word, number, length = line.split()
    number, data = int(number), sys.stdin.buffer.read(int(length))
    if word == b'cut':
        os.ftruncate(file, number)
    if word == b'date':
        os.utime(file, (number, number))
    while data:
        written = os.pwrite(file, data, number)
        number, data = number + written, data[written:]
    print('done', flush=True)
os.close(file)
";

impl Writer {
    #[track_caller]
    pub(crate) fn open(path: &Path) -> Self {
        let mut command = Command::new(tools::tool("python3"));
        command.args(["-c", WRITER]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { process: command.spawn().expect("a process") }
    }

    #[track_caller]
    pub(crate) fn say(&mut self, word: &str, number: usize, data: &[u8]) {
        let to = self.process.stdin.as_mut().expect("its input");
        writeln!(to, "{word} {number} {}", data.len()).expect("a line");
        to.write_all(data).expect("its bytes");
        to.flush().expect("its bytes");
        let mut answer = [0; 5];
        let from = self.process.stdout.as_mut().expect("its output");
        from.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, *b"done\n");
    }

    #[track_caller]
    pub(crate) fn close(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().expect("its end").success());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
