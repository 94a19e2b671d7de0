//! A server between a client and its server that can answer anything, hold an answer back, or
//! hang up. Honest until told otherwise.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::PATIENCE;
use crate::http::{Request, Response};

/// What comes back to the client.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Response),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, and then these others without end.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, and then nothing until the client goes; [`Middleman::stalled`] tells.
    Stall(Vec<u8>),
}

/// Decides what is answered; `Upstream` asks the real server.
pub type Hook = dyn Fn(&Request, &Upstream) -> Reply + Send + Sync;

/// Decides by a request's head alone: with an answer its body is not read, and the connection is
/// kept until the client goes.
pub type EarlyHook = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// Decides by a request's head whether the connection breaks, and after how many bytes of its body.
pub type Break = dyn Fn(&Request) -> Option<u64> + Send + Sync;

/// A link that breaks.
struct Link {
    breaks: Box<Break>,
    before: Box<dyn Fn() + Send + Sync>,
    /// Bytes that came before it broke, of all connections.
    passed: u64,
}

/// The way to the real server.
#[derive(Debug, Clone)]
pub struct Upstream(String);

impl Upstream {
    /// What the real server answers.
    pub fn ask(&self, request: &Request) -> Response {
        request.send(&self.0).unwrap_or_else(|_| Response::error(502, "no_upstream"))
    }

    /// Gives the real server the first `count` bytes of a body, and keeps the connection.
    pub fn cut(&self, request: &Request, count: usize) -> TcpStream {
        request.begin(&self.0, count).expect("the server listens")
    }
}

/// A server in between.
pub struct Middleman {
    /// `http://ADDR`.
    pub url: String,
    hook: Arc<Mutex<Arc<Hook>>>,
    early: Arc<Mutex<Arc<EarlyHook>>>,
    link: Arc<Mutex<Link>>,
    seen: Arc<Mutex<Vec<Request>>>,
    stalled: Receiver<()>,
}

impl Middleman {
    /// In front of the server at `url`.
    pub fn start(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let upstream = Upstream(url.strip_prefix("http://").expect("a plain URL").to_owned());
        let hook = Arc::new(Mutex::new(honest()));
        let early: Arc<Mutex<Arc<EarlyHook>>> = Arc::new(Mutex::new(Arc::new(|_: &Request| None)));
        let link = Link { breaks: Box::new(|_| None), before: Box::new(|| {}), passed: 0 };
        let link = Arc::new(Mutex::new(link));
        let links = Arc::clone(&link);
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let (tell, stalled) = channel();
        let (hooks, earlies, log) = (Arc::clone(&hook), Arc::clone(&early), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (hooks, log) = (Arc::clone(&hooks), Arc::clone(&log));
                let early =
                    Arc::clone(&earlies.lock().expect("hooks are not called while this is held"));
                let (upstream, tell) = (upstream.clone(), tell.clone());
                let link = Arc::clone(&links);
                thread::spawn(move || {
                    serve(stream, &upstream, &*early, &link, &hooks, &log, &tell);
                });
            }
        });
        Self { url: format!("http://{address}"), hook, early, link, seen, stalled }
    }

    /// From now on `hook` answers.
    pub fn set(&self, hook: impl Fn(&Request, &Upstream) -> Reply + Send + Sync + 'static) {
        *self.hook.lock().expect("hooks are not called while this is held") = Arc::new(hook);
    }

    /// From now on `hook` may answer before a body is read.
    pub fn set_early(&self, hook: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) {
        *self.early.lock().expect("hooks are not called while this is held") = Arc::new(hook);
    }

    /// From now on connections break where `breaks` says so, in both directions, when that much of
    /// a request's body has been passed on.
    pub fn break_off(&self, breaks: impl Fn(&Request) -> Option<u64> + Send + Sync + 'static) {
        self.link().breaks = Box::new(breaks);
    }

    /// From now on this happens before a connection breaks.
    pub fn before_break(&self, before: impl Fn() + Send + Sync + 'static) {
        self.link().before = Box::new(before);
    }

    /// Bytes of bodies that were passed on over connections that then broke.
    pub fn passed(&self) -> u64 {
        self.link().passed
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().expect("nobody panics while it holds this")
    }

    /// From now on `lie` may alter what the real server answers.
    pub fn alter(&self, lie: impl Fn(&Request, &mut Response) + Send + Sync + 'static) {
        self.set(move |request, upstream| {
            let mut response = upstream.ask(request);
            lie(request, &mut response);
            Reply::Answer(response)
        });
    }

    /// From now on it answers what the real server answers.
    pub fn honest(&self) {
        *self.hook.lock().expect("hooks are not called while this is held") = honest();
    }

    /// The requests that came since the last call.
    pub fn take_seen(&self) -> Vec<Request> {
        std::mem::take(&mut self.seen.lock().expect("nobody panics while it holds this"))
    }

    /// Waits until a client sits before a [`Reply::Stall`].
    pub fn stalled(&self) {
        match self.stalled.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("no client came to wait")
            }
        }
    }
}

