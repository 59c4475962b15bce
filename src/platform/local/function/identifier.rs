//! Request ids, trace ids and times in the forms that AWS uses.

use jiff::Timestamp;

/// Random bytes from the system's generator.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // A failure would need a kernel without random numbers; an id of zeros is then still a valid id.
    aws_lc_rs::rand::fill(&mut bytes).unwrap_or_default();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// A new request id: a version 4 UUID (RFC 9562 §5.4), as AWS uses.
pub(super) fn request_id() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = hex(&bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// A new X-Ray header that asks for no sampling: AWS X-Ray Developer Guide, "Tracing header":
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
pub(super) fn trace(now: Timestamp) -> String {
    format!(
        "Root=1-{:08x}-{};Parent={};Sampled=0",
        now.as_second(),
        hex(&random::<12>()),
        hex(&random::<8>())
    )
}

/// The time as API Gateway writes it in `requestContext.time`: `12/Mar/2020:19:03:58 +0000`.
pub(super) fn common_log_time(now: Timestamp) -> String {
    now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_those_of_aws() {
        let uuid = request_id();
        let form = regex_lite::Regex::new(
            "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        )
        .unwrap();
        assert!(form.is_match(&uuid), "{uuid}");
        assert_ne!(uuid, request_id());

        let now: Timestamp = "2020-03-12T19:03:58Z".parse().unwrap();
        let header = trace(now);
        let form =
            regex_lite::Regex::new("^Root=1-5e6a879e-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$")
                .unwrap();
        assert!(form.is_match(&header), "{header}");
        assert_eq!(common_log_time(now), "12/Mar/2020:19:03:58 +0000");
    }
}
