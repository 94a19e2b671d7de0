//! Limits that both sides hold each other to, in bytes, counts and seconds. They are compiled
//! in; what a server reports in `/status` can only make a client stop earlier.

/// Version of the HTTP protocol, named in the `Keybackup-Protocol` header.
pub const PROTOCOL: u32 = 1;

/// Largest blob that travels in the commit itself; a larger one is uploaded first.
pub const MAX_INLINE_BLOB_BYTES: u64 = 8 * 1024 * 1024;
/// Largest JSON head of a commit (label, index, and what they are based on).
pub const MAX_HEAD_BYTES: usize = 16 * 1024 * 1024;
/// Largest JSON body of every other request.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;
/// Largest JSON answer that a client reads (a listing of many personas).
pub const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// Largest blob at all: 1 TiB, far below what STREAM's counter allows.
pub const MAX_BLOB_BYTES: u64 = 1 << 40;
/// Largest sealed label or device record.
pub const MAX_LABEL_BYTES: usize = 64 * 1024;
/// Largest sealed index.
pub const MAX_INDEX_BYTES: usize = 12 * 1024 * 1024;
/// Largest sealed keyring.
pub const MAX_KEYRING_BYTES: usize = 256 * 1024;
/// Largest sealed slot.
pub const MAX_SLOT_BYTES: usize = 4 * 1024;
/// Most personas, removed ones included, of one account.
pub const MAX_PERSONAS: usize = 100_000;
/// Most labels that one answer lists.
pub const MAX_LABELS_PER_ANSWER: usize = 1_000;
/// Largest JSON answer that lists labels: about 1 MiB of them in base64, one large label more than
/// that, and what JSON puts around a thousand.
pub const MAX_LABELS_ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Highest version, counter or revision: every language's numbers hold it.
pub const MAX_ORDINAL: u64 = (1 << 53) - 1;
/// How far one of them may rise at once. A repair jumps past what some device has seen; without
/// a bound, one commit to the highest would be the last that is ever possible.
pub const MAX_STEP: u64 = 1 << 20;
/// Life of a login ticket.
pub const LOGIN_TICKET_TTL_S: i64 = 120;
/// Life of a registration ticket: time enough to write twelve words down.
pub const REGISTRATION_TICKET_TTL_S: i64 = 30 * 60;
/// Life of the ticket of a reset, which may show twelve words, too.
pub const RESET_TICKET_TTL_S: i64 = 30 * 60;
