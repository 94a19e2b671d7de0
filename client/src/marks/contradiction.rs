//! What a server's listing says that can't be, given what was seen or what the listing says itself.

use keybackup_protocol::{EpochId, KeyId, PersonaId};

use crate::records::Name;

/// A listing that no honest server makes. `persona` with `name` says where, `seen` what this device
/// saw, [`seen_at`](Self::seen_at) when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// Another epoch than the marks are of.
    #[error("the account is in epoch {listed}, and this device has seen epoch {seen}")]
    Epoch {
        /// The epoch of the marks.
        seen: EpochId,
        /// The epoch of the listing.
        listed: EpochId,
    },
    /// An older keyring than was seen.
    #[error("the newest keyring is {listed}, and this device has seen {seen}")]
    KeyringRolledBack {
        /// The version seen.
        seen: u64,
        /// The version listed.
        listed: u64,
    },
    /// Index or label were made by who knew a newer keyring than the listing has.
    #[error("the newest keyring is {listed}, and the account has been written with {known}")]
    KeyringBehind {
        /// The version that a writer knew.
        known: u64,
        /// The version listed.
        listed: u64,
    },
    /// An older index than was seen.
    #[error("the index is at {listed}, and this device has seen {seen}")]
    IndexRolledBack {
        /// The counter seen.
        seen: u64,
        /// The counter listed.
        listed: u64,
        /// When it was seen.
        seen_at: i64,
    },
    /// Another index with the counter that was seen.
    #[error("index {counter} is another than the one that this device has seen")]
    IndexForked {
        /// The counter.
        counter: u64,
        /// When the other was seen.
        seen_at: i64,
    },
    /// A persona that was seen, or that the index has, is not listed.
    #[error("persona {} is missing, and {}", called(name.as_ref(), persona), known(*seen, *floor))]
    Missing {
        /// Its id.
        persona: PersonaId,
        /// Its name, if the index has it.
        name: Option<Name>,
        /// The version seen, if one was.
        seen: Option<u64>,
        /// Its floor, if the index has it.
        floor: Option<u64>,
        /// When it was seen.
        seen_at: Option<i64>,
    },
    /// A persona is listed that the index does not have.
    #[error("persona {persona} is listed and not in the index")]
    NotIndexed {
        /// Its id.
        persona: PersonaId,
    },
    /// An older version than was seen.
    #[error("{name} is at version {listed}, and this device has seen version {seen}")]
    RolledBack {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The version seen.
        seen: u64,
        /// The version listed.
        listed: u64,
        /// When it was seen.
        seen_at: i64,
    },
    /// An older version than the index's floor.
    #[error("{name} is at version {listed}, and the index says at least {floor}")]
    BelowFloor {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The floor.
        floor: u64,
        /// The version listed.
        listed: u64,
    },
    /// Another label for a version that was seen.
    #[error("version {version} of {name} is another than the one that this device has seen")]
    Forked {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The version.
        version: u64,
        /// When the other was seen.
        seen_at: i64,
    },
    /// The label at the floor is not the one that the index names, or says something else.
    #[error("version {version} of {name} is not what the index says")]
    NotAsIndexed {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The version.
        version: u64,
    },
    /// A version above the floor of what the index says is removed.
    #[error("{name} was removed, and has a version {version} above that")]
    Resurrected {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The version.
        version: u64,
    },
    /// A label above the floor under a key that seals nothing new.
    #[error("version {version} of {name} is sealed under key {key}, which is retired")]
    RetiredKey {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The version.
        version: u64,
        /// The key.
        key: KeyId,
    },
    /// The labels from mark or floor to the newest do not follow one another.
    #[error("version {version} of {name} does not follow from version {after}")]
    ChainBroken {
        /// Its id.
        persona: PersonaId,
        /// Its name.
        name: Name,
        /// The label that does not follow.
        version: u64,
        /// The version that it should follow from.
        after: u64,
    },
    /// The newest label of a persona opens under no key of the account.
    #[error("version {version} of persona {persona} was made with none of the account's keys; {}", ours_is(*ours))]
    Foreign {
        /// Its id.
        persona: PersonaId,
        /// The version.
        version: u64,
        /// The newest version below it that opens, if one does.
        ours: Option<u64>,
    },
    /// The index opens under no key of the account.
    #[error("index {counter} was made with none of the account's keys")]
    ForeignIndex {
        /// The counter.
        counter: u64,
    },
    /// The server's pages of labels do not end.
    #[error("the server's labels of persona {persona} do not go forward")]
    EndlessChain {
        /// Its id.
        persona: PersonaId,
    },
}

/// Which of two things a contradiction tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContradictionKind {
    /// The server went back, or lost something: what is there may be genuine, but is not all.
    Rollback,
    /// The listing can't have come about by losing something alone.
    Forgery,
}

impl Contradiction {
    /// For who fetches labels page by page and gets pages that go back.
    pub const fn endless_chain(persona: PersonaId) -> Self {
        Self::EndlessChain { persona }
    }

    /// Which of two things it tells of.
    pub const fn kind(&self) -> ContradictionKind {
        match self {
            Self::Epoch { .. }
            | Self::KeyringRolledBack { .. }
            | Self::KeyringBehind { .. }
            | Self::IndexRolledBack { .. }
            | Self::Missing { .. }
            | Self::RolledBack { .. }
            | Self::BelowFloor { .. } => ContradictionKind::Rollback,
            Self::IndexForked { .. }
            | Self::NotIndexed { .. }
            | Self::Forked { .. }
            | Self::NotAsIndexed { .. }
            | Self::Resurrected { .. }
            | Self::RetiredKey { .. }
            | Self::ChainBroken { .. }
            | Self::Foreign { .. }
            | Self::ForeignIndex { .. }
            | Self::EndlessChain { .. } => ContradictionKind::Forgery,
        }
    }

    /// When this device saw what is contradicted, by its own clock, in unix seconds.
    pub const fn seen_at(&self) -> Option<i64> {
        match self {
            Self::IndexRolledBack { seen_at, .. }
            | Self::IndexForked { seen_at, .. }
            | Self::RolledBack { seen_at, .. }
            | Self::Forked { seen_at, .. } => Some(*seen_at),
            Self::Missing { seen_at, .. } => *seen_at,
            _ => None,
        }
    }
}

fn called(name: Option<&Name>, persona: &PersonaId) -> String {
    name.map_or_else(|| persona.to_string(), Name::to_string)
}

fn ours_is(version: Option<u64>) -> String {
    version.map_or_else(
        || "none below it was, either".to_owned(),
        |version| format!("the newest below it that was is version {version}"),
    )
}

fn known(seen: Option<u64>, floor: Option<u64>) -> String {
    match (seen, floor) {
        (Some(version), _) => format!("this device has seen its version {version}"),
        (None, Some(floor)) => format!("the index has it at version {floor}"),
        (None, None) => "it was there".to_owned(),
    }
}