fn honest() -> Arc<Hook> {
    Arc::new(|request, upstream| Reply::Answer(upstream.ask(request)))
}

fn serve(
    mut stream: TcpStream,
    upstream: &Upstream,
    early: &EarlyHook,
    link: &Mutex<Link>,
    hook: &Mutex<Arc<Hook>>,
    seen: &Mutex<Vec<Request>>,
    tell: &Sender<()>,
) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    let Ok(Some(mut request)) = Request::read_head(&mut reader) else { return };
    if let Some(bytes) = early(&request) {
        let _ = stream.write_all(&bytes);
        return until_gone(&stream);
    }
    if let Some(count) = break_after(link, &request) {
        let _ = break_midway(&mut reader, upstream, link, &request, count);
        let _ = stream.shutdown(Shutdown::Both);
        return;
    }
    if request.read_rest(&mut reader).is_err() {
        return;
    }
    seen.lock().expect("nobody panics while it holds this").push(request.clone());
    let hook = Arc::clone(&hook.lock().expect("hooks are not called while this is held"));
    // The client may be gone by now: that is its business.
    let _ = match hook(&request, upstream) {
        Reply::Answer(response) => stream.write_all(&response.bytes()),
        Reply::Raw(bytes) => stream.write_all(&bytes),
        Reply::Endless(first, again) => {
            let mut result = stream.write_all(&first);
            while result.is_ok() {
                result = stream.write_all(&again);
            }
            result
        }
        Reply::Stall(bytes) => stream.write_all(&bytes).and_then(|()| {
            // The test may have ended without waiting for this.
            let _ = tell.send(());
            stream.read(&mut [0; 1]).map(drop)
        }),
    };
    let _ = stream.shutdown(Shutdown::Both);
}

fn break_after(link: &Mutex<Link>, request: &Request) -> Option<u64> {
    (link.lock().expect("nobody panics while it holds this").breaks)(request)
}

/// Passes on so many bytes of a body, and ends the way to the server behind them.
fn break_midway(
    reader: &mut impl BufRead,
    upstream: &Upstream,
    link: &Mutex<Link>,
    request: &Request,
    count: u64,
) -> io::Result<()> {
    let length = request.headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut server = request.begin_head(&upstream.0, length)?;
    let passed = io::copy(&mut reader.take(count.min(length)), &mut server)?;
    let mut link = link.lock().expect("nobody panics while it holds this");
    link.passed += passed;
    (link.before)();
    server.shutdown(Shutdown::Write)
}

/// Waits until the client has closed its side, and reads nothing of what it still sends.
fn until_gone(stream: &TcpStream) {
    let time = Timespec::try_from(PATIENCE).expect("a short time");
    let _ = poll(&mut [PollFd::new(stream, PollFlags::RDHUP)], Some(&time));
}
