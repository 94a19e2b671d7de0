//! Writes the fuzz targets' first inputs, made of the test vectors, into a directory for each
//! target below the one that is named.

use std::fs;
use std::path::Path;

use keybackup_tests::fuzz::seeds;

fn main() {
    let directory = std::env::args_os().nth(1).expect("name a directory");
    for (target, seed) in seeds::all() {
        let directory = Path::new(&directory).join(target);
        fs::create_dir_all(&directory).expect("it can be made");
        let name = blake3::hash(&seed).to_hex();
        fs::write(directory.join(&name[..40]), seed).expect("it can be written");
    }
}
