//! Much, and large: identical on the other side, in bounded memory.

use keybackup_tests::{Device, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";
/// What DESIGN allows a client beside Argon2id, which a stored login spares.
const CLIENT_KIB: u64 = 48 * 1024;
/// What the issue allows a server.
const SERVER_KIB: u64 = 64 * 1024;

#[test]
fn ten_thousand_files() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::many(&one.persona("many"), 10_000);
    let pushed = one.command(["push", "--json"]).measured().expect(0);
    assert_eq!(pushed.json()["personas"][0]["files"], 10_000);
    let same = one.command(["push", "--json"]).measured().expect(0);
    assert_eq!(same.json()["personas"][0]["changed"], false);
    let two = Device::logged_in(&server.url, EMAIL);
    let pulled = two.command(["pull"]).measured().expect(0);
    Tree::read(&one.persona("many")).assert_same(&Tree::read(&two.persona("many")));
    assert_eq!(two.json(["files", "many"])["entries"].as_array().map(Vec::len), Some(10_100));
    for output in [pushed, same, pulled] {
        assert!(output.peak_kib <= CLIENT_KIB, "{} KiB: {}", output.peak_kib, output.what);
    }
}

#[test]
fn a_file_of_256_mib() {
    // The server answers an upload when all of it is on the disk, which may take a slow one long.
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let file = one.persona("large").join("file");
    tree::large(&file, 256);
    let pushed = one.command(["push", "--json", "--timeout", "110"]).measured().expect(0);
    assert_eq!(pushed.json()["personas"][0]["size"], 256 << 20);
    let two = Device::logged_in(&server.url, EMAIL);
    let verified = two.command(["verify", "--timeout", "110"]).measured().expect(0);
    let pulled = two.command(["pull", "--timeout", "110"]).measured().expect(0);
    Tree::read(&one.persona("large")).assert_same(&Tree::read(&two.persona("large")));
    for output in [pushed, verified, pulled] {
        assert!(output.peak_kib <= CLIENT_KIB, "{} KiB: {}", output.peak_kib, output.what);
        assert!(output.peak_kib > 0, "it was measured");
    }
    assert!(server.peak_kib() <= SERVER_KIB, "{} KiB: server", server.peak_kib());
    assert_eq!(std::fs::read_dir(two.tmp()).expect("listable").count(), 0);
}
