//! One test vector: header lines `field: value`, an empty line, and perhaps a body in hexadecimal.

use std::fmt::Write as _;

use rand08::{CryptoRng, RngCore};

/// Bytes of the body on a line.
const LINE_BYTES: usize = 32;

/// A case under construction.
pub(crate) struct Case {
    operation: &'static str,
    name: String,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Case {
    /// A case that `expect`s success or an error's slug.
    pub(crate) fn new(operation: &'static str, name: impl Into<String>, expect: &str) -> Self {
        let fields = vec![("expect", expect.to_owned()), ("operation", operation.to_owned())];
        Self { operation, name: name.into(), fields, body: Vec::new() }
    }

    /// Says in a sentence what the case is about.
    pub(crate) fn comment(self, text: &str) -> Self {
        self.text("comment", text)
    }

    /// Adds a field that is text.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and ids are given as they are")]
    pub(crate) fn text(mut self, field: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        assert!(!value.contains('\n'), "fields have one line");
        self.fields.push((field, value));
        self
    }

    /// Adds a field that is bytes.
    pub(crate) fn bytes(self, field: &'static str, value: &[u8]) -> Self {
        self.text(field, hex(value))
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Where it is written, below the directory of the vectors.
    pub(crate) fn file(&self) -> String {
        format!("{}/{}.txt", self.operation, self.name)
    }

    /// What is written.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for (field, value) in &self.fields {
            let line = format!("{field}: {value}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
        for line in self.body.chunks(LINE_BYTES) {
            text.push_str(&hex(line));
            text.push('\n');
        }
        text
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take text");
        text
    })
}

/// Random bytes that are the same every time. For vectors only.
pub(crate) struct VectorRng(blake3::OutputReader);

impl VectorRng {
    /// The generator of the case with this name.
    pub(crate) fn of(name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("keybackup test vectors");
        Self(hasher.update(name.as_bytes()).finalize_xof())
    }
}

impl RngCore for VectorRng {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand08::Error> {
        self.0.fill(out);
        Ok(())
    }
}

/// Not true, and nothing here is secret.
impl CryptoRng for VectorRng {}
