//! JSON with exactly one way to write each value (RFC 8785), and a reader that refuses ambiguity.

use serde_json::{Map, Number, Value};

/// The largest integer that every reader of JSON keeps exactly: 2^53 (RFC 8785, appendix D).
const LARGEST: u64 = 1 << 53;

/// The canonical bytes of a value (RFC 8785).
pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number_text(number).as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // Section 3.2.3: names are ordered by their UTF-16 code units, which differs from the order of
            // UTF-8 bytes beyond the basic plane.
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, name);
                out.push(b':');
                write_value(out, members.get(name).unwrap_or(&Value::Null));
            }
            out.push(b'}');
        }
    }
}

/// Section 3.2.2.2: the short escapes, `\u00xx` in lower case for the other control characters, nothing else.
fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x00..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Section 3.2.2.3: a number as ECMAScript writes the IEEE 754 double nearest to it.
fn number_text(number: &Number) -> String {
    if let Some(integer) = number.as_i64()
        && integer.unsigned_abs() <= LARGEST
    {
        return integer.to_string();
    }
    number.as_f64().map_or_else(|| "null".to_owned(), double)
}

/// ECMAScript's `Number::toString` (ECMA-262, 6.1.6.1.20). Rust and ECMAScript choose the same shortest digits but
/// for exact ties; where the point and the exponent stand differs.
fn double(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = to_even(value.abs(), digits, exponent);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The point stands after this many digits; `n` in ECMA-262.
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let at = usize::try_from(point.clamp(0, count)).unwrap_or(0);
    let (whole, fraction) = digits.split_at(at);
    let body = if point > 0 && point <= 21 {
        if count <= point {
            format!("{digits}{}", zeros(point - count))
        } else {
            format!("{whole}.{fraction}")
        }
    } else if point > -6 && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{first}{dot}{rest}e{sign}{}", exponent.abs())
    };
    if value < 0.0 {
        format!("-{body}")
    } else {
        body
    }
}

/// Where the value lies exactly between two shortest texts, ECMAScript takes the even one and Rust the upper one.
fn to_even(value: f64, digits: String, exponent: &str) -> String {
    // No double has more significant digits than 767, so this is its exact value.
    let exact = format!("{value:.767e}");
    let exact: Vec<char> = exact.chars().filter(char::is_ascii_digit).collect();
    let tie = exact.get(digits.len()) == Some(&'5')
        && exact
            .get(digits.len() + 1..768)
            .is_some_and(|rest| rest.iter().all(|digit| *digit == '0'));
    if !tie {
        return digits;
    }
    let lower: String = exact.iter().take(digits.len()).collect();
    let even = lower.ends_with(['0', '2', '4', '6', '8']);
    let (first, rest) = lower.split_at(1);
    let same = format!("{first}.{rest}e{exponent}").parse() == Ok(value);
    if even && same { lower } else { digits }
}

/// A value as it may stand in an event: no fractions and no integers beyond 2^53 (both become text), because
/// readers of JSON disagree about them.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let exact = match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => integer.unsigned_abs() <= LARGEST,
                (None, Some(integer)) => integer <= LARGEST,
                (None, None) => false,
            };
            if exact {
                Value::Number(number)
            } else {
                Value::String(number.to_string())
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| (name, plain(member)))
                .collect(),
        ),
        other => other,
    }
}

/// How deep values may be nested.
const DEEPEST: usize = 64;

/// Why bytes are not JSON, or are ambiguous JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// An object has a member twice.
    #[error("byte {offset}: the member `{name}` is there twice")]
    Twice {
        /// Behind the second one's name.
        offset: usize,
        /// Its name.
        name: String,
    },
    /// Not JSON (RFC 8259).
    #[error("byte {offset}: {expected} is expected")]
    Malformed {
        /// From the start.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
}

