//! The words of each letter. What a person has to do comes first, and what if it was not them.

use keybackup_protocol::Address;

use super::{Letter, Words};
use crate::advice;
use crate::auth::code;
use crate::config::PublicUrl;

/// A letter in words that live as long as this does.
pub(crate) struct Rendered {
    subject: &'static str,
    before: Vec<String>,
    code: Option<String>,
    command: Option<String>,
    link: Option<String>,
    after: Vec<String>,
}

/// What to do where somebody else has reset the password.
const UNDO: &str = "If it was not you: somebody can read your mail. Secure your mailbox, and take the \
    account back with what only you have, your recovery phrase or your old password: type \
    keybackup recovery undo-reset. Nothing was deleted.";

impl Rendered {
    /// The words for who reads mail at this address.
    #[expect(clippy::too_many_lines, reason = "the one table of words")]
    pub(crate) fn of(letter: &Letter, to: &Address, public_url: Option<&PublicUrl>) -> Self {
        let email = to.as_str();
        match letter {
            Letter::ResetCode { code } => {
                let shown = code::display(code);
                Self {
                    command: Some(advice::reset(email, &shown)),
                    link: public_url.map(|url| url.reset_page(email, &shown)),
                    code: Some(shown),
                    ..Self::new(
                        "Your code to reset a password",
                        &["Somebody, you we hope, wants to reset the password of the keybackup \
                           account with this address. This code makes it possible:"],
                        &[
                            "The code holds for 15 minutes, once. A newer one replaces it. With your \
                             recovery phrase everything stays; without it you get an empty account, \
                             and what was there is locked until phrase or an old device unlocks it.",
                            "If you did not ask for it, do nothing, and give the code to nobody: \
                             without it nothing changes.",
                        ],
                    )
                }
            }
            Letter::ConfirmCode { code } => {
                let shown = code::display(code);
                Self {
                    command: Some(advice::register(email, &shown)),
                    code: Some(shown),
                    ..Self::new(
                        "Your code to confirm an address",
                        &[
                            "Somebody, you we hope, wants to use this address for keybackup. This code \
                           confirms it:",
                        ],
                        &[
                            &format!(
                                "For an account that you have already: {}",
                                advice::moves(email, &code::display(code))
                            ),
                            "The code holds for 15 minutes, once. A newer one replaces it. Where \
                             keybackup is waiting for it already, type the code there.",
                            "If you did not ask for it, do nothing: without the code there will be \
                             no account.",
                        ],
                    )
                }
            }
            Letter::AlreadyRegistered => Self::new(
                "You have an account already",
                &[
                    "Somebody, perhaps you, wants to register this address for keybackup. It has an \
                   account already, and nothing was changed.",
                ],
                &["To get in, type keybackup login. If you have forgotten your password, type \
                   keybackup password reset."],
            ),
            Letter::PasswordChanged => Self::new(
                "Your password was changed",
                &[
                    "The password of your keybackup account was changed, by somebody who knew the old \
                   one. All other sessions have ended.",
                ],
                &[
                    "If it was not you, type keybackup password reset and have your recovery phrase \
                   at hand.",
                ],
            ),
            Letter::ResetDone { with_phrase: true, .. } => Self::new(
                "Your password was reset",
                &[
                    "The password of your keybackup account was reset with a code from this mailbox \
                   and your recovery phrase. All sessions have ended; everything is still there.",
                ],
                &[
                    "If it was not you, somebody can read your mail and knows your recovery phrase: \
                   reset the password again, and then replace the phrase with keybackup recovery \
                   rotate.",
                ],
            ),
            Letter::ResetDone { with_phrase: false, locked_personas } => Self::new(
                "Your account was reset",
                &[&format!(
                    "Your keybackup account was reset with a code from this mailbox and without the \
                     recovery phrase. It is empty now. What was there is locked (personas: \
                     {locked_personas}) and not deleted: your old recovery phrase, or a device that was \
                     logged in, unlocks it with keybackup recovery unlock."
                )],
                &[UNDO],
            ),
            Letter::ResetUndone => Self::new(
                "A reset was undone",
                &["A reset of your keybackup account was undone, with the recovery phrase or the \
                   password from before. What was made after the reset is locked. For 30 days no \
                   reset without the recovery phrase is possible."],
                &[],
            ),
            Letter::RecoveryRotated => Self::new(
                "Your recovery phrase was replaced",
                &["The recovery phrase of your keybackup account was replaced. The old one opens \
                   nothing new any more."],
                &["If it was not you, change your password at once and replace the phrase again: \
                   keybackup recovery rotate."],
            ),
            Letter::AddressChanged { undo_code: Some(code) } => {
                let shown = code::display(code);
                Self {
                    command: Some(advice::undo_address(email, &shown)),
                    code: Some(shown),
                    ..Self::new(
                        "The address of your account was changed",
                        &["The address of your keybackup account was changed to another one, by \
                           somebody who knew its password. This code undoes it:"],
                        &[
                            "The code holds for 7 days. With it the account has this address again, and \
                             the password that it had when it was changed; all devices are logged out.",
                            "If it was you, do nothing, and give the code to nobody.",
                        ],
                    )
                }
            }
            Letter::AddressChanged { undo_code: None } => Self::new(
                "The address of your account was changed",
                &[
                    "This is the address of your keybackup account now. The password and everything \
                   that is backed up are as before; other devices are logged out.",
                ],
                &[
                    "On these type keybackup login with the new address and --moved. For 7 days a code \
                   in the mailbox of the former address undoes the change.",
                ],
            ),
            Letter::AddressUndone => Self::new(
                "A change of your account's address was undone",
                &[
                    "Your keybackup account has its former address again, and the password that it had \
                   there. All devices are logged out.",
                ],
                &[
                    "On your devices type keybackup login with this address, and with --moved where the \
                   other one was known. Whoever changed the address knew the password: change it, with \
                   keybackup password change. If the change was yours, somebody can read the mail of the former \
                   address.",
                ],
            ),
            Letter::NewDevice => Self::new(
                "A new device logged in",
                &["A device that your keybackup account did not know has logged in with your \
                   password."],
                &["If it was not you, change your password: keybackup password change. \
                   keybackup session list shows who is logged in."],
            ),
            Letter::AccountDeleted => Self::new(
                "Your account was deleted",
                &[
                    "Your keybackup account was deleted, by somebody who knew its password or by the operator \
                   of the server.",
                ],
                &[],
            ),
        }
    }

