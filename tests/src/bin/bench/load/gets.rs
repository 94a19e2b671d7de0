//! GETs of the smallest blob, from our server and as a file from nginx, by the same client: wrk
//! where it is installed, else threads of this program.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use keybackup_protocol::routes;
use keybackup_tests::port::Port;
use keybackup_tests::process::Running;
use rustix::process::Signal;

use super::accounts::Account;
use super::connection::{Connection, request};
use super::drive::{Drive, Load};
use super::pushes::{CLIENTS, PERSONA};
use crate::failure::{At as _, Failure, Result};
use crate::measure::{Watch, run};
use crate::others::installed;

pub(crate) const OURS: &str = "GETs of 16 KiB";
pub(crate) const NGINX: &str = "GETs of 16 KiB, nginx";

/// Takes the blob of `account` again and again from the server at `address`.
pub(crate) fn ours(drive: Drive<'_>, address: &str, account: &Account) -> Result<Load> {
    let authorization = format!("Bearer {}", account.token);
    let headers = [("authorization", &*authorization)];
    gets(drive, OURS, address, &format!("{}/{PERSONA}", routes::PERSONAS), &headers)
}

/// The same bytes, once.
pub(crate) fn blob(address: &str, account: &Account) -> Result<Vec<u8>> {
    let authorization = format!("Bearer {}", account.token);
    let line = format!("GET {}/{PERSONA}", routes::PERSONAS);
    let request = request(&line, &[("authorization", &authorization)], b"");
    Ok(Connection::open(address, OURS)?.exchange(&request)?.body)
}

fn gets(
    drive: Drive<'_>,
    what: &'static str,
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Load> {
    if installed("wrk").is_some() {
        return wrk(drive, what, &format!("http://{address}{path}"), headers);
    }
    let connect = |_| Connection::open(address, what);
    let mut clients = (0..CLIENTS).map(connect).collect::<Result<Vec<_>>>()?;
    let request = request(&format!("GET {path}"), headers, b"");
    drive.run(what, &mut clients, |connection| connection.exchange(&request).map(|_| true))
}

fn wrk(drive: Drive<'_>, what: &'static str, url: &str, headers: &[(&str, &str)]) -> Result<Load> {
    eprintln!("load, round {}: {what}", drive.round);
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "2", "--connections", &CLIENTS.to_string(), "--duration"]);
    wrk.arg(format!("{}s", drive.duration.as_secs().max(1)));
    for (name, value) in headers.iter().chain([&("keybackup-protocol", "1")]) {
        wrk.arg("--header").arg(format!("{name}: {value}"));
    }
    let watch = Watch::start(drive.pids)?;
    let started = Instant::now();
    let said = run(wrk.arg(url))?;
    let wall_s = started.elapsed().as_secs_f64();
    let server = watch.end()?;
    // "  12345 requests in 5.10s, 196.20MB read"
    let count = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let count = count.and_then(|(count, _)| count.parse().ok());
    match count {
        Some(count) if !said.contains("Non-2xx") && !said.contains("Socket errors") => {
            Ok(Load { round: drive.round, what, count, wall_s, server })
        }
        _ => Err(Failure::Unclear { what: "wrk".to_owned(), said }),
    }
}

/// Has nginx serve `bytes` as a file in `directory`.
pub(crate) fn nginx(drive: Drive<'_>, directory: &Path, bytes: &[u8]) -> Result<Load> {
    let port = Port::reserve();
    let file = directory.join("blob");
    std::fs::write(&file, bytes).at(&file)?;
    let configuration = directory.join("nginx.conf");
    // Paths are relative to what -p says.
    let text = format!(
        "daemon off; {} worker_processes auto; pid pid; error_log stderr notice;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ listen {}; root .; }} }}\n",
        // Else root's workers are somebody who may not read our directories.
        if rustix::process::geteuid().is_root() { "user root;" } else { "" },
        port.address(),
    );
    std::fs::write(&configuration, text).at(&configuration)?;
    let mut nginx = Command::new("nginx");
    nginx.arg("-e").arg("stderr").arg("-c").arg(&configuration).arg("-p").arg(directory);
    let server = Nginx(Running::spawn(&mut nginx, b""));
    let running = &server.0;
    // It listens before it starts them.
    let begun = running.stderr.wait_for(|log| log.contains("start worker process ").then_some(()));
    if begun.is_none() {
        let said = running.stderr.text();
        return Err(Failure::Ended { what: "nginx".to_owned(), code: 1, said });
    }
    Connection::open(&port.address(), NGINX)?.exchange(&request("GET /blob", &[], b""))?;
    let mut pids = vec![running.pid()];
    pids.extend(children(running.pid()));
    gets(Drive { pids: &pids, ..drive }, NGINX, &port.address(), "/blob", &[])
}

/// A running nginx. Killed, it would leave its workers behind: it is asked to end.
struct Nginx(Running);

impl Drop for Nginx {
    fn drop(&mut self) {
        self.0.signal(Signal::TERM);
        // After that it is killed, workers or not.
        self.0.ends_within(keybackup_tests::PATIENCE);
    }
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
