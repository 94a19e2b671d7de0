//! One HTTP exchange at a time: no redirects, a stall timer instead of a total one, and answers
//! bounded before they are read.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keybackup_protocol::api::{ErrorAnswer, code};
use keybackup_protocol::routes::{H_EPOCH, H_PROTOCOL};
use keybackup_protocol::{EpochId, limits};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::mpsc;

use super::RemoteError;
use super::pace::Pace;
use crate::secret::Token;

/// Slowest transfer that is waited for, averaged after ten times the idle time.
const LOWEST_BYTES_PER_S: u64 = 1024;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Base URL; may have a path prefix.
    pub url: Url,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// Longest time without progress.
    pub idle: Duration,
    /// Most bytes a second, each way.
    pub limit: Option<u64>,
}

/// An HTTP client bound to one server.
pub(super) struct Wire {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    base: Url,
    idle: Duration,
    /// Of what goes to the server, and of what comes from it.
    sending: Arc<Pace>,
    receiving: Pace,
    /// The account's current epoch, as the last answer named it.
    current_epoch: Mutex<Option<EpochId>>,
}

/// Bytes to send: in memory, or read as they go.
pub(super) enum Body<'a> {
    None,
    Memory(Bytes),
    Stream { reader: &'a mut (dyn Read + Send), length: u64 },
}

