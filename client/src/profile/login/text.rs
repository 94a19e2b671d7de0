//! A login as text, for a keyring or a file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keybackup_protocol::EpochId;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::{FormerRoot, Login, ProfileError, Session};

/// Schema of the stored text.
const SCHEMA: u32 = 1;
/// Room for it, so that writing it leaves no copies in freed memory.
const ROOM_BYTES: usize = 8 * 1024;

impl Login {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let text = |root: &[u8; 32]| Zeroizing::new(URL_SAFE_NO_PAD.encode(root));
        let root = self.session.as_ref().map(|session| text(&session.root));
        let former: Vec<_> = self
            .session
            .iter()
            .flat_map(|session| &session.former)
            .map(|former| (former.epoch, text(&former.root)))
            .collect();
        let session = self.session.as_ref().zip(root.as_ref());
        let stored = StoredOut {
            schema: SCHEMA,
            device_cookie: self.device_cookie.as_ref().map(|cookie| cookie.as_str()),
            session: session.map(|(session, root)| SessionOut {
                token: &session.token,
                root,
                expires_at: session.expires_at,
                former: former
                    .iter()
                    .map(|(epoch, root)| FormerOut { epoch: *epoch, root })
                    .collect(),
            }),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        serde_json::to_writer(&mut *bytes, &stored)
            .expect("strings and numbers are all that it holds, and a vector takes them");
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ProfileError> {
        let stored: StoredIn =
            serde_json::from_slice(bytes).map_err(|_| ProfileError::DamagedLogin)?;
        if stored.schema > SCHEMA {
            return Err(ProfileError::DamagedLogin);
        }
        let session = stored.session.map(SessionIn::parse).transpose()?;
        Ok(Self { session, device_cookie: stored.device_cookie.map(|Secret(text)| text) })
    }
}

#[derive(Serialize)]
struct StoredOut<'a> {
    schema: u32,
    device_cookie: Option<&'a str>,
    session: Option<SessionOut<'a>>,
}

#[derive(Serialize)]
struct SessionOut<'a> {
    token: &'a str,
    root: &'a str,
    expires_at: i64,
    former: Vec<FormerOut<'a>>,
}

#[derive(Serialize)]
struct FormerOut<'a> {
    epoch: EpochId,
    root: &'a str,
}

#[derive(Deserialize)]
struct StoredIn {
    schema: u32,
    device_cookie: Option<Secret>,
    session: Option<SessionIn>,
}

#[derive(Deserialize)]
struct SessionIn {
    token: Secret,
    root: Secret,
    expires_at: i64,
    #[serde(default)]
    former: Vec<FormerIn>,
}

#[derive(Deserialize)]
struct FormerIn {
    epoch: EpochId,
    root: Secret,
}

impl SessionIn {
    fn parse(self) -> Result<Session, ProfileError> {
        let former =
            |former: &FormerIn| Ok(FormerRoot { epoch: former.epoch, root: former.root.key()? });
        Ok(Session {
            root: self.root.key()?,
            former: self.former.iter().map(former).collect::<Result<_, _>>()?,
            token: self.token.0,
            expires_at: self.expires_at,
        })
    }
}

/// A text that is wiped.
struct Secret(Zeroizing<String>);

impl Secret {
    /// The 32 bytes that it is the text of.
    fn key(&self) -> Result<Zeroizing<[u8; 32]>, ProfileError> {
        let mut key = Zeroizing::new([0; 32]);
        match URL_SAFE_NO_PAD.decode_slice(self.0.as_bytes(), key.as_mut_slice()) {
            Ok(32) => Ok(key),
            _ => Err(ProfileError::DamagedLogin),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}
