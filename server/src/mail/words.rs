//! What a mail says, and its two forms: plain text, and HTML that looks like it.
//!
//! Only the code, the address, the command and the link come from elsewhere, and all of them are
//! escaped. Nothing is loaded: no image, no font, no style of others.

use std::fmt::Write as _;

use crate::http::html::escape;

/// What one mail says.
#[derive(Default)]
pub(crate) struct Words<'a> {
    /// The subject, and the heading of the HTML.
    pub(crate) subject: &'static str,
    /// What it is about, before code and command.
    pub(crate) before: Vec<&'a str>,
    /// A code, as it is shown.
    pub(crate) code: Option<&'a str>,
    /// A command to type.
    pub(crate) command: Option<&'a str>,
    /// A page that shows the same.
    pub(crate) link: Option<&'a str>,
    /// What else there is to say.
    pub(crate) after: Vec<&'a str>,
}

/// The style of a paragraph.
const PLAIN: &str = "margin:12px 0";

/// Under every mail.
const FOOT: &str = "keybackup keeps sealed backups of keys. Nobody here can read them, and nobody \
    will ask you for your password or your recovery phrase.";

impl Words<'_> {
    /// Plain text, in lines of at most 76 characters but for the link.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for paragraph in &self.before {
            wrap(&mut text, paragraph);
        }
        if let Some(code) = self.code {
            put(&mut text, &format!("    {code}"));
        }
        if let Some(command) = self.command {
            wrap(&mut text, "On your computer, in a terminal, type:");
            put(&mut text, &format!("    {command}"));
        }
        if let Some(link) = self.link {
            wrap(&mut text, "This page shows the same, and what happens then:");
            put(&mut text, link);
        }
        for paragraph in &self.after {
            wrap(&mut text, paragraph);
        }
        text.push_str("-- \n");
        wrap(&mut text, FOOT);
        text
    }

    /// HTML with styles of its own, since mail programs drop others.
    pub(crate) fn html(&self) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{0}</title></head>\n\
             <body style=\"margin:0;padding:24px 16px;font:16px/1.5 system-ui,sans-serif\">\n\
             <div style=\"max-width:560px;margin:0 auto\">\n\
             <h1 style=\"font-size:20px;margin:0 0 12px\">{0}</h1>\n",
            escape(self.subject)
        );
        let mut line = |style: &str, text: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(html, "<p style=\"{style}\">{text}</p>");
        };
        for paragraph in &self.before {
            line(PLAIN, &escape(paragraph));
        }
        if let Some(code) = self.code {
            line("margin:16px 0;font:bold 24px/1.3 monospace;letter-spacing:1px", &escape(code));
        }
        if let Some(command) = self.command {
            line(PLAIN, "On your computer, in a terminal, type:");
            line("margin:12px 0;font:15px/1.5 monospace", &escape(command));
        }
        if let Some(link) = self.link {
            let link = escape(link);
            line(
                PLAIN,
                &format!(
                    "<a href=\"{link}\">A page that shows the same</a>, and what \
                                  happens then."
                ),
            );
        }
        for paragraph in &self.after {
            line(PLAIN, &escape(paragraph));
        }
        line("margin:24px 0 0;font-size:13px;opacity:.75", FOOT);
        html.push_str("</div></body></html>\n");
        html
    }
}

/// A paragraph as it is, with an empty line behind it.
fn put(text: &mut String, paragraph: &str) {
    text.push_str(paragraph);
    text.push_str("\n\n");
}

/// A paragraph in lines, with an empty line behind it.
fn wrap(text: &mut String, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 76 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words<'static> {
        Words {
            subject: "Your code",
            before: vec![
                "Somebody, we hope you, has asked for a code with which the password of the \
                       account can be set anew.",
            ],
            code: Some("01234-56789"),
            command: Some("keybackup password reset --code 01234-56789 'a<b&c'@example.org"),
            link: Some("https://example.org/password/reset.html?email=a&code=\"b\""),
            after: vec!["It ends after 15 minutes."],
        }
    }

    #[test]
    fn text_and_html_say_the_same() {
        let text = words().text();
        assert!(
            text.starts_with(
                "Somebody, we hope you, has asked for a code with which the password of the\n\
             account can be set anew.\n\n    01234-56789\n\nOn your computer"
            ),
            "{text}"
        );
        for part in [words().command, words().link, Some("It ends after 15 minutes.")] {
            assert!(text.contains(&format!("{}\n", part.expect("some"))), "{text}");
        }
        let html = words().html();
        assert!(html.contains(">01234-56789</p>"), "{html}");
        assert!(html.contains("&#39;a&lt;b&amp;c&#39;@example.org</p>"), "{html}");
        assert!(html.contains(
            "href=\"https://example.org/password/reset.html?email=a&amp;code=&quot;b&quot;\""
        ));
        assert!(!html.contains("src="), "nothing is loaded");
    }

    #[test]
    fn what_there_is_not_is_not_said() {
        let words = Words { subject: "News", before: vec!["So it is."], ..Words::default() };
        assert!(words.text().starts_with("So it is.\n\n-- \n"), "{}", words.text());
        for absent in ["terminal", "page", "href"] {
            assert!(!words.text().contains(absent) && !words.html().contains(absent), "{absent}");
        }
    }
}
