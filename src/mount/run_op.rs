//! Who waits for an operation: the kernel's thread, or a task.
//!
//! Most of what the kernel asks is known already, and then a hand-over to the runtime costs
//! more than the answer. So an operation is polled once where the request arrived; only one
//! that has to wait becomes a task, which owns the reply. Nothing here blocks, a panic answers
//! `EIO`, and what fails is logged once. What failed and why is the operation's own business.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::mount::reply::Reply;
use crate::vfs::error::{VfsError, VfsResult};

/// What a log line calls a request.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    operation: &'static str,
    ino: u64,
    /// The name that the operation is about, in the directory `ino`.
    name: Option<Arc<[u8]>>,
    attribute: Option<Arc<[u8]>>,
}

impl Subject {
    pub(super) fn of(operation: &'static str, ino: u64) -> Self {
        Self { operation, ino, name: None, attribute: None }
    }

    pub(super) fn of_name(operation: &'static str, directory: u64, name: &Arc<[u8]>) -> Self {
        Self { name: Some(Arc::clone(name)), ..Self::of(operation, directory) }
    }

    pub(super) fn of_attribute(operation: &'static str, ino: u64, attribute: &Arc<[u8]>) -> Self {
        Self { attribute: Some(Arc::clone(attribute)), ..Self::of(operation, ino) }
    }

    /// What was asked, with the attribute it is about.
    fn operation(&self) -> String {
        match self.attribute.as_deref().map(String::from_utf8_lossy) {
            None => self.operation.to_owned(),
            Some(attribute) => format!("{} of {attribute}", self.operation),
        }
    }

    fn path(&self, paths: &Paths) -> String {
        let path = paths(self.ino);
        match self.name.as_deref().map(String::from_utf8_lossy) {
            None => path,
            Some(name) if path.is_empty() => name.into_owned(),
            Some(name) => format!("{path}/{name}"),
        }
    }
}

/// What bounds the time an operation may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bound {
    /// The deadline of the mount.
    Answer,
    /// The bytes it has to move, however many: each of its requests to S3 has its own deadline,
    /// and to stop it halfway would lose what a program has written.
    Transfer,
}

/// Where an inode is below the mount, for log lines.
pub(super) type Paths = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// Runs operations.
#[derive(Clone)]
pub(super) struct Runner {
    runtime: Handle,
    /// The last resort: a healthy file system gives up by itself before that.
    deadline: Duration,
    paths: Paths,
}

type Caught<T> = Result<VfsResult<T>, Box<dyn Any + Send>>;
type Operation<T> = Pin<Box<dyn Future<Output = Caught<T>> + Send>>;

/// Why an operation brought no result.
enum Failure {
    Refused(VfsError),
    Panicked(String),
}

impl Runner {
    pub(super) fn new(runtime: Handle, deadline: Duration, paths: Paths) -> Self {
        Self { runtime, deadline, paths }
    }

    /// Answers at once where `operation` is ready, and from a task where it has to wait.
    pub(super) fn run<T, R>(
        &self,
        subject: Subject,
        bound: Bound,
        operation: impl Future<Output = VfsResult<T>> + Send + 'static,
        reply: R,
    ) where
        T: Send + 'static,
        R: Reply<T>,
    {
        let _inside_runtime = self.runtime.enter();
        let mut operation: Operation<T> = Box::pin(AssertUnwindSafe(operation).catch_unwind());
        // A wake-up between this poll and the task's first one needs no waker: that first poll
        // asks again.
        match operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(caught) => settle(&self.paths, &subject, caught, reply),
            Poll::Pending => {
                let (waiting, paths) = (self.wait(bound, operation), Arc::clone(&self.paths));
                self.runtime.spawn(async move { settle(&paths, &subject, waiting.await, reply) });
            }
        }
    }

    /// The time runs from now, not from when a task gets its turn.
    fn wait<T: Send + 'static>(
        &self,
        bound: Bound,
        operation: Operation<T>,
    ) -> impl Future<Output = Caught<T>> + Send + 'static {
        let until = match bound {
            Bound::Answer => Some(Instant::now() + self.deadline),
            Bound::Transfer => None,
        };
        let seconds = self.deadline.as_secs();
        async move {
            let Some(until) = until else { return operation.await };
            match tokio::time::timeout_at(until, operation).await {
                Ok(caught) => caught,
                Err(_elapsed) => Ok(Err(VfsError::Deadline(seconds))),
            }
        }
    }

    /// Runs what has no reply and never waits.
    pub(super) fn run_now(&self, operation: &'static str, ino: u64, act: impl FnOnce()) {
        let _inside_runtime = self.runtime.enter();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(act)) {
            let failure = Failure::Panicked(panic_text(panic.as_ref()));
            log(&self.paths, &Subject::of(operation, ino), &failure);
        }
    }
}

fn settle<T, R: Reply<T>>(paths: &Paths, subject: &Subject, caught: Caught<T>, reply: R) {
    let failure = match caught {
        Ok(Ok(value)) => return reply.succeed(value),
        Ok(Err(error)) => Failure::Refused(error),
        Err(panic) => Failure::Panicked(panic_text(panic.as_ref())),
    };
    log(paths, subject, &failure);
    reply.refuse(failure.errno());
}

impl Failure {
    fn errno(&self) -> Errno {
        match self {
            Self::Refused(error) => error.errno(),
            Self::Panicked(_) => Errno::IO,
        }
    }
}

fn log(paths: &Paths, subject: &Subject, failure: &Failure) {
    let operation = || subject.operation();
    let path = || subject.path(paths);
    let errno = std::io::Error::from(failure.errno());
    match failure {
        Failure::Refused(error) if error.is_ordinary() => {}
        Failure::Refused(error) if error.is_refusal() => {
            tracing::info!(path = path(), %errno, "{} refused: {error}", operation());
        }
        Failure::Refused(error) => {
            tracing::warn!(path = path(), %errno, "{} failed: {error}", operation());
        }
        Failure::Panicked(text) => {
            tracing::error!(path = path(), %errno, "{} panicked: {text}", operation());
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("of an unknown kind").to_owned()
}

#[cfg(test)]
mod tests;