/// Reads JSON strictly (RFC 8259): an object that has a member twice is refused, because readers disagree about
/// which one counts. Numbers become the double nearest to them, unlike with `serde_json`'s default reader.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ParseError::Malformed {
        offset: error.valid_up_to(),
        expected: "UTF-8",
    })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() {
        Ok(value)
    } else {
        Err(reader.malformed("the end"))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn malformed(&self, expected: &'static str) -> ParseError {
        ParseError::Malformed {
            offset: self.at,
            expected,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte`, if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        if depth > DEEPEST {
            return Err(self.malformed("an end of the nesting"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let words = [
                    ("null", Value::Null),
                    ("true", true.into()),
                    ("false", false.into()),
                ];
                let (word, value) = words
                    .into_iter()
                    .find(|(word, _)| rest.starts_with(word))
                    .ok_or_else(|| self.malformed("a value"))?;
                self.at += word.len();
                Ok(value)
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.takes(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.takes(b']') {
                return Ok(Value::Array(items));
            }
            if !self.takes(b',') {
                return Err(self.malformed("`,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut members = Map::new();
        self.space();
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            if members.contains_key(&name) {
                return Err(ParseError::Twice {
                    offset: self.at,
                    name,
                });
            }
            self.space();
            if !self.takes(b':') {
                return Err(self.malformed("`:`"));
            }
            members.insert(name, self.value(depth + 1)?);
            self.space();
            if self.takes(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.takes(b',') {
                return Err(self.malformed("`,` or `}`"));
            }
        }
    }

    /// Finds where the string ends; what is between the quotes is left to `serde_json`.
    fn string(&mut self) -> Result<String, ParseError> {
        let from = self.at;
        if !self.takes(b'"') {
            return Err(self.malformed("a string"));
        }
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.malformed("the end of a string")),
            }
        }
        self.at += 1;
        let quoted = self.text.get(from..self.at).unwrap_or_default();
        serde_json::from_str(quoted).map_err(|_| ParseError::Malformed {
            offset: from,
            expected: "a string",
        })
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let from = self.at;
        while matches!(
            self.peek(),
            Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
        ) {
            self.at += 1;
        }
        let text = self.text.get(from..self.at).unwrap_or_default();
        if let Ok(integer) = text.parse::<i64>()
            && integer.to_string() == text
        {
            return Ok(integer.into());
        }
        // `serde_json` knows the grammar; the standard library rounds correctly.
        let grammatical = serde_json::from_str::<Number>(text).is_ok();
        let number = text.parse().ok().and_then(Number::from_f64);
        match number {
            Some(number) if grammatical => Ok(Value::Number(number)),
            _ => Err(ParseError::Malformed {
                offset: from,
                expected: "a number",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The published vectors, where they lie beside the project; none elsewhere.
    fn vectors() -> Option<std::path::PathBuf> {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|above| above.join("shared/vectors/jcs/testdata"))
            .find(|path| path.is_dir())
    }

    #[test]
    fn canonical_json_equals_the_published_vectors() {
        let Some(vectors) = vectors() else {
            crate::domain::audit::tests::skipped(
                "audit::json::canonical_json_equals_the_published_vectors: they are not beside the project",
            );
            return;
        };
        for name in [
            "arrays",
            "french",
            "structures",
            "unicode",
            "values",
            "weird",
        ] {
            let file = |part: &str| {
                crate::fs::read(&vectors.join(part).join(format!("{name}.json"))).unwrap()
            };
            let got = canonical(&parse(&file("input")).unwrap());
            assert_eq!(
                String::from_utf8(got).unwrap(),
                String::from_utf8(file("output")).unwrap(),
                "{name}"
            );
        }
    }

    /// RFC 8785, section 3.2: the example of the text, which is there in every clone.
    #[test]
    fn canonical_json_equals_the_example_of_the_standard() {
        let given = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let wanted = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        let got = canonical(&parse(given.as_bytes()).unwrap());
        assert_eq!(String::from_utf8(got).unwrap(), wanted);
        // Section 3.2.3: by UTF-16 units, so what is outside of the basic plane comes before U+FB33.
        let given =
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let got = canonical(&parse(given.as_bytes()).unwrap());
        let wanted = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
        assert_eq!(String::from_utf8(got).unwrap(), wanted);
    }

    /// RFC 8785, appendix B: IEEE 754 bits and what is to be written.
    #[test]
    fn numbers_are_written_as_in_appendix_b() {
        for (bits, wanted) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(double(f64::from_bits(bits)), wanted, "{bits:016x}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        assert!(parse(br#"{"a":1,"b":{"c":1,"c":1}}"#).is_err());
        assert!(parse(br#"{"a":1,"\u0061":2}"#).is_err());
        assert!(parse(br#"{"a":1,"b":{"a":1}}"#).is_ok());
        assert_eq!(
            parse(br#"{"a":1,"a":1}"#).unwrap_err().to_string(),
            "byte 10: the member `a` is there twice"
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\\",
            "\"\n\"",
            "1 2",
            "[1 2]",
            "'a'",
            "1e999",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
        assert!(parse(&[b'[', 0xff, b']']).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn events_hold_no_number_that_readers_disagree_about() {
        let value =
            serde_json::json!({"a": 1.5, "b": [u64::MAX, 3], "c": -9_007_199_254_740_993_i64});
        assert_eq!(
            String::from_utf8(canonical(&plain(value))).unwrap(),
            r#"{"a":"1.5","b":["18446744073709551615",3],"c":"-9007199254740993"}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn canonical_bytes_are_a_fixed_point(names in proptest::collection::vec("\\PC{0,6}", 0..6), n in -1_000_000_i64..1_000_000) {
            let members: Map<String, Value> = names.into_iter().map(|name| (name.clone(), serde_json::json!([name, n]))).collect();
            let bytes = canonical(&Value::Object(members));
            proptest::prop_assert_eq!(&canonical(&parse(&bytes).unwrap()), &bytes);
        }
    }
}
