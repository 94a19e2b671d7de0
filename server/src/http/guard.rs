//! The connection between socket and hyper: hands on only whole, checked heads and exactly the
//! body that each announces, answers refused heads itself, and ends what stalls.
//!
//! hyper reads ahead, so a refusal can't be written where it is found: an earlier answer may be
//! under way. The guard says "end of stream" to hyper instead, which flushes, then shuts the
//! connection down, and there the refusal is written. A malformed head that was sent before the
//! request ahead of it was answered ends the connection without an answer to either.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::answer::refusal_bytes;
use super::head::{self, HeadError};
use super::pace::{AnswerPace, Holding};

/// Bytes read from the socket at once. On the stack, so that an idle connection holds none.
const READ_BYTES: usize = 16 * 1024;
/// How long a refused client may go on sending before the connection is cut; without it the
/// reset would overtake the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Time limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardTimes {
    /// From a head's first byte (or the accept, for the first head) to its last.
    pub(crate) head: Duration,
    /// Without a byte taken by the client.
    pub(crate) write: Duration,
}

enum Phase {
    /// Collecting a head; so many bytes of it were looked at.
    Head { scanned: usize },
    /// Handing on a checked head and its body: so many bytes are left.
    Deliver { left: u64 },
    /// Nothing more is handed on.
    Ended,
}

