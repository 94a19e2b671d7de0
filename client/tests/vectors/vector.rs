//! A vector, read: its fields and body. A field that nobody asks for is an error, so that a vector
//! can't say what is not tried.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::directory;

/// Success, or the slug of an error.
pub(crate) type Verdict = Result<(), String>;

/// Everything that a vector may expect.
pub(crate) const EXPECTATIONS: &[&str] = &[
    "success",
    // lp
    "truncated",
    "trailing",
    // passwords, addresses, phrases
    "empty",
    "too-long",
    "forbidden",
    "form",
    "local",
    "domain",
    "length",
    "word-count",
    "unknown-word",
    "checksum",
    // sealed objects
    "too-short",
    "unknown-version",
    "unknown-type",
    "wrong-type",
    "wrong-key-id",
    "commitment",
    "damaged",
    "padding",
    // records
    "json",
    "rule",
    "unknown-key",
    "retired-key",
    // blobs
    "header",
    "header-mismatch",
    "wrong-key",
    // zips
    "name",
    "entry",
    "archive",
    "content",
    // listings
    "other-account",
    "duplicate",
    "rollback",
    "forgery",
];

/// One vector.
pub(crate) struct Vector {
    file: String,
    fields: Vec<(String, String)>,
    read: RefCell<BTreeSet<String>>,
    body: Vec<u8>,
}

impl Vector {
    /// Reads the text of `file`.
    pub(crate) fn parse(file: &str, text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{file}: no body"));
        let field = |line: &str| {
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("{file}: no field: {line}"));
            (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
        };
        Self {
            file: file.to_owned(),
            fields: head.lines().map(field).collect(),
            read: RefCell::default(),
            body: unhex(&body.lines().collect::<String>()),
        }
    }

    /// All values of a field, in order.
    pub(crate) fn all<'v>(&'v self, field: &str) -> Vec<&'v str> {
        self.read.borrow_mut().insert(field.to_owned());
        let named = self.fields.iter().filter(|(name, _)| name == field);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// A field that may be missing.
    pub(crate) fn find(&self, field: &str) -> Option<&str> {
        let values = self.all(field);
        assert!(values.len() <= 1, "{}: {field} twice", self.file);
        values.first().copied()
    }

    /// A field that is there.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.find(field).unwrap_or_else(|| panic!("{}: no {field}", self.file))
    }

    /// A field of bytes.
    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        unhex(self.text(field))
    }

    /// A field of `N` bytes.
    pub(crate) fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap_or_else(|_| panic!("{}: {field}", self.file))
    }

    /// A field that is a number.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap_or_else(|_| panic!("{}: {field}", self.file))
    }

    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body of another vector of the same operation.
    pub(crate) fn body_of(&self, name: &str) -> Vec<u8> {
        let file = format!("{}/{name}.txt", self.text("operation"));
        let text = std::fs::read_to_string(directory().join(&file)).expect("the base is there");
        Self::parse(&file, &text).body
    }

    /// Panics if a field was not asked for.
    pub(crate) fn assert_all_read(&self) {
        let read = self.read.borrow();
        for (field, _) in &self.fields {
            let known = field == "comment" || read.contains(field);
            assert!(known, "{}: nobody reads {field}", self.file);
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => panic!("not lower-case hexadecimal"),
    };
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
