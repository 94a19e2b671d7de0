-- The schema, one text for SQLite and PostgreSQL: BIGINT, TEXT and BYTEA only, times in unix
-- seconds, booleans as 0 and 1. Keys are the ids that clients make, scoped by account, so that
-- nobody can occupy or probe another account's ids, and no sequence is needed.
--
-- What a later issue fills is here already: its rows are marked "later". "Locked" is no column:
-- a persona is locked when its epoch is not the account's current one.

CREATE TABLE meta (
  name    TEXT   NOT NULL PRIMARY KEY,
  number  BIGINT,
  bytes   BYTEA
);

-- `address` is the keyed hash, `sealed_address` what mail needs. `current_epoch` has no foreign
-- key, since it and epochs.account_id would each have to be there first. `disabled_at`: since when
-- the operator lets nobody in. A deleted account that nothing is locked in has a random address
-- and an empty sealed one, until it is purged.
CREATE TABLE accounts (
  id                       BYTEA  NOT NULL PRIMARY KEY,
  address                  BYTEA  NOT NULL UNIQUE,
  sealed_address           BYTEA  NOT NULL,
  current_epoch            BYTEA  NOT NULL,
  created_at               BIGINT NOT NULL,
  mail_reset_barred_until  BIGINT NOT NULL DEFAULT 0,
  disabled_at              BIGINT
);

-- `origin`: registration | mail. `position`: its place among its account's, from 1. `displaced`: the
-- epoch that was the current one before it, if one was. `closed_at`: when its account was deleted, or
-- another epoch took its personas in: it opens no more. `purge_at`: when a deleted one goes with all
-- that it holds. `held_bytes`: blobs and labels of the epoch's
-- personas, 256 bytes for each version's row, waiting uploads (what lies in a file as a block and 256
-- bytes at least), the index, device records; `personas`: how many, removed ones included;
-- `listed_bytes`: the index, and the newest label of each persona with 128 bytes for its row. These are
-- what the quota looks at.
CREATE TABLE epochs (
  account_id       BYTEA  NOT NULL REFERENCES accounts (id),
  id               BYTEA  NOT NULL,
  origin           TEXT   NOT NULL,
  created_at       BIGINT NOT NULL,
  closed_at        BIGINT,
  purge_at         BIGINT,
  phrase_verifier  BYTEA  NOT NULL,
  root_verifier    BYTEA  NOT NULL,
  keyring_version  BIGINT NOT NULL,
  held_bytes       BIGINT NOT NULL DEFAULT 0,
  personas         BIGINT NOT NULL DEFAULT 0,
  listed_bytes     BIGINT NOT NULL DEFAULT 0,
  position         BIGINT NOT NULL,
  displaced        BYTEA,
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, position)
);
CREATE INDEX epochs_by_purge ON epochs (purge_at);

-- `kind`: password, with an empty device id | pin (later). `generation` counts up with each
-- replacement; `tries_left` and `proof_verifier` (of the device proof) are the PIN's.
CREATE TABLE credentials (
  account_id      BYTEA  NOT NULL,
  epoch_id        BYTEA  NOT NULL,
  kind            TEXT   NOT NULL,
  device_id       BYTEA  NOT NULL,
  suite           BIGINT NOT NULL,
  setup_id        BIGINT NOT NULL,
  generation      BIGINT NOT NULL,
  record          BYTEA  NOT NULL,
  created_at      BIGINT NOT NULL,
  tries_left      BIGINT,
  proof_verifier  BYTEA,
  PRIMARY KEY (account_id, epoch_id, kind, device_id),
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);

CREATE TABLE slots (
  account_id  BYTEA  NOT NULL,
  epoch_id    BYTEA  NOT NULL,
  kind        TEXT   NOT NULL,
  generation  BIGINT NOT NULL,
  sealed      BYTEA  NOT NULL,
  PRIMARY KEY (account_id, epoch_id, kind),
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);

-- Every version of an epoch's keyring; epochs.keyring_version names the newest.
CREATE TABLE keyrings (
  account_id  BYTEA  NOT NULL,
  epoch_id    BYTEA  NOT NULL,
  version     BIGINT NOT NULL,
  sealed      BYTEA  NOT NULL,
  stored_at   BIGINT NOT NULL,
  PRIMARY KEY (account_id, epoch_id, version),
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);

CREATE TABLE indexes (
  account_id       BYTEA  NOT NULL,
  epoch_id         BYTEA  NOT NULL,
  counter          BIGINT NOT NULL,
  keyring_version  BIGINT NOT NULL,
  sealed           BYTEA  NOT NULL,
  stored_at        BIGINT NOT NULL,
  PRIMARY KEY (account_id, epoch_id),
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);

-- `kind`: directory | otp (later). `version` and `removed` are the newest version's.
CREATE TABLE personas (
  account_id  BYTEA  NOT NULL,
  id          BYTEA  NOT NULL,
  epoch_id    BYTEA  NOT NULL,
  kind        TEXT   NOT NULL,
  version     BIGINT NOT NULL,
  removed     BIGINT NOT NULL,
  created_at  BIGINT NOT NULL,
  trashed_at  BIGINT,
  PRIMARY KEY (account_id, id),
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);
CREATE INDEX personas_by_epoch ON personas (account_id, epoch_id);

