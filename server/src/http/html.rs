//! Text inside HTML.

/// Text, as HTML holds it between tags and within quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // So that what was put into a page is never taken for a place to put something in.
            '{' => html.push_str("&#123;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped() {
        assert_eq!(
            escape("<a b=\"c\" d='e'>&{{é"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;&#123;&#123;é"
        );
    }
}
