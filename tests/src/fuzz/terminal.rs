//! Takes bytes as text of somebody else that is to be shown. Whatever it holds, what is printed
//! neither acts on a terminal nor hides in it, and a word for a shell is one word.

use std::borrow::Cow;

use keybackup::archive::Paths;
use keybackup::error::{Code, Failure};
use keybackup::records::{Name, Nickname};
use keybackup::ui::{escape, shell_word};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_width::UnicodeWidthChar as _;

/// Runs one input. True if it is harmless as it is.
pub fn run(data: &[u8]) -> bool {
    let text = &*String::from_utf8_lossy(data);
    let shown = escape(text);
    assert_harmless(&shown);
    assert_eq!(escape(&shown), shown, "once is enough");
    assert_eq!(
        matches!(shown, Cow::Borrowed(_)),
        !text.chars().any(|c| acts(c) || hides(c)),
        "nothing else changes"
    );
    if !text.contains('\\') {
        assert_eq!(unescaped(&shown), text, "it can be told what it was");
    }
    word(text, &shown);
    names(text);
    let failure = Failure::new(Code::Server, text).hint(text);
    assert_harmless(&failure.to_string());
    assert_harmless(&failure.clone().context(text).to_string());
    assert_inert(&Paths(vec![text.to_owned(); 2]).to_string());
    shown == text
}

/// Panics if a text could do anything but be read.
fn assert_harmless(text: &str) {
    if let Some(at) = text.chars().position(|c| acts(c) || hides(c)) {
        panic!("character {at} of {text:?}");
    }
}

/// Panics if a text could do more than look like another: for errors of libraries, whose texts are
/// escaped once more before they are shown.
pub(super) fn assert_inert(text: &str) {
    if let Some(at) = text.chars().position(acts) {
        panic!("character {at} of {text:?}");
    }
}

/// What acts on a terminal: controls and invisible ones of format. Those of Unicode's category Cf
/// that are drawn are signs before numbers and hieroglyphs.
fn acts(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let is_drawn = matches!(c,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}');
    let acts = match c.general_category() {
        Control | LineSeparator | ParagraphSeparator => true,
        Format => !is_drawn,
        _ => false,
    };
    assert!(acts || c.width().is_some(), "{c:?} has no width");
    acts
}

/// The rest of Unicode's property `Default_Ignorable_Code_Point`, which draws nothing, without the
/// selectors of the form of a character that is drawn.
const fn hides(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2065}' | '\u{3164}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The text that was escaped.
fn unescaped(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (digits, after) = after.split_once('}').expect("a brace closes it");
        let code = u32::from_str_radix(digits, 16).expect("hexadecimal digits");
        text.push_str(before);
        text.push(char::from_u32(code).expect("a character"));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// A shell reads one word, which is no option, and that word is the text as it is shown.
fn word(text: &str, shown: &str) {
    let word = shell_word(text);
    assert_harmless(&word);
    let quoted = match word.strip_prefix("-- ") {
        Some(quoted) if text.starts_with('-') => quoted,
        _ => {
            assert!(!word.starts_with('-'), "an option");
            &word
        }
    };
    let mut read = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => read.extend(letters.by_ref().take_while(|letter| *letter != '\'')),
            '\\' => read.extend(letters.next()),
            plain => {
                let is_plain = plain.is_ascii_alphanumeric() || "._/@%+=:,-".contains(plain);
                assert!(is_plain, "a shell reads more into {quoted}");
                read.push(plain);
            }
        }
    }
    assert_eq!(read, shown);
}

/// Names that are taken can be shown and be a directory's; refusals can be shown.
fn names(text: &str) {
    let is_fit =
        |name: &str| (1..=255).contains(&name.len()) && !name.chars().any(char::is_control);
    match text.parse::<Name>() {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            let path = std::path::Path::new(text);
            let mut components = path.components();
            let only = components.next().and_then(|first| match first {
                std::path::Component::Normal(name) => Some(name),
                _ => None,
            });
            assert_eq!((only, components.next()), (Some(path.as_os_str()), None));
            assert!(is_fit(text));
        }
        Err(error) => assert_inert(&error.to_string()),
    }
    let tidy = Nickname::tidy(text);
    assert!(tidy.as_ref().is_none_or(|tidy| is_fit(tidy.as_str())));
    assert_eq!(tidy.is_none(), text.chars().all(char::is_control));
}