-- One label a version, kept after the bytes are gone. `stored_at` is the server's own time, so
-- a version was superseded when the next one was stored. `content_version`: whose bytes the
-- label names, if any.
CREATE TABLE versions (
  account_id       BYTEA  NOT NULL,
  persona_id       BYTEA  NOT NULL,
  version          BIGINT NOT NULL,
  epoch_id         BYTEA  NOT NULL,
  keyring_version  BIGINT NOT NULL,
  device_id        BYTEA  NOT NULL,
  content_version  BIGINT,
  removed          BIGINT NOT NULL,
  stored_at        BIGINT NOT NULL,
  label            BYTEA  NOT NULL,
  PRIMARY KEY (account_id, persona_id, version),
  FOREIGN KEY (account_id, persona_id) REFERENCES personas (account_id, id)
);
-- Finds the newest version that names some bytes.
CREATE INDEX versions_by_content
  ON versions (account_id, persona_id, content_version, version);

-- Bytes that are held, under the version that they came with: in `content` when few, else in
-- the parts. The row goes when retention ends.
CREATE TABLE blobs (
  account_id  BYTEA  NOT NULL,
  persona_id  BYTEA  NOT NULL,
  version     BIGINT NOT NULL,
  bytes       BIGINT NOT NULL,
  blake3      BYTEA  NOT NULL,
  content     BYTEA,
  PRIMARY KEY (account_id, persona_id, version),
  FOREIGN KEY (account_id, persona_id, version)
    REFERENCES versions (account_id, persona_id, version)
);

-- Bytes that wait for their commit. `announced_bytes` is empty while the length is not said,
-- `bytes` what is there of it, in parts; `stored_bytes` what these parts count for. `held_bytes` of
-- the epoch counts that, and what is still to come of the announced ones. `blake3` is empty until
-- all is there and was hashed.
CREATE TABLE uploads (
  id               BYTEA  NOT NULL PRIMARY KEY,
  account_id       BYTEA  NOT NULL,
  epoch_id         BYTEA  NOT NULL,
  announced_bytes  BIGINT,
  bytes            BIGINT NOT NULL,
  stored_bytes     BIGINT NOT NULL,
  blake3           BYTEA,
  created_at       BIGINT NOT NULL,
  expires_at       BIGINT NOT NULL,
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);
CREATE INDEX uploads_by_account ON uploads (account_id);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- Objects in the object store, each of an upload or of a blob: committing an upload only
-- changes the owner. `position` orders them: how many bytes come before it. A part without a row is an orphan, and swept.
CREATE TABLE blob_parts (
  name        TEXT   NOT NULL PRIMARY KEY,
  account_id  BYTEA  NOT NULL,
  upload_id   BYTEA  REFERENCES uploads (id),
  persona_id  BYTEA,
  version     BIGINT,
  position    BIGINT NOT NULL,
  bytes       BIGINT NOT NULL,
  FOREIGN KEY (account_id, persona_id, version)
    REFERENCES blobs (account_id, persona_id, version)
);
CREATE INDEX blob_parts_by_blob ON blob_parts (account_id, persona_id, version, position);
CREATE INDEX blob_parts_by_upload ON blob_parts (upload_id, position);

-- `cookie`: SHA-256 of the known-device cookie; `previous_cookie`: of the one that the device had
-- when this one was given, until this one is used, since it may have been lost. `sealed` is empty
-- until the client puts a record; `epoch_id`: whose `held_bytes` counts it.
CREATE TABLE devices (
  account_id       BYTEA  NOT NULL REFERENCES accounts (id),
  id               BYTEA  NOT NULL,
  cookie           BYTEA  NOT NULL,
  previous_cookie  BYTEA,
  revision         BIGINT NOT NULL,
  sealed           BYTEA,
  epoch_id         BYTEA,
  created_at       BIGINT NOT NULL,
  last_login_at    BIGINT NOT NULL,
  PRIMARY KEY (account_id, id)
);
CREATE INDEX devices_by_cookie ON devices (account_id, cookie);
CREATE INDEX devices_by_previous_cookie ON devices (account_id, previous_cookie);

