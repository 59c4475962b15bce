//! Signs of squad's own words in ASCII, for a locale without UTF-8.
//!
//! Only the signs that squad itself writes: the letters of a person's name stay, whatever the locale.

/// A sign in ASCII, and in one column; none for what stays.
fn spelling(sign: char) -> Option<(&'static str, &'static str)> {
    let (long, short) = match sign {
        '→' => ("->", ">"),
        '←' => ("<-", "<"),
        '↑' => ("^", "^"),
        '↓' => ("v", "v"),
        '…' => ("...", "."),
        '–' | '—' | '−' | '·' | '‐' | '‑' => ("-", "-"),
        '≤' => ("<=", "<"),
        '≥' => (">=", ">"),
        '≠' => ("!=", "#"),
        '≈' => ("~", "~"),
        '±' => ("+/-", "~"),
        '×' | '✖' => ("x", "x"),
        '✔' => ("+", "+"),
        '⚠' => ("!", "!"),
        '◌' => (".", "."),
        '●' => ("*", "*"),
        '“' | '”' => ("\"", "\""),
        '‘' | '’' => ("'", "'"),
        'µ' | 'μ' => ("u", "u"),
        '\u{a0}' | '\u{202f}' => (" ", " "),
        '\u{fffd}' => ("?", "?"),
        _ => return None,
    };
    Some((long, short))
}

/// `1 → 2` as `1 -> 2`. What becomes wider takes its room from the next gap of a table, so that the columns behind it
/// stay below their names.
pub(super) fn spelled_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut owed = 0;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match spelling(sign) {
            Some((long, _)) => {
                out.push_str(long);
                owed += long.len() - 1;
            }
            None if sign == '\n' => {
                owed = 0;
                out.push(sign);
            }
            // One blank of a gap stays.
            None if sign == ' ' && owed > 0 && signs.peek() == Some(&' ') => owed -= 1,
            None => out.push(sign),
        }
    }
    out
}

/// The same where nothing may become wider.
pub(super) fn as_wide(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match spelling(sign) {
            Some((_, short)) => out.push_str(short),
            None => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_below_their_names() {
        let text = "WHAT                  RESULT\ndeploy pay 1 → 2 …    done\ndeploy pay 1 → 2 → 3  done\nJosé";
        let wanted = "WHAT                  RESULT\ndeploy pay 1 -> 2 ... done\ndeploy pay 1 -> 2 -> 3 done\nJosé";
        assert_eq!(spelled_out(text), wanted);
    }

    #[test]
    fn a_drawn_line_keeps_its_width() {
        let line = "pay  10 % → 25 %, n ≥ 98 …";
        assert_eq!(as_wide(line), "pay  10 % > 25 %, n > 98 .");
        assert_eq!(as_wide(line).chars().count(), line.chars().count());
    }
}