    fn new(subject: &'static str, before: &[&str], after: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (before, after) = (owned(before), owned(after));
        Self { subject, before, code: None, command: None, link: None, after }
    }

    /// What the mail is made of.
    pub(crate) fn words(&self) -> Words<'_> {
        Words {
            subject: self.subject,
            before: self.before.iter().map(String::as_str).collect(),
            code: self.code.as_deref(),
            command: self.command.as_deref(),
            link: self.link.as_deref(),
            after: self.after.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(letter: &Letter, url: Option<&str>) -> String {
        let to = "a+b@example.org".parse().expect("an address");
        let url = url.map(|url| PublicUrl::parse(url).expect("a URL"));
        Rendered::of(letter, &to, url.as_ref()).words().text()
    }

    #[test]
    fn codes_come_with_the_command_that_uses_them() {
        let code = || "0123456789".to_owned();
        let reset = text(&Letter::ResetCode { code: code() }, Some("https://example.org/b"));
        for line in [
            "    01234-56789",
            "    keybackup password reset a+b@example.org --code 01234-56789",
            "https://example.org/b/password/reset.html?email=a%2Bb%40example.org&code=01234-56789",
        ] {
            assert!(reset.lines().any(|other| other == line), "{line}: {reset}");
        }
        let confirm = text(&Letter::ConfirmCode { code: code() }, Some("https://example.org"));
        assert!(confirm.contains("    keybackup register a+b@example.org --confirm 01234-56789\n"));
        assert!(!confirm.contains("https:"), "there is no page for it");
    }

    #[test]
    fn links_come_from_the_public_url_or_not_at_all() {
        let letter = Letter::ResetCode { code: "0123456789".to_owned() };
        assert!(!text(&letter, None).contains("://"));
        let locked = Letter::ResetDone { with_phrase: false, locked_personas: 3 };
        let told = text(&locked, None);
        assert!(told.replace('\n', " ").contains("(personas: 3)"), "{told}");
        assert!(told.contains("undo-reset"), "{told}");
    }

    #[test]
    fn each_letter_has_words_of_its_own() {
        let to = "a@example.org".parse().expect("an address");
        let code = || "0123456789".to_owned();
        let letters = [
            Letter::ResetCode { code: code() },
            Letter::ConfirmCode { code: code() },
            Letter::AlreadyRegistered,
            Letter::PasswordChanged,
            Letter::ResetDone { with_phrase: true, locked_personas: 0 },
            Letter::ResetDone { with_phrase: false, locked_personas: 1 },
            Letter::ResetUndone,
            Letter::RecoveryRotated,
            Letter::AddressChanged { undo_code: Some(code()) },
            Letter::NewDevice,
            Letter::AccountDeleted,
        ];
        let subjects: std::collections::BTreeSet<_> =
            letters.iter().map(|letter| Rendered::of(letter, &to, None).subject).collect();
        assert_eq!(subjects.len(), letters.len());
        for letter in &letters {
            let rendered = Rendered::of(letter, &to, None);
            assert!(!rendered.before.is_empty() && !rendered.words().html().contains("{{"));
        }
    }
}
