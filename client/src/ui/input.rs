//! Where answers come from: standard input, or a script in tests.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::interrupt::{self, KeptTerminal};

/// Where answers come from.
pub(super) trait Input: Send {
    /// A line without its end; `None` where there is no more.
    fn line(&mut self) -> io::Result<Option<Zeroizing<String>>>;

    /// Stops showing what is typed. Comes before the question for a secret, or who types at once
    /// is seen.
    fn hush(&mut self) -> Hushed;

    /// A line without showing what is typed.
    fn hidden(&mut self) -> io::Result<Option<Zeroizing<String>>>;

    /// Everything to the end, up to `limit` bytes.
    fn to_end(&mut self, limit: u64) -> io::Result<Zeroizing<Vec<u8>>>;
}

/// While this lives the terminal does not show what is typed, and a signal makes it do so again.
pub(super) struct Hushed {
    terminal: Option<(File, Termios)>,
    _kept: Option<KeptTerminal>,
}

impl Hushed {
    /// For where there is no terminal.
    #[cfg(test)]
    pub(super) const fn nothing() -> Self {
        Self { terminal: None, _kept: None }
    }

    fn terminal() -> Self {
        let kept = interrupt::keep_terminal();
        let hushed = File::open("/dev/tty").and_then(|terminal| {
            let shows = tcgetattr(&terminal)?;
            let mut hides = shows.clone();
            hides.local_modes.remove(LocalModes::ECHO);
            tcsetattr(&terminal, OptionalActions::Now, &hides)?;
            Ok((terminal, shows))
        });
        // One that can't be hushed here is hushed, later, by what reads the line.
        Self { terminal: hushed.ok(), _kept: Some(kept) }
    }
}

impl Drop for Hushed {
    fn drop(&mut self) {
        if let Some((terminal, shows)) = &self.terminal {
            // Nobody is left to tell that the terminal is gone.
            let _ = tcsetattr(terminal, OptionalActions::Now, shows);
        }
    }
}

/// Standard input, and the terminal behind it.
pub(super) struct Terminal;

impl Input for Terminal {
    fn line(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let mut line = Zeroizing::new(String::new());
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let length = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(length);
        Ok(Some(line))
    }

    fn hush(&mut self) -> Hushed {
        Hushed::terminal()
    }

    fn hidden(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let read = |path| {
            let config = rpassword::ConfigBuilder::new().input_file_path(path).output_discard();
            rpassword::read_password_with_config(config.build())
        };
        // A terminal on stdin need not be the controlling one.
        let answer = match read("/dev/tty") {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                read("/dev/stdin")
            }
            answer => answer,
        };
        match answer {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                // Ctrl-C: the signal is on its way, and who handles it ends the process.
                interrupt::await_exit();
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn to_end(&mut self, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        read_to_end(io::stdin().lock(), limit)
    }
}

/// Reads up to `limit` bytes into memory that is wiped, without leaving copies behind.
pub(crate) fn read_to_end(reader: impl io::Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // One allocation: a growing vector would leave its old contents in freed memory.
    let room = usize::try_from(limit).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > room {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_has_a_limit() {
        assert_eq!(read_to_end(&b"12345"[..], 5).expect("fits").as_slice(), b"12345");
        let error = read_to_end(&b"123456"[..], 5).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
