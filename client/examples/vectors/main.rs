//! Writes the test vectors of FORMAT.md: `cargo run -p keybackup --example vectors`.
//!
//! Every case has random bytes of its own, from its name, so that a new one changes no other; and
//! what was written once is never changed: a test holds this program to the committed files.
//!
//! With `--release` it also notes their hashes in `RELEASED.sha256`, which from then on no test
//! lets change or go.

mod case;
mod cases;
mod raw;
mod raw_zip;
mod released;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let cases = cases::all();
    for case in &cases {
        let file = root.join(case.file());
        fs::create_dir_all(file.parent().unwrap_or(&root))?;
        fs::write(file, case.to_text())?;
    }
    println!("{} vectors in {}", cases.len(), root.display());
    if std::env::args().any(|argument| argument == "--release") {
        let manifest = root.join(released::MANIFEST);
        let known = fs::read_to_string(&manifest)?;
        let lines = cases.iter().map(|case| released::line(&case.file(), &case.to_text()));
        let new: Vec<_> = lines.filter(|line| !known.contains(line.as_str())).collect();
        println!("{} of them are new in {}", new.len(), manifest.display());
        fs::write(manifest, known + &new.concat())?;
    }
    Ok(())
}
