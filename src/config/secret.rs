//! What looks like a secret: a value that must not be in a file, and must not be shown.
//!
//! These are heuristics: a name says what is probably inside, a value says it by its form.

/// Schemes of references to secrets that are known.
pub(crate) const SCHEMES: [&str; 4] = ["file", "ssm", "secretsmanager", "k8s"];

/// Whether a variable of this name usually holds a secret. `TOKEN_URL` does not, `API_TOKEN` does.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let last = name.rsplit('_').next().unwrap_or(&name);
    let words = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "CREDENTIALS",
    ];
    let ends = [
        "API_KEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "SECRET_KEY",
        "SIGNING_KEY",
        "ENCRYPTION_KEY",
    ];
    words.contains(&last) || ends.iter().any(|end| name.ends_with(end))
}

/// What kind of secret a text is by its form; none when it does not look like one.
pub(crate) fn kind_of_value(text: &str) -> Option<&'static str> {
    let long = |prefix: &str, length: usize| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= length
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        })
    };
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        Some("a private key")
    } else if (long("AKIA", 16) || long("ASIA", 16)) && text.len() == 20 {
        Some("an AWS access key")
    } else if ["ghp_", "gho_", "ghs_", "ghu_", "github_pat_"]
        .iter()
        .any(|prefix| long(prefix, 20))
    {
        Some("a GitHub token")
    } else if ["xoxb-", "xoxp-", "xapp-"]
        .iter()
        .any(|prefix| long(prefix, 10))
    {
        Some("a Slack token")
    } else if long("sk_live_", 10) || long("rk_live_", 10) {
        Some("a Stripe key")
    } else if long("eyJ", 40) && text.matches('.').count() == 2 {
        Some("a JSON web token")
    } else if has_password(text) {
        Some("an address with a password")
    } else {
        None
    }
}

/// Whether a text is an address such as `postgres://user:password@host/db`.
fn has_password(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@') else {
        return false;
    };
    scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && user
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
}

/// A line of a file without the value of what looks like a secret.
pub(crate) fn masked(line: &str) -> String {
    let mut from = 0;
    for (index, _) in line.match_indices('=') {
        let key = line.get(from..index).unwrap_or_default().trim_end();
        let key = key.trim_end_matches(['"', '\'']);
        let name = key
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        let rest = line.get(index + 1..).unwrap_or_default();
        let reference = rest.trim_start().starts_with('{');
        if is_secret_name(name) && !reference {
            return format!("{}= …", line.get(..index).unwrap_or_default());
        }
        from = index + 1;
    }
    let quoted = line
        .split(['"', '\''])
        .any(|part| kind_of_value(part).is_some());
    if quoted || line.contains("-----BEGIN") {
        let end = line.find('=').map_or(0, |index| index + 1);
        return format!("{} …", line.get(..end).unwrap_or_default());
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_secrets() {
        for (name, wanted) in [
            ("DB_PASSWORD", true),
            ("TOKEN", true),
            ("STRIPE_API_KEY", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("client-secret", true),
            ("TOKEN_URL", false),
            ("SECRET_NAME", false),
            ("TOKENIZERS_PARALLELISM", false),
            ("PARTITION_KEY", false),
            ("LOG_LEVEL", false),
        ] {
            assert_eq!(is_secret_name(name), wanted, "{name}");
        }
    }

    #[test]
    fn values_that_are_secrets() {
        // Put together here, so that no scanner takes this file for a leak.
        let aws = format!("AKIA{}", "A".repeat(16));
        let github = format!("ghp_{}", "a".repeat(36));
        for (value, wanted) in [
            (aws.as_str(), Some("an AWS access key")),
            (github.as_str(), Some("a GitHub token")),
            (
                "postgres://app:hunter2@db/app",
                Some("an address with a password"),
            ),
            ("postgres://app@db/app", None),
            ("https://example.com/a:b@c", None),
            ("AKIA", None),
            ("info", None),
        ] {
            assert_eq!(kind_of_value(value), wanted, "{value}");
        }
    }

    #[test]
    fn masks_the_value_and_keeps_the_rest() {
        for (line, wanted) in [
            ("DB_PASSWORD = \"x\"", "DB_PASSWORD = …"),
            (
                "env = { A = \"b\", TOKEN = \"x\" }",
                "env = { A = \"b\", TOKEN = …",
            ),
            (
                "DB_PASSWORD = { secret = \"ssm:/a\" }",
                "DB_PASSWORD = { secret = …",
            ),
            ("URL = \"postgres://a:b@c/d\"", "URL = …"),
            ("LOG_LEVEL = \"info\"", "LOG_LEVEL = \"info\""),
        ] {
            assert_eq!(masked(line), wanted);
        }
    }
}
