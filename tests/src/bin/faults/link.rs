//! A link to a server that can be bad: cut after so many bytes of either direction, slow, or dead.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How bad it is, for each connection that begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Badness {
    /// Bytes from the client after which the connection breaks.
    pub(crate) cut_up: Option<usize>,
    /// Bytes from the server after which it breaks.
    pub(crate) cut_down: Option<usize>,
    /// Bytes from the server after which nothing more comes, and the connection stays.
    pub(crate) stall_down: Option<usize>,
    /// Before each piece that is passed on.
    pub(crate) delay: Duration,
}

/// A proxy.
pub(crate) struct Link {
    /// `http://ADDR`.
    pub(crate) url: String,
    bad: Arc<Mutex<Badness>>,
}

impl Link {
    /// In front of the server at `address`.
    pub(crate) fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let bad = Arc::<Mutex<Badness>>::default();
        let (now, address) = (Arc::clone(&bad), address.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&address) else { continue };
                let bad = *now.lock().expect("nobody panics while it holds this");
                pass(&client, &server, bad.delay, bad.cut_up, None);
                pass(&server, &client, bad.delay, bad.cut_down, bad.stall_down);
            }
        });
        Self { url, bad }
    }

    /// From now on new connections are so.
    pub(crate) fn set(&self, bad: Badness) {
        *self.bad.lock().expect("nobody panics while it holds this") = bad;
    }

    /// From now on new connections are sound.
    pub(crate) fn heal(&self) {
        self.set(Badness::default());
    }
}

fn pass(
    from: &TcpStream,
    to: &TcpStream,
    delay: Duration,
    cut: Option<usize>,
    stall: Option<usize>,
) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        let (mut left, mut until_stall) = (cut.unwrap_or(usize::MAX), stall);
        while let Ok(mut count @ 1..) = from.read(&mut buffer) {
            thread::sleep(delay);
            if let Some(rest) = &mut until_stall {
                count = count.min(*rest);
                *rest -= count;
            }
            let part = count.min(left);
            left -= part;
            if to.write_all(&buffer[..part]).is_err() {
                break;
            }
            if left == 0 {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
