//! A server on port 0 over a temporary data directory, a bare HTTP client, and the client's half
//! of OPAQUE with a stretching function that costs nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keybackup_protocol::api::{
    DeviceRecord, Index, Keyring, LoggedIn, LoginFinish, LoginPurpose, LoginStart, LoginStarted,
    NewEpoch, Registered, Registration, RegistrationFinish, RegistrationStart, RegistrationStarted,
    SessionGrant, Slot, SlotKind,
};
use keybackup_protocol::suite::{CONTEXT_PASSWORD, SUITE, Suite1};
use keybackup_protocol::{AccountId, Address, B64, DeviceId, EpochId};
use opaque_ke::ksf::Identity;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, Identifiers, RegistrationResponse,
};
use rand08::rngs::OsRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{Config, Layers, PlaceLayer};
use crate::keyfile::ServerKey;
use crate::state::Server;
use crate::store::{DataDir, SqlStore};

pub(crate) type Suite = Suite1<Identity>;

/// A time to start from.
pub(crate) const START: i64 = 1_700_000_000;

/// How long anything may take before a test gives up on it: no test is about how fast a machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Bound to the address, and not listening: nobody else gets the port when the server is gone.
    _port: TcpSocket,
    pub(crate) dir: TempDir,
    pub(crate) key: Arc<ServerKey>,
    pub(crate) store: SqlStore,
    pub(crate) server: Arc<Server>,
    clock: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Starts one with the default settings.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts one with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), change).await
    }

    /// Ends it and starts another over what it kept.
    pub(crate) async fn restart(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.stop();
        self.task.await.expect("no panic");
        drop((self.store, self.server));
        Self::over(self.dir, change).await
    }

    async fn over(dir: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let place = PlaceLayer { data: Some(dir.path().join("data")), key_file: None };
        let layers = Layers { place, ..Layers::default() };
        let mut config = Config::resolve(layers).expect("defaults resolve");
        change(&mut config);
        let data = DataDir::open(&config.data).expect("a data directory");
        let key = Arc::new(ServerKey::open_or_create(data.path(), None).expect("a key file"));
        let store = SqlStore::open(&data, &key.fingerprint(), config.store_limits).expect("opens");
        let clock = Arc::new(AtomicI64::new(START));
        let time = Arc::clone(&clock);
        let server = Server::new(Arc::new(store.clone()), Arc::clone(&key), config.settings)
            .with_mail()
            .expect("mail goes out")
            .with_clock(Arc::new(move || time.load(Ordering::Relaxed)));
        let port = TcpSocket::new_v4().expect("a socket");
        // As tokio's listeners do: both may be bound to it while this one does not listen.
        port.set_reuseaddr(true).expect("is set");
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = port.local_addr().expect("bound");
        let server = Arc::new(server);
        let listener = TcpListener::bind(address).await.expect("shares the port");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { stopped.await.unwrap_or(()) };
        let task = tokio::spawn(crate::serve(listener, Arc::clone(&server), shutdown));
        Self { address, _port: port, dir, key, store, server, clock, stop: Some(stop), task }
    }

    /// Lets time pass for the server.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Tells it to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).expect("it runs");
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Sends bytes on a connection of their own and reads to its end.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("writes");
        read_to_end(&mut stream).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Reply {
        self.send(method, path, more, b"").await
    }

    /// One request with a body on a connection of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut stream = self.connect().await;
        let head = head(method, path, more, body.len());
        stream.write_all(head.as_bytes()).await.expect("writes the head");
        // A server that has answered early may have closed; its answer is still there.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("an answer");
        Reply::parse(&bytes)
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, value: &impl Serialize) -> Reply {
        let json = serde_json::to_vec(value).expect("serialises");
        self.send("POST", path, &[], &json).await
    }

    /// Registers an account.
    pub(crate) async fn register(&self, email: &str, password: &str) -> Member {
        let (finish, _) = self.registration(email, password, None).await;
        let reply = self.post("/accounts", &finish).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Member {
            account: finish.account_id,
            epoch: finish.epoch.id,
            device: finish.device.id,
            session: reply.json::<Registered>().session,
        }
    }

    /// All of a registration but its last request.
    pub(crate) async fn registration(
        &self,
        email: &str,
        password: &str,
        invite: Option<String>,
    ) -> (RegistrationFinish, Vec<u8>) {
        let state =
            ClientRegistration::<Suite>::start(&mut OsRng, password.as_bytes()).expect("starts");
        let start = RegistrationStart {
            email: email.to_owned(),
            suite: SUITE,
            registration_request: state.message.serialize().to_vec().into(),
            invite,
            confirmation: None,
        };
        let reply = self.post("/accounts/start", &start).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let started: RegistrationStarted = reply.json();
        let response = RegistrationResponse::deserialize(&started.registration_response.0)
            .expect("a response");
        let address: Address = email.parse().expect("an address");
        let parameters = ClientRegistrationFinishParameters::new(identifiers(&address), None);
        let finished = state
            .state
            .finish(&mut OsRng, password.as_bytes(), response, parameters)
            .expect("finishes");
        let record = finished.message.serialize().to_vec();
        (registration_finish(started.ticket, record.clone()), record)
    }

    /// Begins a login.
    pub(crate) async fn login_start(&self, email: &str, password: &str) -> (Reply, Pending) {
        self.login_start_with(email, password, None).await
    }

    /// Begins a login with a device cookie.
    pub(crate) async fn login_start_with(
        &self,
        email: &str,
        password: &str,
        device_cookie: Option<String>,
    ) -> (Reply, Pending) {
        let started = ClientLogin::<Suite>::start(&mut OsRng, password.as_bytes()).expect("starts");
        let start = LoginStart {
            email: email.to_owned(),
            ke1: started.message.serialize().to_vec().into(),
            purpose: LoginPurpose::Session,
            epoch: None,
            previous: false,
            device_cookie,
            registration_request: None,
        };
        let reply = self.post("/login/start", &start).await;
        let address = email.parse().expect("an address");
        (reply, Pending { state: started.state, address, password: password.to_owned() })
    }

    /// A whole login.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Option<LoggedIn> {
        let (reply, pending) = self.login_start(email, password).await;
        let finish = pending.finish(&reply)?;
        let reply = self.post("/login/finish", &finish).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Some(reply.json())
    }
}

