//! How long a request is waited for, in either direction.

use std::future::pending;

use http_body_util::BodyExt;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A body whose frames come after so long each, and which never ends.
struct Slow {
    pause: Duration,
    timer: Pin<Box<Sleep>>,
}

fn slow(pause: Duration) -> SdkBody {
    SdkBody::from_body_1_x(Slow { pause, timer: Box::pin(tokio::time::sleep(pause)) })
}

impl Body for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        ready!(self.timer.as_mut().poll(context));
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"frame")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_given_up() {
    let never = pending::<Result<(), ConnectorError>>();
    let error = unless_stalled(never, &AtomicU64::new(0), LIMIT).await.unwrap_err();
    assert!(error.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_waited_for_while_its_body_goes_out() {
    let sent = AtomicU64::new(0);
    let upload = async {
        for _frame in 0..10 {
            tokio::time::sleep(LIMIT / 2).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok("answer")
    };
    assert!(unless_stalled(upload, &sent, LIMIT).await.is_ok());
}

#[tokio::test]
async fn frames_of_a_request_are_counted_as_they_go_out() {
    let sent = Arc::new(AtomicU64::new(0));
    let inner = SdkBody::from("hello");
    let counted = CountedBody { inner, sent: Arc::clone(&sent) };
    assert_eq!(Body::size_hint(&counted).exact(), Some(5));
    assert_eq!(counted.collect().await.unwrap().to_bytes(), "hello");
    assert!(sent.load(Ordering::Relaxed) >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_coming_is_read_on() {
    let mut body = WatchedBody::new(slow(LIMIT / 2), LIMIT);
    for _frame in 0..10 {
        assert!(body.frame().await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_given_up() {
    let mut body = WatchedBody::new(slow(LIMIT * 2), LIMIT);
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.downcast_ref::<Stalled>().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reader_may_take_its_time() {
    let mut body = WatchedBody::new(slow(LIMIT / 2), LIMIT);
    for _frame in 0..3 {
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(LIMIT * 3).await;
    }
}
