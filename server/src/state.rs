//! What all requests share: the store, the keys, the settings, and the clock.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::auth::opaque::DummyRecord;
use crate::config::Settings;
use crate::http::body::Memory;
use crate::http::pool::Pool;
use crate::http::room::AnswerMemory;
use crate::keyfile::ServerKey;
use crate::mail::{Transport, TransportError};
use crate::store::Store;
use crate::uploading::Uploading;

/// Memory that small and large bodies may take together, of who has not logged in.
const STRANGERS_MEMORY_KIB: (u32, u32) = (8 * 1024, 16 * 1024);
/// The same, of sessions. One account's share is the largest head and what is parsed out of it.
const MEMBERS_MEMORY_KIB: (u32, u32) = (24 * 1024, 100 * 1024);

/// KiB that bodies on their way into files may take together, and of these one account's. Each
/// takes up to half a MiB, once something of it came.
const UPLOADS_KIB: (u32, u32) = (96 * 1024, 32 * 1024);

/// KiB that JSON answers may take together until they are sent, the smallest apart, and of these
/// one account. A larger one counts as that, and two such are under way at once.
const ANSWERS_KIB: (u32, u32) = (96 * 1024, 32 * 1024);
/// Answers at the same time that are read from files as they are sent, and of these to one
/// account. Each takes a descriptor and half a MiB.
const DOWNLOADS: (u32, u32) = (128, 16);

/// Unix seconds. Replaced in tests that own the clock.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A server, apart from its listener.
pub struct Server {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: Arc<ServerKey>,
    pub(crate) settings: Settings,
    pub(crate) strangers_memory: Arc<Memory>,
    pub(crate) members_memory: Arc<Memory>,
    /// Memory of bodies that are written to files, in KiB.
    pub(crate) uploads: Pool,
    /// Uploads that are being added to.
    pub(crate) uploading: Uploading,
    /// Memory of JSON answers.
    pub(crate) answers: AnswerMemory,
    /// Answers that are read from files.
    pub(crate) downloads: Pool,
    pub(crate) dummy: DummyRecord,
    /// The way out for mail, if there is one.
    pub(crate) transport: Option<Arc<Transport>>,
    /// Woken when there is mail to send.
    mail: Notify,
    clock: Clock,
}

impl Server {
    /// Puts a server together over an open store.
    pub fn new(store: Arc<dyn Store>, key: Arc<ServerKey>, settings: Settings) -> Self {
        let memory = |(small, large)| Arc::new(Memory::new(small, large));
        Self {
            store,
            key,
            settings,
            strangers_memory: memory(STRANGERS_MEMORY_KIB),
            members_memory: memory(MEMBERS_MEMORY_KIB),
            uploads: Pool::new(UPLOADS_KIB.0, UPLOADS_KIB.1),
            uploading: Uploading::default(),
            answers: AnswerMemory::new(ANSWERS_KIB.0, ANSWERS_KIB.1),
            downloads: Pool::new(DOWNLOADS.0, DOWNLOADS.1),
            dummy: DummyRecord::generate(),
            transport: None,
            mail: Notify::new(),
            clock: Arc::new(system_clock),
        }
    }

    /// The same with a way out for mail, if the settings name one.
    ///
    /// # Errors
    /// [`TransportError`] when what they name can't be used.
    pub fn with_mail(mut self) -> Result<Self, TransportError> {
        let transport = self.settings.mail.as_ref().map(Transport::open).transpose()?;
        self.transport = transport.map(Arc::new);
        Ok(self)
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Tells whoever sends mail that some waits in the outbox.
    pub(crate) fn mail_waits(&self) {
        self.mail.notify_one();
    }

    /// Completes when there is mail to send, also when it was told before.
    pub(crate) async fn mail_comes(&self) {
        self.mail.notified().await;
    }

    /// Its clock, for what outlives a request.
    pub(crate) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Now, in unix seconds.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }
}

/// The system's clock in unix seconds; zero where it stands before 1970.
pub(crate) fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