/// KE1 of a login.
pub(crate) fn ke1(password: &str) -> B64 {
    let started = ClientLogin::<Suite>::start(&mut OsRng, password.as_bytes()).expect("starts");
    started.message.serialize().to_vec().into()
}

/// A login between its messages.
pub(crate) struct Pending {
    pub(crate) state: ClientLogin<Suite>,
    pub(crate) address: Address,
    pub(crate) password: String,
}

impl Pending {
    /// Ends it: what `POST /login/finish` takes, if the password is right.
    pub(crate) fn finish(self, reply: &Reply) -> Option<LoginFinish> {
        let started: LoginStarted = reply.json();
        let ke2 = CredentialResponse::deserialize(&started.ke2.0).ok()?;
        let identifiers = identifiers(&self.address);
        let parameters =
            ClientLoginFinishParameters::new(Some(CONTEXT_PASSWORD), identifiers, None);
        let password = self.password.as_bytes();
        let finished = self.state.finish(&mut OsRng, password, ke2, parameters).ok()?;
        let ke3 = finished.message.serialize().to_vec().into();
        Some(LoginFinish { ticket: started.ticket, ke3, device_id: device(1) })
    }
}

/// An account with a session.
pub(crate) struct Member {
    pub(crate) account: AccountId,
    pub(crate) epoch: EpochId,
    pub(crate) device: DeviceId,
    pub(crate) session: SessionGrant,
}

impl Member {
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.session.token)
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)).expect("a status line");
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        Self { status: status.parse().expect("a number"), headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All but the time.
    pub(crate) fn headers_but_date(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn code(&self) -> String {
        self.json::<keybackup_protocol::api::ErrorAnswer>().error.code
    }
}

/// A request head; `more` may replace `Keybackup-Protocol`.
pub(crate) fn head(method: &str, path: &str, more: &[(&str, &str)], length: usize) -> String {
    use std::fmt::Write as _;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n");
    if !more.iter().any(|(name, _)| name.eq_ignore_ascii_case("keybackup-protocol")) {
        head.push_str("Keybackup-Protocol: 1\r\n");
    }
    for (name, value) in more {
        write!(head, "{name}: {value}\r\n").expect("a string takes all");
    }
    write!(head, "Content-Length: {length}\r\n\r\n").expect("a string takes all");
    head
}

/// Reads to the end of a connection, bounded.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

/// What a registration brings, with `record` in it.
pub(crate) fn registration_finish(ticket: String, record: Vec<u8>) -> RegistrationFinish {
    let slot = |kind| Slot { kind, generation: 1, sealed: vec![7; 300].into() };
    RegistrationFinish {
        ticket,
        account_id: new_account(),
        epoch: NewEpoch {
            id: EpochId::from_bytes(random()),
            record: record.into(),
            slots: vec![slot(SlotKind::Password), slot(SlotKind::Recovery)],
            phrase_verifier: vec![1; 32].into(),
            root_verifier: vec![2; 32].into(),
            keyring: Keyring { version: 1, sealed: vec![3; 1024].into() },
            index: Index { counter: 1, sealed: vec![4; 4096].into() },
        },
        device: DeviceRecord { id: device(1), revision: 1, sealed: vec![5; 1024].into() },
    }
}

pub(crate) fn new_account() -> AccountId {
    AccountId::from_bytes(random())
}

fn random() -> [u8; 16] {
    use rand08::RngCore as _;
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn identifiers(address: &Address) -> Identifiers<'_> {
    Identifiers { client: Some(address.as_bytes()), server: None }
}

/// A change of settings, for [`Running::with`].
pub(crate) fn registration(mode: Registration) -> impl FnOnce(&mut Config) {
    move |config| config.settings.registration = mode
}
