//! Numbers that look random and are the same everywhere: `SplitMix64` (Steele, Lea, Flood 2014).

/// A stream of such numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Streams of neighbouring seeds have nothing in common: the seed is mixed first.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_mul(STEP)))
    }

    /// The next one.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 to `end` - 1, which is small enough for the bias to be nothing.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// Puts `items` in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
