//! Commands that a mail or a page tells people to type, as a shell takes them.

/// Uses a code to set the password anew.
pub(crate) fn reset(email: &str, code: &str) -> String {
    command("password reset", "--code", email, code)
}

/// Uses a code to register.
pub(crate) fn register(email: &str, code: &str) -> String {
    command("register", "--confirm", email, code)
}

/// Uses a code to give an account another address.
pub(crate) fn moves(email: &str, code: &str) -> String {
    command("account email", "--confirm", email, code)
}

/// Uses a code to undo a change of the address.
pub(crate) fn undo_address(email: &str, code: &str) -> String {
    command("account undo-email", "--code", email, code)
}

/// Local parts may hold what means something to a shell, or look like an option.
fn command(verb: &str, option: &str, email: &str, code: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._+-".contains(&byte);
    let quoted = if email.bytes().all(plain) {
        email.to_owned()
    } else {
        format!("'{}'", email.replace('\'', r"'\''"))
    };
    if email.starts_with('-') {
        format!("keybackup {verb} {option} {code} -- {quoted}")
    } else {
        format!("keybackup {verb} {quoted} {option} {code}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_it_as_it_is_meant() {
        let code = "01234-56789";
        for (email, arguments) in [
            ("a.b+c@example.org", "a.b+c@example.org --option 01234-56789"),
            ("a&'`$!b@example.org", r"'a&'\''`$!b@example.org' --option 01234-56789"),
            ("-x@example.org", "--option 01234-56789 -- -x@example.org"),
        ] {
            let of = |option| arguments.replace("--option", option);
            assert_eq!(reset(email, code), format!("keybackup password reset {}", of("--code")));
            assert_eq!(register(email, code), format!("keybackup register {}", of("--confirm")));
        }
    }
}