impl Wire {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, RemoteError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| setup("starting the runtime", error))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("keybackup/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(endpoint.idle);
        if endpoint.url.scheme() == "http" {
            // No TLS here, so spare the time that loading the system's certificates takes; and
            // plain HTTP is for this machine only, which no proxy can reach.
            builder = builder.tls_certs_only([]).no_proxy();
        } else if let Some(file) = &endpoint.ca_file {
            let pem = std::fs::read(file).map_err(|error| setup("reading --ca-file", error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| setup("reading --ca-file as PEM", error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| setup("building the client", error))?;
        let mut base = endpoint.url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self {
            runtime,
            client,
            base,
            idle: endpoint.idle,
            sending: Arc::new(Pace::new(endpoint.limit)),
            receiving: Pace::new(endpoint.limit),
            current_epoch: Mutex::new(None),
        })
    }

    pub(super) fn server(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    pub(super) fn current_epoch(&self) -> Option<EpochId> {
        *locked(&self.current_epoch)
    }

    pub(super) fn odd(&self, what: &'static str) -> RemoteError {
        RemoteError::NotKeybackup { server: self.server(), what }
    }

    /// A request for `path` (which starts with `/`) below the base URL.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
    ) -> RequestBuilder {
        let url = format!("{}{}", self.base, path.trim_start_matches('/'));
        let request = self.client.request(method, url).header(H_PROTOCOL, limits::PROTOCOL);
        match token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Sends, and returns the answer's head once it is a success or 304.
    ///
    /// `progress` is told of bytes handed to the connection.
    pub(super) fn send(
        &self,
        request: RequestBuilder,
        body: Body<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, RemoteError> {
        let response = match body {
            Body::None => self.wait(request.send(), &AtomicU64::new(0), || {})?,
            Body::Memory(bytes) => self.send_memory(request, bytes, progress)?,
            Body::Stream { reader, length } => {
                self.send_stream(request, reader, length, progress)?
            }
        };
        let named = response.headers().get(H_EPOCH).and_then(|value| value.to_str().ok());
        if let Some(epoch) = named.and_then(|text| text.parse().ok()) {
            *locked(&self.current_epoch) = Some(epoch);
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.refusal(response))
    }

    /// Sends a `HEAD`, whose errors have no body that tells more.
    pub(super) fn head(&self, request: RequestBuilder) -> Result<Response, RemoteError> {
        let response = self.wait(request.send(), &AtomicU64::new(0), || {})?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (slug, message) = match status.as_u16() {
            401 => (code::UNAUTHENTICATED, "log in first"),
            409 => (code::STALE, "the epoch is no longer current"),
            410 => (code::GONE, "it is no longer there"),
            423 => (code::LOCKED, "another request uses it"),
            503 => (code::UNAVAILABLE, "the server is busy"),
            500 | 502 | 504 => ("http", "the server, or something on the way, failed"),
            _ => return Err(self.odd("its answer is not what the API says")),
        };
        Err(RemoteError::Refused {
            status: status.as_u16(),
            code: slug.to_owned(),
            message: message.to_owned(),
            retry_after_s: retry_after_s(&response),
        })
    }

    /// Sends a body that is in memory, in pieces, so that a slow network shows as movement.
    fn send_memory(
        &self,
        request: RequestBuilder,
        bytes: Bytes,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, RemoteError> {
        let length = bytes.len();
        let moved = Arc::new(AtomicU64::new(0));
        let (counted, pace) = (Arc::clone(&moved), Arc::clone(&self.sending));
        let pieces = futures_util::stream::unfold(bytes, move |mut bytes| {
            let (counted, pace) = (Arc::clone(&counted), Arc::clone(&pace));
            async move {
                let piece = bytes.split_to(bytes.len().min(pace.piece_bytes()));
                match pace.take(piece.len(), Instant::now()) {
                    Duration::ZERO => {}
                    wait => tokio::time::sleep(wait).await,
                }
                counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
                (!piece.is_empty()).then_some((Ok::<_, std::io::Error>(piece), bytes))
            }
        });
        let request = request
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(pieces));
        self.watch(request, &moved, progress)
    }

    /// Feeds a body from a blocking reader, on its own thread, through a bounded channel.
    fn send_stream(
        &self,
        request: RequestBuilder,
        reader: &mut (dyn Read + Send),
        length: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, RemoteError> {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
        let receiver = Arc::new(Mutex::new(receiver));
        let pieces = Arc::clone(&receiver);
        let moved = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&moved);
        let stream = futures_util::stream::poll_fn(move |context| {
            locked(&pieces).poll_recv(context).map(|item| {
                if let Some(Ok(bytes)) = &item {
                    counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                item
            })
        });
        let request = request
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(stream));
        std::thread::scope(|scope| {
            let feeder = scope.spawn(move || feed(reader, length, &self.sending, &sender));
            let answer = self.watch(request, &moved, progress);
            // An answer can come before the body is gone, or none at all. Nobody takes the rest
            // then: without this the feeder would wait for ever for room in the channel.
            locked(&receiver).close();
            match feeder.join() {
                Ok(Err(error)) if answer.is_err() => Err(RemoteError::Local(error)),
                _ => answer,
            }
        })
    }

    /// Sends, and tells `progress` what moves.
    fn watch(
        &self,
        request: RequestBuilder,
        moved: &AtomicU64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, RemoteError> {
        let mut told = 0;
        self.wait(request.send(), moved, || {
            let now = moved.load(Ordering::Relaxed);
            progress(now - told);
            told = now;
        })
    }

    /// Waits for an answer's head for as long as bytes move.
    fn wait(
        &self,
        answer: impl Future<Output = reqwest::Result<Response>>,
        moved: &AtomicU64,
        mut tick: impl FnMut(),
    ) -> Result<Response, RemoteError> {
        let result = self.runtime.block_on(async {
            tokio::pin!(answer);
            let mut last = (moved.load(Ordering::Relaxed), Instant::now());
            loop {
                tokio::select! {
                    result = &mut answer => return Some(result),
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
                tick();
                let now = moved.load(Ordering::Relaxed);
                if now != last.0 {
                    last = (now, Instant::now());
                } else if last.1.elapsed() >= self.idle {
                    return None;
                }
            }
        });
        tick();
        match result {
            None => Err(RemoteError::TimedOut { server: self.server(), idle: self.idle }),
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(self.failed(error)),
        }
    }

    /// Hands the body to `sink` piece by piece; refuses more than `limit` bytes.
    pub(super) fn receive(
        &self,
        mut response: Response,
        limit: u64,
        sink: &mut dyn FnMut(Bytes) -> std::io::Result<()>,
    ) -> Result<u64, RemoteError> {
        let mut total = 0_u64;
        let started = Instant::now();
        loop {
            let chunk = self
                .runtime
                .block_on(async { tokio::time::timeout(self.idle, response.chunk()).await })
                .map_err(|_| RemoteError::TimedOut { server: self.server(), idle: self.idle })?
                .map_err(|error| self.failed(error))?;
            let Some(chunk) = chunk else { return Ok(total) };
            total += chunk.len() as u64;
            // A byte now and then is no answer, however long it goes on.
            let patience = self.idle * 10 + Duration::from_secs(total / LOWEST_BYTES_PER_S);
            if started.elapsed() > patience {
                return Err(RemoteError::TimedOut { server: self.server(), idle: self.idle });
            }
            if total > limit {
                return Err(self.odd("its answer is longer than it may be"));
            }
            let bytes = chunk.len();
            sink(chunk)?;
            match self.receiving.take(bytes, Instant::now()) {
                Duration::ZERO => {}
                wait => std::thread::sleep(wait),
            }
        }
    }

    /// Reads a whole answer of at most `limit` bytes.
    pub(super) fn read(&self, response: Response, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let mut body = Vec::new();
        self.receive(response, limit as u64, &mut |chunk| {
            body.extend_from_slice(&chunk);
            Ok(())
        })?;
        Ok(body)
    }

    /// Reads a whole answer as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        response: Response,
        limit: usize,
    ) -> Result<T, RemoteError> {
        let body = self.read(response, limit)?;
        serde_json::from_slice(&body).map_err(|_| self.odd("its answer is not what the API says"))
    }

    fn refusal(&self, response: Response) -> RemoteError {
        let status = response.status();
        if status.is_redirection() {
            return self.odd("it redirects, and redirects are never followed");
        }
        let retry_after_s = retry_after_s(&response);
        match self.json::<ErrorAnswer>(response, 64 * 1024) {
            Ok(ErrorAnswer { error }) => RemoteError::Refused {
                status: status.as_u16(),
                code: error.code,
                message: error.message,
                retry_after_s,
            },
            Err(RemoteError::NotKeybackup { .. }) if status.is_server_error() => {
                RemoteError::Refused {
                    status: status.as_u16(),
                    code: "http".to_owned(),
                    message: "something between here and the server failed".to_owned(),
                    retry_after_s,
                }
            }
            Err(error) => error,
        }
    }

    fn failed(&self, source: reqwest::Error) -> RemoteError {
        let server = self.server();
        // The URL is ours and named already; without it the cause reads better.
        let source = source.without_url();
        if source.is_timeout() {
            RemoteError::TimedOut { server, idle: self.idle }
        } else if source.is_connect() {
            RemoteError::Unreachable { server, source }
        } else {
            RemoteError::Broken { server, source }
        }
    }
}

fn retry_after_s(response: &Response) -> Option<u64> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER);
    value.and_then(|value| value.to_str().ok()?.trim().parse().ok())
}

fn setup(
    what: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RemoteError {
    RemoteError::Setup { what, source: source.into() }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads `length` bytes in pieces into the channel. A receiver that is gone ends it:
/// the answer came early, and is told by the other side.
fn feed(
    reader: &mut (dyn Read + Send),
    length: u64,
    pace: &Pace,
    sender: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> std::io::Result<()> {
    let mut left = length;
    while left > 0 {
        let most = pace.piece_bytes();
        let mut piece = vec![0; usize::try_from(left).map_or(most, |left| left.min(most))];
        if let Err(error) = reader.read_exact(&mut piece) {
            // The request must not end as if it were whole.
            let _ = sender.blocking_send(Err(std::io::Error::from(error.kind())));
            return Err(error);
        }
        left -= piece.len() as u64;
        std::thread::sleep(pace.take(piece.len(), Instant::now()));
        if sender.blocking_send(Ok(Bytes::from(piece))).is_err() {
            break;
        }
    }
    Ok(())
}
