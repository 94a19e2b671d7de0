//! Choices out of an input: small numbers and pieces from its front, zeros when it is used up, so
//! that every input is one. And what an attacker does to bytes.

/// The rest of an input.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next `length` bytes, or as many as are left.
    pub(super) fn piece(&mut self, length: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        piece
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let piece = self.piece(N);
        bytes[..piece.len()].copy_from_slice(piece);
        bytes
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        u32::from_be_bytes(self.array()) as usize % end
    }

    /// At most `most` bytes, made of a few that are repeated: long contents out of short inputs.
    pub(super) fn repeated(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        let piece = usize::from(self.byte() % 32);
        let pattern = self.piece(piece);
        if pattern.is_empty() {
            return vec![0; length];
        }
        pattern.iter().copied().cycle().take(length).collect()
    }

    /// What is left as changes to `bytes`, which may cancel each other out.
    pub(super) fn mutate(mut self, bytes: &mut Vec<u8>) {
        while !self.is_empty() {
            let (change, at) = (self.byte(), self.below(bytes.len() + 1));
            let end = bytes.len().min(at + 1 + usize::from(self.byte()));
            match change % 6 {
                0 if at < bytes.len() => bytes[at] ^= self.byte(),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let piece = self.piece(end - at).to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => bytes.extend_from_within(at..end),
                _ => {
                    let piece = self.piece(end - at);
                    bytes[at..at + piece.len()].copy_from_slice(piece);
                }
            }
        }
    }
}
