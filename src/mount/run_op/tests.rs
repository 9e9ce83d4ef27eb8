//! Operations that are ready, wait, fail, panic and never end.

use std::future::{pending, ready};
use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::store::error::{ErrorKind, StoreError};

const DEADLINE: Duration = Duration::from_secs(10);

struct Told(Sender<Result<u32, Errno>>);

impl Reply<u32> for Told {
    fn succeed(self, value: u32) {
        self.0.send(Ok(value)).unwrap();
    }

    fn refuse(self, errno: Errno) {
        self.0.send(Err(errno)).unwrap();
    }
}

fn runner() -> Runner {
    Runner::new(Handle::current(), DEADLINE, Arc::new(|ino| format!("dir{ino}")))
}

fn subject() -> Subject {
    Subject::of_name("lookup", 1, &Arc::from(&b"a.txt"[..]))
}

fn start(
    bound: Bound,
    operation: impl Future<Output = VfsResult<u32>> + Send + 'static,
) -> Receiver<Result<u32, Errno>> {
    let (sender, receiver) = channel();
    runner().run(subject(), bound, operation, Told(sender));
    receiver
}

/// Lets every task that can go on do so; the clock stands still meanwhile.
async fn settle_tasks() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_known_answer_is_sent_before_run_returns() {
    let told = start(Bound::Answer, ready(Ok(7)));
    assert_eq!(told.try_recv(), Ok(Ok(7)));
}

#[tokio::test]
async fn an_operation_that_waits_is_answered_by_a_task() {
    let (sender, receiver) = oneshot::channel();
    let told = start(Bound::Answer, async move { Ok(receiver.await.unwrap()) });
    settle_tasks().await;
    assert!(told.try_recv().is_err(), "nothing to say yet");
    sender.send(9).unwrap();
    settle_tasks().await;
    assert_eq!(told.try_recv(), Ok(Ok(9)));
}

#[tokio::test]
async fn a_wake_up_before_the_task_runs_is_not_lost() {
    let (sender, receiver) = oneshot::channel();
    let told = start(Bound::Answer, async move { Ok(receiver.await.unwrap()) });
    sender.send(9).unwrap();
    settle_tasks().await;
    assert_eq!(told.try_recv(), Ok(Ok(9)));
}

#[tokio::test]
async fn a_panic_answers_an_io_error() {
    let told = start(Bound::Answer, async { panic!("in the first poll") });
    assert_eq!(told.try_recv(), Ok(Err(Errno::IO)));

    let told = start(Bound::Answer, async {
        tokio::task::yield_now().await;
        panic!("in a task")
    });
    settle_tasks().await;
    assert_eq!(told.try_recv(), Ok(Err(Errno::IO)));
}

#[tokio::test]
async fn a_panic_in_what_has_no_reply_does_not_get_out() {
    runner().run_now("forget", 1, || panic!("in a forget"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_times_out() {
    let told = start(Bound::Answer, pending());
    tokio::time::advance(DEADLINE - Duration::from_millis(1)).await;
    settle_tasks().await;
    assert!(told.try_recv().is_err(), "it may still come");
    tokio::time::advance(Duration::from_millis(2)).await;
    settle_tasks().await;
    assert_eq!(told.try_recv(), Ok(Err(Errno::TIMEDOUT)));
}

#[tokio::test(start_paused = true)]
async fn a_transfer_takes_the_time_its_bytes_take() {
    let told = start(Bound::Transfer, async {
        tokio::time::sleep(100 * DEADLINE).await;
        Ok(1)
    });
    settle_tasks().await;
    tokio::time::advance(99 * DEADLINE).await;
    settle_tasks().await;
    assert!(told.try_recv().is_err());
    tokio::time::advance(2 * DEADLINE).await;
    settle_tasks().await;
    assert_eq!(told.try_recv(), Ok(Ok(1)));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines that one failing operation logs.
async fn logged(error: VfsError) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let inline = error.clone();
    let told = start(Bound::Answer, ready(Err(inline)));
    assert_eq!(told.try_recv(), Ok(Err(error.errno())));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_failure_is_one_line_with_all_that_is_known() {
    let mut error = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "not yours");
    error.request_id = Some("R1".to_owned());
    let lines = logged(VfsError::Store(error)).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["WARN", "lookup", "dir1/a.txt", "AccessDenied", "not yours", "R1", "denied"] {
        assert!(lines[0].contains(part), "{part} is missing in {}", lines[0]);
    }
}

#[tokio::test]
async fn an_everyday_answer_is_not_logged() {
    assert_eq!(logged(VfsError::NotFound).await, Vec::<String>::new());
    assert_eq!(logged(VfsError::NotEmpty).await, Vec::<String>::new());
}

#[test]
fn a_log_line_names_the_path() {
    let paths: Paths = Arc::new(|ino| if ino == 1 { String::new() } else { format!("dir{ino}") });
    let name: Arc<[u8]> = Arc::from(&b"file"[..]);
    assert_eq!(Subject::of_name("lookup", 1, &name).path(&paths), "file");
    assert_eq!(Subject::of_name("lookup", 7, &name).path(&paths), "dir7/file");
    assert_eq!(Subject::of("read", 7).path(&paths), "dir7");
}
