//! Texts that have to stay on one line.

/// The text with control characters and the backslash escaped as in Rust and C: `\n`, `\\`,
/// `\u{1b}`.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() || letter == '\\' {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(one_line(text), expected);
    }

    #[test]
    fn what_could_end_a_line_is_escaped() {
        check("a b\u{e9}\u{1f600}", "a b\u{e9}\u{1f600}");
        check("a\nb\r\t\u{1b}\u{85}", "a\\nb\\r\\t\\u{1b}\\u{85}");
        check("a\\nb", "a\\\\nb");
    }
}
