//! A program that has a file open and writes to it when it is told.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::io::Errno;

use crate::support::tools;

/// Another process that has a file open. Each process that a test starts has copies of the test's own
/// descriptors for a moment. Where such a copy of a file is closed, what was written of it is committed;
/// where S3 does not answer, the new process waits for that before it begins.
pub(crate) struct Writer {
    process: Child,
    answers: BufReader<ChildStdout>,
}

/// Does what it is told, line by line, and answers 0 or an errno: writes bytes that follow, cuts the
/// file, dates it, makes it durable or closes it.
const WRITER: &str = "
import os, sys

def obey(word, number, data):
    if word == b'cut':
        os.ftruncate(file, number)
    elif word == b'date':
        os.utime(file, (number, number))
    elif word == b'sync':
        os.fsync(file)
    elif word == b'close':
        os.close(file)
    while data:
        written = os.pwrite(file, data, number)
        number, data = number + written, data[written:]

file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
for line in iter(sys.stdin.buffer.readline, b''):
    word, number, length = line.split()
    try:
        obey(word, int(number), sys.stdin.buffer.read(int(length)))
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
";

impl Writer {
    #[track_caller]
    pub(crate) fn open(path: &Path) -> Self {
        let mut command = Command::new(tools::tool("python3"));
        command.args(["-c", WRITER]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a process");
        let answers = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, answers }
    }

    #[track_caller]
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.say("write", at, bytes)
    }

    #[track_caller]
    pub(crate) fn cut(&mut self, to: usize) -> io::Result<()> {
        self.say("cut", to, b"")
    }

    /// Sets both times, in seconds.
    #[track_caller]
    pub(crate) fn date(&mut self, seconds: usize) -> io::Result<()> {
        self.say("date", seconds, b"")
    }

    #[track_caller]
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.say("sync", 0, b"")
    }

    #[track_caller]
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.say("close", 0, b"")
    }

    #[track_caller]
    fn say(&mut self, word: &str, number: usize, bytes: &[u8]) -> io::Result<()> {
        let to = self.process.stdin.as_mut().expect("its input");
        writeln!(to, "{word} {number} {}", bytes.len()).expect("a line");
        to.write_all(bytes).expect("its bytes");
        to.flush().expect("its bytes");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        match answer.trim_end().parse().expect("an errno") {
            0 => Ok(()),
            errno => Err(Errno::from_raw_os_error(errno).into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
