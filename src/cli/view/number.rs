//! Numbers as people read them.

/// `18,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `18,204 events`: for words whose plural is made with an `s`.
pub(crate) fn counted(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {word}{end}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands_and_words_follow_them() {
        for (number, wanted) in [
            (0, "0 events"),
            (1, "1 event"),
            (999, "999 events"),
            (1000, "1,000 events"),
            (18_204, "18,204 events"),
            (1_234_567, "1,234,567 events"),
        ] {
            assert_eq!(counted(number, "event"), wanted);
        }
    }
}
