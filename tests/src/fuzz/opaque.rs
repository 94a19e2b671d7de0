//! Takes bytes as OPAQUE messages, as they are and as changes to those of a sound registration and
//! login, with a key stretching that costs nothing. Both sides refuse what is malformed; a login
//! whose messages or record were changed on the way is refused by the client, and one whose KE3 was
//! changed by the server.

use std::sync::OnceLock;

use keybackup::keys::opaque::{LoginClient, LoginFinished, OpaqueError, RegistrationClient};
use keybackup::keys::password;
use keybackup::secret::{Password, PreparedPassword};
use keybackup_protocol::{AccountId, Address, EpochId};
use keybackup_server::auth::opaque::{
    Blinded, DummyRecord, Ke1, LoginStarted, check_record, login_finish, login_start,
    registration_response,
};
use keybackup_server::keyfile::ServerKey;
use keybackup_server::store::Credential;

use super::input::Input;
use super::scratch::Scratch;
use super::world::Fixed;
use crate::cheap::CheapKsf;

/// A server, and what is registered there.
struct Server {
    key: ServerKey,
    dummy: DummyRecord,
    address: Address,
    password: PreparedPassword,
    record: Vec<u8>,
    export_key: [u8; 64],
    /// Proves the password to one state of the server.
    ke3: Vec<u8>,
}

/// Runs one input. Its first byte says what the others are, or which message they change.
pub fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let server = server();
    match input.byte() % 6 {
        0 => server.any(input.rest()),
        1 => server.registration(input),
        2 => server.changed(input, Message::Ke1),
        3 => server.changed(input, Message::Ke2),
        4 => server.changed(input, Message::Ke3),
        _ => server.changed(input, Message::Record),
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::register)
}

/// What somebody changes on its way or where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Ke1,
    Ke2,
    Ke3,
    Record,
}

impl Server {
    fn register() -> Self {
        let directory = Scratch::new();
        let key = ServerKey::open_or_create(directory.path(), None).expect("it makes a key");
        let address: Address = "alice@example.org".parse().expect("an address");
        let password = password::prepare(&Password::new(crate::PASSWORD.to_owned()));
        let password = password.expect("it is well-formed");
        let rng = &mut Fixed::beginning(b"a registration");
        let (request, client) =
            RegistrationClient::<CheapKsf>::start(rng, &address, &password).expect("a request");
        let request = Blinded::parse(&request).expect("a request");
        let response = registration_response(&key, &address, request).expect("a response");
        let (record, export_key) = client.finish(rng, &response).expect("a record");
        check_record(&record).expect("a record");
        let export_key = *export_key.expose();
        let dummy = DummyRecord::generate();
        let mut server =
            Self { key, dummy, address, password, record, export_key, ke3: Vec::new() };
        let (_, finished) = server.session(Message::Ke3, |_| ());
        server.ke3 = finished.unwrap_or_else(|_| panic!("a sound login")).ke3;
        server
    }

    /// Any bytes in place of each message; none gets anywhere.
    fn any(&self, bytes: &[u8]) -> bool {
        let rng = &mut Fixed::beginning(b"a client");
        let answered = Blinded::parse(bytes).is_ok_and(|request| {
            assert_eq!(bytes.len(), 32);
            registration_response(&self.key, &self.address, request).expect("a response");
            true
        });
        let (_, client) = RegistrationClient::<CheapKsf>::start(rng, &self.address, &self.password)
            .expect("a request");
        let registered = client.finish(rng, bytes).is_ok_and(|(record, _)| {
            assert_eq!(bytes.len(), 64);
            check_record(&record).expect("what a client makes is a record");
            true
        });
        let recorded = check_record(bytes).is_ok();
        assert!(!recorded || bytes.len() == 192);
        let started = Ke1::parse(bytes).is_ok_and(|ke1| {
            assert_eq!(bytes.len(), 96);
            self.login(Some(&self.record), ke1).expect("a KE2");
            let dummy = self.login(None, Ke1::parse(bytes).expect("it is one"));
            assert_eq!(dummy.expect("a KE2 as for others").ke2.len(), 320);
            true
        });
        let (_, client) = self.client();
        assert!(client.finish(rng, bytes).is_err(), "a KE2 out of nothing");
        assert!(login_finish(bytes, &self.ke3).is_err(), "a state out of nothing");
        answered || registered || recorded || started
    }