-- `kind`: session | grant | token (later); `scope`: full | pull | push | … (later); `once` ends
-- with its first use of that kind (later). `attempt`: the login or registration that it came of.
-- Only the hash of a token is here. `first_used_at`, and what a token may do in an hour and in all,
-- and has done: later.
CREATE TABLE sessions (
  id            BIGINT NOT NULL PRIMARY KEY,
  token_hash    BYTEA  NOT NULL UNIQUE,
  account_id    BYTEA  NOT NULL,
  epoch_id      BYTEA  NOT NULL,
  device_id     BYTEA  NOT NULL,
  attempt       BYTEA  NOT NULL,
  kind          TEXT   NOT NULL,
  scope         TEXT   NOT NULL,
  once          BIGINT NOT NULL,
  created_at    BIGINT NOT NULL,
  first_used_at BIGINT,
  last_used_at  BIGINT NOT NULL,
  idle_ttl_s    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  hourly_uses   BIGINT,
  hour_began_at BIGINT,
  hour_uses     BIGINT,
  most_bytes    BIGINT,
  moved_bytes   BIGINT,
  sealed        BYTEA,
  FOREIGN KEY (account_id, epoch_id) REFERENCES epochs (account_id, id)
);
CREATE INDEX sessions_by_account ON sessions (account_id, device_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_idle_end ON sessions ((last_used_at + idle_ttl_s));

-- An owner's device waits for another to join: the joiner's commitment, then the messages of both
-- (later).
CREATE TABLE device_invitations (
  id          BYTEA  NOT NULL PRIMARY KEY,
  account_id  BYTEA  NOT NULL REFERENCES accounts (id),
  commitment  BYTEA,
  messages    BYTEA,
  tries_left  BIGINT NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL
);
CREATE INDEX device_invitations_by_account ON device_invitations (account_id);
CREATE INDEX device_invitations_by_expiry ON device_invitations (expires_at);

-- The personas of a scoped session (later).
CREATE TABLE session_personas (
  session_id  BIGINT NOT NULL REFERENCES sessions (id),
  persona_id  BYTEA  NOT NULL,
  PRIMARY KEY (session_id, persona_id)
);

-- Every OPRF evaluation, counted before it is made. `bucket` is empty for strangers, else the
-- cookie hash of a known device. `evaluations`: how many it is for. `digest`: of what a registration
-- or a change was finished with.
CREATE TABLE attempts (
  id           BYTEA  NOT NULL PRIMARY KEY,
  kind         TEXT   NOT NULL,
  address      BYTEA  NOT NULL,
  bucket       BYTEA  NOT NULL,
  opened_at    BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  evaluations  BIGINT NOT NULL DEFAULT 1,
  finished_at  BIGINT,
  digest       BYTEA,
  invite       BYTEA
);
CREATE INDEX attempts_by_bucket ON attempts (address, bucket, opened_at);
CREATE INDEX attempts_by_expiry ON attempts (expires_at);

-- Starts of registrations and logins, by the keyed hash of a network or, for devices that an account
-- knows, of its address: microseconds at which their hour's allowance will be whole again.
CREATE TABLE starts (
  who          BYTEA  NOT NULL PRIMARY KEY,
  empty_at_us  BIGINT NOT NULL
);
CREATE INDEX starts_by_end ON starts (empty_at_us);

-- Mailed codes, under a keyed hash and bound to a purpose.
CREATE TABLE codes (
  address     BYTEA  NOT NULL,
  purpose     TEXT   NOT NULL,
  tag         BYTEA  NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  tries_left  BIGINT NOT NULL,
  PRIMARY KEY (address, purpose)
);

-- Codes that were asked for in the last day, known address or not.
CREATE TABLE code_requests (
  id       BYTEA  NOT NULL PRIMARY KEY,
  address  BYTEA  NOT NULL,
  made_at  BIGINT NOT NULL
);
CREATE INDEX code_requests_by_address ON code_requests (address, made_at);
CREATE INDEX code_requests_by_time ON code_requests (made_at);

-- Addresses that an account had, with the credential of then: the way back, for some days.
CREATE TABLE former_addresses (
  address         BYTEA  NOT NULL PRIMARY KEY,
  account_id      BYTEA  NOT NULL REFERENCES accounts (id),
  sealed_address  BYTEA  NOT NULL,
  position        BIGINT NOT NULL,
  epoch_id        BYTEA  NOT NULL,
  suite           BIGINT NOT NULL,
  setup_id        BIGINT NOT NULL,
  generation      BIGINT NOT NULL,
  record          BYTEA  NOT NULL,
  record_at       BIGINT NOT NULL,
  slot            BYTEA  NOT NULL,
  expires_at      BIGINT NOT NULL,
  UNIQUE (account_id, position)
);
CREATE INDEX former_addresses_by_expiry ON former_addresses (expires_at);

-- Mail that waits to be sent, sealed. `account_id`: what the address is sealed for, zeros where there
-- is no account; a row of whose address is empty is to nobody.
CREATE TABLE outbox (
  id              BYTEA  NOT NULL PRIMARY KEY,
  account_id      BYTEA  NOT NULL,
  address         BYTEA  NOT NULL,
  sealed_address  BYTEA  NOT NULL,
  kind            TEXT   NOT NULL,
  sealed_body     BYTEA  NOT NULL,
  created_at      BIGINT NOT NULL,
  not_before      BIGINT NOT NULL,
  tries           BIGINT NOT NULL,
  last_error      TEXT
);
CREATE INDEX outbox_by_time ON outbox (not_before);
CREATE INDEX outbox_by_age ON outbox (created_at);

-- The operator's invitations; a revoked one has no uses left.
CREATE TABLE invites (
  id          BIGINT NOT NULL PRIMARY KEY,
  tag         BYTEA  NOT NULL UNIQUE,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  uses_left   BIGINT NOT NULL
);
