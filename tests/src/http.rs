//! HTTP/1.1 messages, as far as a test needs them: whole, in memory, one a connection.

use std::fmt::{self, Write as _};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;

/// Header names in lower case, and values.
pub type Headers = Vec<(String, String)>;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Like `GET`.
    pub method: String,
    /// With its query.
    pub target: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request of protocol 1 without body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("keybackup-protocol".to_owned(), "1".to_owned())],
            body: Vec::new(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a session's token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The path, without query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it is a listing.
    pub fn is_listing(&self) -> bool {
        self.method == "GET" && self.path() == "/personas"
    }

    /// Whether it is a commit.
    pub fn is_commit(&self) -> bool {
        self.method == "POST" && self.path().starts_with("/personas/")
    }

    /// Whether it brings bytes of an upload.
    pub fn is_upload_body(&self) -> bool {
        self.method == "PATCH" && self.path().starts_with("/uploads/")
    }

    /// Whether it asks for a blob.
    pub fn is_blob(&self) -> bool {
        self.method == "GET"
            && self.path().starts_with("/personas/")
            && !self.path().ends_with("/labels")
    }

    /// Sends it to `address` on a connection of its own.
    pub fn send(&self, address: &str) -> io::Result<Response> {
        let stream = self.begin(address, self.body.len())?;
        Response::read(&mut BufReader::new(stream), self.method == "HEAD")
    }

    /// Sends the head, and the first `count` bytes of the body.
    pub fn begin(&self, address: &str, count: usize) -> io::Result<TcpStream> {
        let mut stream = self.begin_head(address, self.body.len() as u64)?;
        // A server may refuse, answer and close before it has read all of a body.
        let _ = stream.write_all(&self.body[..count]);
        Ok(stream)
    }

    /// Sends the head, for a body of so many bytes.
    pub fn begin_head(&self, address: &str, length: u64) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let ours = ["host", "connection", "content-length", "transfer-encoding"];
        for (name, value) in self.headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()))
        {
            put(&mut head, format_args!("{name}: {value}\r\n"));
        }
        put(&mut head, format_args!("host: {address}\r\nconnection: close\r\n"));
        if length > 0 || self.method != "GET" {
            put(&mut head, format_args!("content-length: {length}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        Ok(stream)
    }

    /// Reads one; `None` at the end of the connection.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut request) = Self::read_head(reader)? else { return Ok(None) };
        request.read_rest(reader)?;
        Ok(Some(request))
    }

    /// Reads the body after the head.
    pub fn read_rest(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        self.body = read_body(reader, &self.headers, false)?;
        Ok(())
    }

    /// Reads all of one but its body.
    pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some((line, headers)) = read_head(reader)? else { return Ok(None) };
        let mut words = line.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(Some(Self { method, target, headers, body: Vec::new() }))
    }
}

impl Response {
    /// An answer of a kind and a body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// An error as the API shapes it.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"as a test has it"}}}}"#);
        Self::new(status, "application/json", body)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The slug of an error.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("an error has a code").to_owned()
    }

    /// As it goes over the wire, on a connection that ends with it. A `content-length` among the
    /// headers stands, even a wrong one.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Test\r\nconnection: close\r\n", self.status);
        let named = ["connection", "transfer-encoding"];
        for (name, value) in self.headers.iter().filter(|(name, _)| !named.contains(&name.as_str()))
        {
            put(&mut head, format_args!("{name}: {value}\r\n"));
        }
        if self.get("content-length").is_none() && !matches!(self.status, 204 | 304) {
            put(&mut head, format_args!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads one.
    pub fn read(reader: &mut impl BufRead, is_head: bool) -> io::Result<Self> {
        let (line, headers) = read_head(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let bodiless = is_head || matches!(status, 204 | 304);
        let body = if bodiless { Vec::new() } else { read_body(reader, &headers, true)? };
        Ok(Self { status, headers, body })
    }
}

fn put(text: &mut String, more: fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            None => return Ok(Some((first.trim_end().to_owned(), headers))),
        }
    }
}

fn read_body(reader: &mut impl BufRead, headers: &Headers, to_end: bool) -> io::Result<Vec<u8>> {
    let find =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut body = Vec::new();
    if find("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            reader.take(size).read_to_end(&mut body)?;
            let mut end = String::new();
            reader.read_line(&mut end)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    match find("content-length").map(|value| value.parse::<u64>()) {
        Some(length) => {
            let length = length.map_err(io::Error::other)?;
            reader.take(length).read_to_end(&mut body)?;
            if body.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        None if to_end => drop(reader.read_to_end(&mut body)?),
        None => {}
    }
    Ok(body)
}
