//! Words as a person can paste them into a shell.

use std::borrow::Cow;

/// One word: as it is where no shell would read anything into it, else in single quotes (POSIX, Shell Command Language,
/// 2.2.2).
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,^".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_read_is_quoted() {
        for (word, wanted) in [
            ("payments", "payments"),
            ("../a/b-c_d.e", "../a/b-c_d.e"),
            ("größe", "größe"),
            ("", "''"),
            ("my dir", "'my dir'"),
            ("it's", r"'it'\''s'"),
            ("a;b", "'a;b'"),
            ("$HOME", "'$HOME'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
