//! A TCP proxy that keeps every byte, both ways.

use std::io::{Cursor, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::http::Request;

/// A proxy that keeps every byte.
pub struct Recorder {
    /// `http://ADDR`.
    pub url: String,
    connections: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Debug, Default, Clone)]
struct Connection {
    sent: Arc<Mutex<Vec<u8>>>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    /// In front of the server at `url`.
    pub fn start(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let upstream = url.strip_prefix("http://").expect("a plain URL").to_owned();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let kept = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let connection = Connection::default();
                kept.lock().expect("nobody panics while it holds this").push(connection.clone());
                copy(&client, &server, connection.sent);
                copy(&server, &client, connection.received);
            }
        });
        Self { url: format!("http://{address}"), connections }
    }

    /// Every byte that went, either way.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for connection in &*self.connections.lock().expect("nobody panics while it holds this") {
            for direction in [&connection.sent, &connection.received] {
                all.extend_from_slice(
                    &direction.lock().expect("nobody panics while it holds this"),
                );
            }
        }
        all
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        let mut requests = Vec::new();
        for connection in &*self.connections.lock().expect("nobody panics while it holds this") {
            let sent = connection.sent.lock().expect("nobody panics while it holds this").clone();
            let mut sent = Cursor::new(sent);
            while let Ok(Some(request)) = Request::read(&mut sent) {
                requests.push(request);
            }
        }
        requests
    }

    /// Forgets what went so far.
    pub fn clear(&self) {
        self.connections.lock().expect("nobody panics while it holds this").clear();
    }
}

fn copy(from: &TcpStream, to: &TcpStream, kept: Arc<Mutex<Vec<u8>>>) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..count];
            kept.lock().expect("nobody panics while it holds this").extend_from_slice(bytes);
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
