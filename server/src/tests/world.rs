//! What is granted to an owner and asked for by others: an account that has something of each kind,
//! what its owner would send, and everybody who may try to send it.

use keybackup_protocol::api::{
    AccountDeletion, AddressChangeStart, DeviceRecord, FreshLogin, LoggedIn, LoginFinish,
    LoginPurpose, LoginStart, PasswordChange, Purge, RecoveryRotation, SessionGrant, Sessions,
    Slot, SlotKind,
};
use keybackup_protocol::{EpochId, PersonaId};
use opaque_ke::ClientLogin;
use rand08::rngs::OsRng;
use rusqlite::Connection;

use super::harness::{Member, Pending, Reply, Running, Suite, device};
use super::password::prepared;
use super::personas::{Push, push};
use crate::store::DATABASE;

const EMAIL: &str = "alice@example.org";
const PASSWORD: &str = "correct horse";
const PERSONA: PersonaId = PersonaId::from_bytes([0xaa; 16]);
/// How long sessions last without use, and at all.
const IDLE_S: i64 = 1000;
const AGE_S: i64 = 1500;
/// A device that only the owner has.
const DEVICE: u8 = 9;

/// Tables with rows of accounts, and their columns of the account.
const TABLES: [(&str, &str); 13] = [
    ("accounts", "id"),
    ("epochs", "account_id"),
    ("credentials", "account_id"),
    ("slots", "account_id"),
    ("keyrings", "account_id"),
    ("indexes", "account_id"),
    ("personas", "account_id"),
    ("versions", "account_id"),
    ("blobs", "account_id"),
    ("uploads", "account_id"),
    ("devices", "account_id"),
    ("sessions", "account_id"),
    ("outbox", "account_id"),
];

/// It. Sessions are what `Authorization` shows.
pub(crate) struct World {
    pub(crate) server: Running,
    alice: Member,
    /// The owner's session.
    pub(crate) owner: String,
    /// A session of another account.
    pub(crate) another: String,
    /// Who has none that holds.
    pub(crate) without: Vec<(&'static str, Option<String>)>,
    /// The owner's other one, as the list names it.
    other_session: String,
    change: PasswordChange,
    rotation: RecoveryRotation,
    deletion: AccountDeletion,
    purge: Purge,
    /// An upload of five bytes, of which three have come.
    upload: String,
}

impl World {
    pub(crate) async fn make() -> Self {
        let server = Running::with(|config| {
            config.settings.session_idle_s = IDLE_S;
            config.settings.session_ttl_s = AGE_S;
        })
        .await;
        let mut alice = server.register(EMAIL, PASSWORD).await;
        let aged = bearer(&alice.session);
        server.pass(450);
        let idle = bearer(&log_in(&server, 2, None).await.session);
        server.pass(450);
        // The use is noted behind the answer; a write waits for what was queued before it.
        assert_eq!(server.ask("GET", "/keyring", &[("Authorization", &aged)]).await.status, 200);
        let nothing = format!("/personas/{}", PersonaId::from_bytes([0; 16]));
        server.ask("DELETE", &nothing, &[("Authorization", &aged)]).await;
        server.pass(AGE_S - 900);

        let revoked = bearer(&log_in(&server, 3, None).await.session);
        let ended = server.ask("DELETE", "/session", &[("Authorization", &revoked)]).await;
        assert_eq!(ended.status, 200);
        let (half, _) = server.registration("carol@example.org", PASSWORD, None).await;
        let without = vec![
            ("nobody", None),
            ("revoked", Some(revoked)),
            ("idled out", Some(idle)),
            ("too old", Some(aged)),
            ("half registered", Some(format!("Bearer {}", half.ticket))),
        ];

        let owner = log_in(&server, DEVICE, None).await;
        alice.session = owner.session;
        let pushed = push(&server, &alice, PERSONA, Push::first(b"sealed bytes of alice")).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        let change = prepared(&server, EMAIL, PASSWORD, "battery staple").await;
        let rotation = RecoveryRotation {
            login: fresh_login(&server, LoginPurpose::RotateRecovery).await,
            slot: Slot { kind: SlotKind::Recovery, generation: 2, sealed: vec![8; 300].into() },
            phrase_verifier: vec![9; 32].into(),
        };
        let login = fresh_login(&server, LoginPurpose::DeleteAccount).await;
        let deletion = AccountDeletion { login };
        // Of a version that is not there: nothing goes.
        let login = fresh_login(&server, LoginPurpose::Purge).await;
        let purge = Purge { login, version: Some(7) };
        log_in(&server, 4, None).await;
        let owner = bearer(&alice.session);
        let listed = server.ask("GET", "/sessions", &[("Authorization", &owner)]).await;
        let listed = listed.json::<Sessions>().sessions;
        let other = listed.iter().find(|session| session.device_id == device(4));
        let other_session = other.expect("it is there").id.to_string();
        let bob = server.register("bob@example.org", PASSWORD).await;
        let another = bearer(&bob.session);
        let upload = super::resumed::begin(&server, &alice, Some(5), b"byt").await;
        Self {
            server,
            alice,
            owner,
            another,
            without,
            other_session,
            change,
            rotation,
            deletion,
            purge,
            upload,
        }
    }