    /// A registration whose response was changed ends in a record or an error, never in the record
    /// of another password.
    fn registration(&self, input: Input<'_>) -> bool {
        let rng = &mut Fixed::beginning(b"another registration");
        let (request, client) =
            RegistrationClient::<CheapKsf>::start(rng, &self.address, &self.password)
                .expect("a request");
        let request = Blinded::parse(&request).expect("a request");
        let sound = registration_response(&self.key, &self.address, request).expect("a response");
        let mut response = sound.clone();
        input.mutate(&mut response);
        match client.finish(rng, &response) {
            Ok((record, export_key)) => {
                check_record(&record).expect("a record");
                // The envelope is of a fresh nonce, and the export key with it.
                assert_ne!(*export_key.expose(), self.export_key);
                true
            }
            Err(error) => {
                assert_ne!(response, sound, "{error}");
                assert!(
                    matches!(error, OpaqueError::BadMessage | OpaqueError::Reflected),
                    "{error}"
                );
                false
            }
        }
    }

    /// A login with one thing changed.
    fn changed(&self, input: Input<'_>, message: Message) -> bool {
        let mut change = Some(input);
        let mut is_changed = false;
        let (state, finished) = self.session(message, |bytes| {
            let sound = bytes.clone();
            if let Some(input) = change.take() {
                input.mutate(bytes);
            }
            is_changed = *bytes != sound;
        });
        let Ok(finished) = finished else {
            assert!(is_changed && message != Message::Ke3, "a sound login is refused");
            return false;
        };
        assert_eq!(*finished.export_key.expose(), self.export_key);
        let granted = login_finish(&state.expect("it went so far"), &finished.ke3).is_ok();
        assert_eq!(granted, !is_changed, "{message:?}");
        if message != Message::Ke3 {
            assert!(!is_changed, "the client takes a changed {message:?}");
        }
        granted
    }

    fn client(&self) -> (Vec<u8>, LoginClient<CheapKsf>) {
        let rng = &mut Fixed::beginning(b"a login");
        LoginClient::start(rng, &self.address, &self.password).expect("a KE1")
    }

    fn login(&self, record: Option<&[u8]>, ke1: Ke1) -> Option<LoginStarted> {
        let credential = record.map(|record| Credential {
            account: AccountId::from_bytes([1; 16]),
            epoch: EpochId::from_bytes([2; 16]),
            record: record.to_vec(),
            setup_id: self.key.current_setup().id(),
            generation: 1,
        });
        let setup = self.key.current_setup().opaque();
        login_start(setup, &self.dummy, &self.address, credential.as_ref(), ke1).ok()
    }

    /// A whole login, with one message changed: the server's state, and what the client has. A
    /// message that the server refuses ends it.
    fn session(
        &self,
        message: Message,
        mut change: impl FnMut(&mut Vec<u8>),
    ) -> (Option<Vec<u8>>, Result<LoginFinished, Option<OpaqueError>>) {
        let mut on_its_way = |which: Message, bytes: &mut Vec<u8>| {
            if which == message {
                change(bytes);
            }
        };
        let (mut ke1, client) = self.client();
        on_its_way(Message::Ke1, &mut ke1);
        let mut record = self.record.clone();
        on_its_way(Message::Record, &mut record);
        let Ok(ke1) = Ke1::parse(&ke1) else { return (None, Err(None)) };
        if check_record(&record).is_err() {
            return (None, Err(None));
        }
        let mut started = self.login(Some(&record), ke1).expect("both are well-formed");
        on_its_way(Message::Ke2, &mut started.ke2);
        let finished = client.finish(&mut Fixed::beginning(b"a KE3"), &started.ke2);
        let finished = finished.map_err(Some).map(|mut finished| {
            on_its_way(Message::Ke3, &mut finished.ke3);
            finished
        });
        (Some(started.state.to_vec()), finished)
    }
}

/// Sound messages as they are, and one changed byte of each.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let server = server();
    let rng = &mut Fixed::beginning(b"another registration");
    let (request, _) =
        RegistrationClient::<CheapKsf>::start(rng, &server.address, &server.password)
            .expect("a request");
    let blinded = Blinded::parse(&request).expect("a request");
    let response = registration_response(&server.key, &server.address, blinded);
    let (ke1, _) = server.client();
    let started = server.login(None, Ke1::parse(&ke1).expect("a KE1")).expect("a KE2");
    let messages = [
        request,
        response.expect("a response"),
        server.record.clone(),
        ke1,
        started.ke2,
        server.ke3.clone(),
        started.state.to_vec(),
    ];
    let mut seeds: Vec<_> = messages.iter().map(|message| [b"\0", &**message].concat()).collect();
    for mode in 1..6 {
        seeds.push(vec![mode]);
        seeds.push(vec![mode, 0, 0, 0, 0, 20, 0, 1]);
    }
    seeds
}
