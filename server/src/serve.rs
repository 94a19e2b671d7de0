//! The accept loop, the connections, the sweep, and a graceful stop.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::http::answer::busy_bytes;
use crate::http::guard::{Guard, GuardTimes};
use crate::http::pace::Holding;
use crate::mail;
use crate::router;
use crate::state::Server;

/// Time between two sweeps.
const SWEEP_PERIOD: Duration = Duration::from_mins(10);
/// Pause after an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest buffer that hyper reads into, and so the largest frame of a body.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Most bytes that wait in the kernel to be sent. Room in its buffer is told of only when a third
/// of megabytes is free; by then a slow client that takes something all the time seems to have
/// stalled. What is on its way does not count, so a fast one is not slowed down.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 128 * 1024;
/// Connections beyond the limit that are told so at the same time; further ones are cut.
const MAX_REFUSALS: usize = 64;
/// How long a refused connection may take to hear so.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Serves until `shutdown` completes. Then it accepts nothing more, lets running requests finish
/// within the stop time-out, and returns. The store is swept at the start and every ten minutes.
pub async fn serve(listener: TcpListener, server: Arc<Server>, shutdown: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(server.settings.max_connections));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let sweeper = tokio::spawn(sweep(Arc::clone(&server)));
    let mailer = server
        .transport
        .as_ref()
        .map(|transport| tokio::spawn(mail::run(Arc::clone(&server), Arc::clone(transport))));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => {
                        let peer = peer.ip();
                        let server = Arc::clone(&server);
                        connections.spawn(connection(stream, peer, server, stopping.clone(), slot));
                    }
                    Err(_) => refuse(stream, &refusals, &mut connections),
                },
                Err(error) => accept_failed(&error).await,
            },
            Some(ended) = connections.join_next() => note_panic(ended),
        }
    }
    drop(listener);
    sweeper.abort();
    // What was not sent is still in the outbox.
    if let Some(mailer) = mailer {
        mailer.abort();
    }
    // Fails only when no connection is left to hear it.
    let _ = stop.send(true);
    tracing::info!(connections = connections.len(), "stopping");
    let finished = timeout(server.settings.timeouts.stop, async {
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    });
    if finished.await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting what did not finish in time");
        connections.shutdown().await;
    }
    // What came of uploads that were cut is being kept.
    server.uploading.settled().await;
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    server: Arc<Server>,
    mut stopping: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
) {
    // Answers are written whole; waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "set_nodelay failed");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(error = &error as &dyn std::error::Error, "set_tcp_notsent_lowat failed");
    }
    let times = server.settings.timeouts;
    let holding = Holding::default();
    let guard_times = GuardTimes { head: times.head, write: times.write };
    let guard = Guard::new(stream, guard_times, holding.clone());
    // In a place of its own: an idle connection holds no room for the largest of all handlers.
    let service = service_fn(move |request| {
        Box::pin(router::answer(Arc::clone(&server), peer, holding.clone(), request))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // From the end of one answer to the end of the next head: the limit on keeping alive.
        // The guard ends a head that has begun much sooner.
        .header_read_timeout(times.idle)
        .max_buf_size(READ_BUFFER_BYTES)
        .serve_connection(guard, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
    }
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, so that the server is, too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Says 503 to a connection beyond the limit, unless too many are being told so already.
fn refuse(mut stream: TcpStream, refusals: &Arc<Semaphore>, connections: &mut JoinSet<()>) {
    let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else { return };
    connections.spawn(async move {
        let _permit = permit;
        // Best effort: reading what was sent keeps a reset from overtaking the answer.
        let _ = timeout(REFUSAL_TIME, async {
            stream.write_all(&busy_bytes()).await?;
            stream.shutdown().await?;
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    });
}

async fn accept_failed(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        // Out of descriptors or memory: running connections will give some back.
        tracing::warn!(error = error as &dyn std::error::Error, "accept failed");
        sleep(ACCEPT_PAUSE).await;
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}

async fn sweep(server: Arc<Server>) {
    let mut ticks = interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = server.store.sweep(server.now()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the sweep failed");
        }
    }
}
