//! Text that nobody wrote and that compresses about as text does: words follow Zipf's law, and
//! each has favourites among those that come next.

use std::fmt::Write as _;

use keybackup_tests::rng::Rng;

/// Words are numbered by how common they are; 2^13 of them.
const OCTAVES: usize = 13;
/// Favourite followers of each word.
const FOLLOWERS: usize = 24;

/// Sentences in paragraphs, `size` bytes.
pub(crate) fn prose(rng: &mut Rng, size: usize) -> String {
    let mut text = String::with_capacity(size + 200);
    let mut rank = 0;
    while text.len() < size {
        sentence(rng, &mut rank, &mut text);
        text.push_str(if rng.below(6) == 0 { "\n\n" } else { " " });
    }
    text.truncate(size);
    text
}

/// An array of records, about `size` bytes.
pub(crate) fn records(rng: &mut Rng, size: usize) -> String {
    let mut json = String::with_capacity(size + 400);
    let mut rank = 0;
    json.push('[');
    while json.len() < size {
        if json.len() > 1 {
            json.push_str(",\n");
        }
        let (id, created) = (rng.next(), 1_600_000_000 + rng.below(100_000_000));
        put(&mut json, format_args!("{{\"id\":\"{id:016x}\",\"created\":{created},\"tags\":[\""));
        word(zipf(rng), &mut json);
        json.push_str("\",\"");
        word(zipf(rng), &mut json);
        put(&mut json, format_args!("\"],\"size\":{},\"title\":\"", rng.below(1 << 20)));
        sentence(rng, &mut rank, &mut json);
        json.push_str("\"}");
    }
    json.push_str("]\n");
    json
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}

fn sentence(rng: &mut Rng, rank: &mut usize, text: &mut String) {
    let (start, words) = (text.len(), 5 + rng.below(16));
    for n in 0..words {
        *rank = next(rng, *rank);
        if n > 0 {
            text.push_str(if rng.below(11) == 0 { ", " } else { " " });
        }
        word(*rank, text);
    }
    text[start..=start].make_ascii_uppercase();
    text.push('.');
}

/// A word that comes after another: one of its favourites, or any.
fn next(rng: &mut Rng, rank: usize) -> usize {
    if rng.below(2) == 0 {
        let favourite = rng.below(FOLLOWERS).min(rng.below(FOLLOWERS));
        zipf(&mut Rng::new((rank * FOLLOWERS + favourite) as u64))
    } else {
        zipf(rng)
    }
}

/// A rank, by Zipf's law: each octave of ranks is as likely as any other.
fn zipf(rng: &mut Rng) -> usize {
    let octave = rng.below(OCTAVES);
    (1 << octave) - 1 + rng.below(1 << octave)
}

/// Spells a word: rarer ones are longer.
fn word(rank: usize, text: &mut String) {
    const ONSETS: [&str; 16] =
        ["t", "s", "h", "w", "d", "th", "n", "r", "l", "m", "f", "c", "b", "st", "p", "g"];
    const VOWELS: [&str; 8] = ["e", "a", "o", "i", "u", "ea", "ou", "ai"];
    const CODAS: [&str; 8] = ["", "n", "r", "s", "t", "l", "nd", "ng"];
    let syllables = match rank {
        0..40 => 1,
        40..1500 => 2,
        _ => 3,
    };
    // Mixed, so that neighbours do not look alike.
    let mut letters = Rng::new(rank as u64 + 77);
    for _ in 0..syllables {
        text.push_str(ONSETS[letters.below(ONSETS.len())]);
        text.push_str(VOWELS[letters.below(VOWELS.len())]);
        text.push_str(CODAS[letters.below(CODAS.len()).min(letters.below(CODAS.len()))]);
    }
}
