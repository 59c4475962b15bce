//! As much of CBOR (RFC 8949) as Smithy's RPC v2 uses, to and from JSON values.
//!
//! A timestamp is tag 1 with seconds (Smithy, RPC v2 CBOR protocol). JSON has none: one is written where a map's
//! value is `{"$time": seconds}` and read as a plain number.

use serde_json::{Map, Number, Value, json};

fn head(major: u8, value: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match value {
        0..=23 => out.push(major | value as u8),
        24..=0xff => out.extend([major | 0x18, value as u8]),
        0x100..=0xffff => {
            out.push(major | 0x19);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 0x1a);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 0x1b);
            out.extend(value.to_be_bytes());
        }
    }
}

fn double(value: f64, out: &mut Vec<u8>) {
    out.push(0xfb);
    out.extend(value.to_be_bytes());
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Number(number) => {
            if let Some(value) = number.as_u64() {
                head(0, value, out);
            } else if let Some(value) = number.as_i64() {
                head(1, value.unsigned_abs() - 1, out);
            } else {
                double(number.as_f64().unwrap_or(0.0), out);
            }
        }
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            for item in items {
                write(item, out);
            }
        }
        Value::Object(members) => {
            if let Some(seconds) = members.get("$time").and_then(Value::as_f64) {
                head(6, 1, out);
                double(seconds, out);
                return;
            }
            head(5, members.len() as u64, out);
            for (name, value) in members {
                write(&json!(name), out);
                write(value, out);
            }
        }
    }
}

/// The bytes of a value.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn unsigned(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        )
    }

    /// Whether the next byte ends an item of unknown length.
    fn ends(&mut self) -> Option<bool> {
        let ends = *self.bytes.get(self.at)? == 0xff;
        if ends {
            self.at += 1;
        }
        Some(ends)
    }

    fn value(&mut self) -> Option<Value> {
        let first = self.take(1)?[0];
        let (major, low) = (first >> 5, first & 31);
        let length = match low {
            0..=23 => Some(u64::from(low)),
            24 => Some(self.unsigned(1)?),
            25 => Some(self.unsigned(2)?),
            26 => Some(self.unsigned(4)?),
            27 => Some(self.unsigned(8)?),
            _ => None,
        };
        match major {
            0 => Some(json!(length?)),
            1 => Some(json!(-1 - i64::try_from(length?).ok()?)),
            2 | 3 => self.text(length),
            4 => self.list(length),
            5 => self.map(length),
            6 => self.value(),
            _ => simple(low, length),
        }
    }

    fn text(&mut self, length: Option<u64>) -> Option<Value> {
        if let Some(length) = length {
            let bytes = self.take(usize::try_from(length).ok()?)?;
            return Some(json!(String::from_utf8_lossy(bytes)));
        }
        let mut whole = String::new();
        while !self.ends()? {
            whole += self.value()?.as_str()?;
        }
        Some(json!(whole))
    }

    fn list(&mut self, length: Option<u64>) -> Option<Value> {
        let mut items = Vec::new();
        while match length {
            Some(length) => (items.len() as u64) < length,
            None => !self.ends()?,
        } {
            items.push(self.value()?);
        }
        Some(Value::Array(items))
    }

    fn map(&mut self, length: Option<u64>) -> Option<Value> {
        let mut members = Map::new();
        let mut read = 0;
        while match length {
            Some(length) => read < length,
            None => !self.ends()?,
        } {
            let name = self.value()?.as_str()?.to_owned();
            members.insert(name, self.value()?);
            read += 1;
        }
        Some(Value::Object(members))
    }
}

fn simple(low: u8, bits: Option<u64>) -> Option<Value> {
    let number = |value: f64| Some(Number::from_f64(value).map_or(Value::Null, Value::Number));
    match low {
        20 => Some(json!(false)),
        21 => Some(json!(true)),
        22 | 23 => Some(Value::Null),
        26 => number(f64::from(f32::from_bits(u32::try_from(bits?).ok()?))),
        27 => number(f64::from_bits(bits?)),
        // Half precision: no SDK sends it.
        _ => None,
    }
}

/// The value of the bytes; none where they are not CBOR.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    Reader { bytes, at: 0 }.value()
}