/// See the module.
pub(crate) struct Guard<Io> {
    io: Io,
    times: GuardTimes,
    phase: Phase,
    /// Read from the socket and not handed on.
    pending: BytesMut,
    /// Runs while a head is under way.
    head_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing, and when that began.
    write_timer: Option<(Instant, Pin<Box<Sleep>>)>,
    pace: AnswerPace,
    /// Written before the connection is shut down.
    refusal: Bytes,
    /// Whether the client may still be sending what nobody will read.
    unread: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Guard<Io> {
    /// Guards a connection that was just accepted.
    pub(crate) fn new(io: Io, times: GuardTimes, holding: Holding) -> Self {
        Self {
            io,
            times,
            phase: Phase::Head { scanned: 0 },
            pending: BytesMut::new(),
            head_timer: Some(Box::pin(sleep(times.head))),
            write_timer: None,
            pace: AnswerPace::new(holding, times.write),
            refusal: Bytes::new(),
            unread: false,
            linger: None,
        }
    }

    /// Looks at what is pending for a head; true when one is ready to be handed on.
    fn take_head(&mut self, scanned: usize) -> Result<bool, HeadError> {
        let mut scanned = scanned;
        if scanned == 0 && self.pending.starts_with(b"\r\n") {
            // RFC 9112 section 2.2: an empty line before the request line is skipped, once.
            self.pending.advance(2);
        }
        let end = head::find_end(&self.pending, &mut scanned)?;
        self.phase = Phase::Head { scanned };
        let Some(end) = end else { return Ok(false) };
        let body = head::check(&self.pending[..end])?;
        self.phase = Phase::Deliver { left: end as u64 + body };
        self.head_timer = None;
        Ok(true)
    }

    fn refuse(&mut self, error: HeadError) {
        tracing::info!(status = error.status().as_u16(), reason = %error, "request refused");
        self.refusal = refusal_bytes(error);
        self.unread = true;
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.pending = BytesMut::new();
        self.head_timer = None;
    }

    /// Reads more of a head; false at the end of the stream or of the time for it.
    fn poll_more_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.head_timer.is_none() && !self.pending.is_empty() {
            self.head_timer = Some(Box::pin(sleep(self.times.head)));
        }
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer)? {
            Poll::Ready(()) => {
                self.pending.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(!buffer.filled().is_empty()))
            }
            Poll::Pending => {
                let Some(timer) = &mut self.head_timer else { return Poll::Pending };
                ready!(timer.as_mut().poll(cx));
                if self.pending.is_empty() {
                    // A connection that never said anything gets no answer.
                    self.end();
                } else {
                    self.refuse(HeadError::Timeout);
                }
                Poll::Ready(Ok(false))
            }
        }
    }

    /// Hands on some of the `left` bytes; returns how many.
    fn poll_deliver(
        &mut self,
        cx: &mut Context<'_>,
        left: u64,
        out: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<usize>> {
        let want = out.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
        if !self.pending.is_empty() {
            let count = want.min(self.pending.len());
            out.put_slice(&self.pending[..count]);
            self.pending.advance(count);
            if self.pending.is_empty() {
                self.pending = BytesMut::new();
            }
            return Poll::Ready(Ok(count));
        }
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space[..want.min(READ_BYTES)]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        out.put_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Reads and drops until the client stops sending or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let timer = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Ends a connection whose client takes nothing, or too little of what others wait behind.
    fn poll_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if let Some((since, _)) = self.write_timer.take()
                && let Some(pace) = self.pace.current()
            {
                pace.waited(since.elapsed());
            }
            return written;
        }
        let left = self.pace.current().map_or(Duration::MAX, |pace| pace.left());
        let deadline = self.times.write.min(left);
        let (_, timer) =
            self.write_timer.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(deadline))));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The same, and counts what went.
    fn poll_sent(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written
            && let Some(pace) = self.pace.current()
        {
            pace.came(*count as u64);
        }
        self.poll_stalled(cx, written)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> hyper::rt::Read for Guard<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.phase {
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Deliver { left: 0 } => this.phase = Phase::Head { scanned: 0 },
                Phase::Deliver { left } => {
                    let count = ready!(this.poll_deliver(cx, left, &mut out))?;
                    if count == 0 {
                        this.end();
                    } else {
                        this.phase = Phase::Deliver { left: left - count as u64 };
                    }
                    return Poll::Ready(Ok(()));
                }
                Phase::Head { scanned } => match this.take_head(scanned) {
                    Err(error) => this.refuse(error),
                    Ok(true) => {}
                    Ok(false) => {
                        if !ready!(this.poll_more_head(cx))? {
                            this.end();
                        }
                    }
                },
            }
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for Guard<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.poll_sent(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.poll_sent(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.poll_stalled(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.phase, Phase::Deliver { left } if left > 0) {
            // The handler answered before it had read the body.
            this.unread = true;
        }
        while !this.refusal.is_empty() {
            let written = Pin::new(&mut this.io).poll_write(cx, &this.refusal);
            let count = ready!(this.poll_stalled(cx, written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.refusal.advance(count);
        }
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        if this.unread { this.poll_linger(cx) } else { Poll::Ready(Ok(())) }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::rt::Write as _;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::{interval, timeout};

    use super::*;

    /// A client that takes something all the time, so many bytes in twenty milliseconds; how it
    /// ends within a second and a half.
    async fn end_of(bytes: usize, is_held: bool) -> Option<io::ErrorKind> {
        let (mut client, server) = duplex(1024);
        let holding = Holding::default();
        let _held = is_held.then(|| holding.begin());
        let write = Duration::from_millis(300);
        let mut guard = Guard::new(server, GuardTimes { head: write, write }, holding);
        let reader = tokio::spawn(async move {
            let mut pause = interval(Duration::from_millis(20));
            let mut piece = vec![0; bytes];
            while client.read(&mut piece).await.is_ok_and(|count| count > 0) {
                pause.tick().await;
            }
        });
        let send = async {
            loop {
                let sent = poll_fn(|cx| Pin::new(&mut guard).poll_write(cx, &[7; 1024])).await;
                if let Err(error) = sent {
                    break error.kind();
                }
            }
        };
        let end = timeout(Duration::from_millis(1500), send).await.ok();
        reader.abort();
        end
    }

    #[tokio::test]
    async fn a_trickle_does_not_hold_what_others_wait_for() {
        assert_eq!(end_of(64, true).await, Some(io::ErrorKind::TimedOut), "3 KiB/s");
        assert_eq!(end_of(1024, true).await, None, "50 KiB/s");
        assert_eq!(end_of(64, false).await, None, "nobody waits for it");
    }
}
