//! The server's own look at its data, where it has one: `keybackup-server check`.

use std::sync::OnceLock;

use keybackup_tests::Server;

/// Ends a server, which must find nothing wrong with its data.
pub(crate) fn end(server: &Server) {
    server.terminate();
    if can_check(server) {
        let data = server.data().display().to_string();
        server.run(&["--data", &data, "check"]).expect(0);
    }
}

fn can_check(server: &Server) -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| server.run(&["help", "check"]).code == 0)
}