    /// What the owner would send to an endpoint, sent by somebody.
    pub(crate) async fn ask(&self, method: &str, path: &str, shown: Option<&str>) -> Reply {
        let (more, body) = self.request(method, path);
        let mut headers = more.to_vec();
        headers.extend(shown.map(|value| ("Authorization", value)));
        self.server.send(method, &self.path(path), &headers, &body).await
    }

    /// A path with the ids of what the account has.
    fn path(&self, pattern: &str) -> String {
        let id = match pattern.split('/').nth(1) {
            Some("personas") => PERSONA.to_string(),
            Some("uploads") => self.upload.clone(),
            Some("sessions") => self.other_session.clone(),
            _ => device(DEVICE).to_string(),
        };
        pattern.replace("<id>", &id)
    }

    fn request(
        &self,
        method: &str,
        path: &str,
    ) -> (&'static [(&'static str, &'static str)], Vec<u8>) {
        let json = |value: serde_json::Result<Vec<u8>>| value.expect("serialises");
        match (method, path) {
            ("POST", "/personas/<id>") => {
                let next =
                    Push { base: Some(1), version: 2, index_base: 2, ..Push::first(b"more") };
                (&[("If-Match", "\"1\"")], next.body(&self.alice))
            }
            ("POST", "/uploads") => (
                &[
                    ("Tus-Resumable", "1.0.0"),
                    ("Content-Type", "application/offset+octet-stream"),
                    ("Upload-Length", "5"),
                ],
                b"bytes".to_vec(),
            ),
            ("PATCH", "/uploads/<id>") => (
                &[
                    ("Tus-Resumable", "1.0.0"),
                    ("Content-Type", "application/offset+octet-stream"),
                    ("Upload-Offset", "3"),
                ],
                b"es".to_vec(),
            ),
            ("HEAD" | "DELETE", "/uploads/<id>") => (&[("Tus-Resumable", "1.0.0")], Vec::new()),
            ("PUT", "/devices/<id>") => {
                let sealed = vec![5; 1024].into();
                let record = DeviceRecord { id: device(DEVICE), revision: 1, sealed };
                (&[], json(serde_json::to_vec(&record)))
            }
            ("PUT", "/password") => (&[], json(serde_json::to_vec(&self.change))),
            ("PUT", "/recovery") => (&[], json(serde_json::to_vec(&self.rotation))),
            ("DELETE", "/account") => (&[], json(serde_json::to_vec(&self.deletion))),
            ("POST", "/personas/<id>/purge") => (&[], json(serde_json::to_vec(&self.purge))),
            ("POST", "/account/email/start") => {
                let start = AddressChangeStart {
                    new_email: "alice@example.net".to_owned(),
                    suite: 1,
                    registration_request: super::login::blinded().into(),
                    confirmation: None,
                };
                (&[], json(serde_json::to_vec(&start)))
            }
            ("GET" | "HEAD" | "DELETE", _) => (&[], Vec::new()),
            _ => panic!("{method} {path}: what would the owner send?"),
        }
    }

    /// All rows of the account.
    pub(crate) fn rows(&self) -> Vec<String> {
        let database = self.database();
        let mut rows = Vec::new();
        for (table, column) in TABLES {
            let select = format!("SELECT * FROM {table} WHERE {column} = ?1");
            let mut statement = database.prepare(&select).expect("SQL");
            let columns = statement.column_count();
            let found = statement.query_map([self.alice.account.as_bytes().as_slice()], |row| {
                let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
                Ok(format!("{table} {:?}", values.collect::<Result<Vec<_>, _>>()?))
            });
            rows.extend(found.expect("runs").map(|row| row.expect("a row")));
        }
        rows.sort();
        rows
    }

    /// What no answer to another account may hold.
    pub(crate) fn traces(&self) -> [String; 3] {
        [self.alice.account.to_string(), self.alice.epoch.to_string(), "bytes of alice".to_owned()]
    }

    /// Gives the account another epoch, and makes it the current one.
    pub(crate) fn begin_another_epoch(&self) {
        let database = self.database();
        let columns = |table: &str| -> Vec<String> {
            let mut statement =
                database.prepare("SELECT name FROM pragma_table_info(?1)").expect("SQL");
            let names = statement.query_map([table], |row| row.get(0)).expect("runs");
            names.map(|name| name.expect("a row")).collect()
        };
        let new = format!("X'{}'", "ee".repeat(16));
        for (table, id) in [("epochs", "id"), ("credentials", "epoch_id")] {
            let columns = columns(table);
            let copied: Vec<_> = columns
                .iter()
                .map(|column| match column.as_str() {
                    name if name == id => new.as_str(),
                    "position" => "position + 1",
                    "displaced" => "id",
                    name => name,
                })
                .collect();
            let (columns, copied) = (columns.join(", "), copied.join(", "));
            let copy = format!(
                "INSERT INTO {table} ({columns}) SELECT {copied} FROM {table} \
                 WHERE account_id = (SELECT id FROM accounts WHERE id = ?1)"
            );
            let made = database.execute(&copy, [self.alice.account.as_bytes().as_slice()]);
            assert_eq!(made.expect("runs"), 1, "{table}");
        }
        let account = self.alice.account.as_bytes().as_slice();
        let moves = format!("UPDATE accounts SET current_epoch = {new} WHERE id = ?1");
        assert_eq!(database.execute(&moves, [account]).expect("runs"), 1);
    }

    /// A session of an older epoch, opened now.
    pub(crate) async fn log_in_to_the_first_epoch(&self) -> String {
        let logged_in = log_in(&self.server, 5, Some(self.alice.epoch)).await;
        assert_eq!(logged_in.epoch, self.alice.epoch);
        bearer(&logged_in.session)
    }

    fn database(&self) -> Connection {
        let path = self.server.dir.path().join("data").join(DATABASE);
        let database = Connection::open(path).expect("opens");
        database.busy_timeout(super::harness::PATIENCE).expect("is set");
        database
    }
}

fn bearer(session: &SessionGrant) -> String {
    format!("Bearer {}", session.token)
}

/// A login into the current epoch or another: what ends it, but for the device.
async fn proven(server: &Running, purpose: LoginPurpose, epoch: Option<EpochId>) -> LoginFinish {
    let started = ClientLogin::<Suite>::start(&mut OsRng, PASSWORD.as_bytes()).expect("starts");
    let start = LoginStart {
        email: EMAIL.to_owned(),
        ke1: started.message.serialize().to_vec().into(),
        purpose,
        epoch,
        previous: false,
        device_cookie: None,
        registration_request: None,
    };
    let reply = server.post("/login/start", &start).await;
    let address = EMAIL.parse().expect("an address");
    let pending = Pending { state: started.state, address, password: PASSWORD.to_owned() };
    pending.finish(&reply).expect("the right password")
}

/// One that is for something else than a session.
async fn fresh_login(server: &Running, purpose: LoginPurpose) -> FreshLogin {
    let LoginFinish { ticket, ke3, .. } = proven(server, purpose, None).await;
    FreshLogin { ticket, ke3 }
}

/// A session of one of the owner's devices.
async fn log_in(server: &Running, of: u8, epoch: Option<EpochId>) -> LoggedIn {
    let finish = proven(server, LoginPurpose::Session, epoch).await;
    let finish = LoginFinish { device_id: device(of), ..finish };
    let reply = server.post("/login/finish", &finish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
