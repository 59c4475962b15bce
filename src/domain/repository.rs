//! The addresses of git repositories: when two of them name the same one, and what of one may be shown.

/// Whether two addresses name one repository: over HTTPS or SSH, in git's short form, with or without a user, a password, the
/// `.git` at the end or a slash. Ports count where they are not the protocol's own; the path is taken as it is written, since
/// not every server ignores its case.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    named(one) == named(other)
}

/// What an address names: the host in lower case, empty for a directory of this machine, and the path.
fn named(address: &str) -> (String, String) {
    let address = address.trim();
    let (host, path) = match address.split_once("://") {
        Some(("file", path)) => ("", path),
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let host = without_user(authority);
            let own = match scheme {
                "https" => ":443",
                "http" => ":80",
                "ssh" | "git+ssh" | "ssh+git" => ":22",
                "git" => ":9418",
                _ => "",
            };
            let host = host.strip_suffix(own).unwrap_or(host);
            // Elsewhere it is a part of the path.
            let path = if is_http(scheme) {
                without_query(path)
            } else {
                path
            };
            (host, path)
        }
        // git's short form, `user@host:path`: the colon comes before any slash (git-clone(1)).
        None => match address.split_once(':') {
            Some((host, path)) if !host.is_empty() && !host.contains('/') => {
                (without_user(host), path)
            }
            _ => ("", address),
        },
    };
    let path = path.trim_end_matches('/');
    if host.is_empty() {
        return (String::new(), path.to_owned());
    }
    let path = path.strip_suffix(".git").unwrap_or(path);
    let path = path.trim_matches('/');
    (host.to_lowercase(), path.to_owned())
}

/// An address as it is stored and shown: no password; for HTTP no user either (it can be a token), and nothing behind the path
/// (`?access_token=…`).
pub(crate) fn without_secrets(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    // In HTTP the first of these ends the host; elsewhere `?` and `#` are as any other letter.
    let rest = if is_http(scheme) {
        without_query(rest)
    } else {
        rest
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        None => format!("{scheme}://{authority}{path}"),
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            if scheme == "ssh" && !user.is_empty() {
                format!("{scheme}://{user}@{host}{path}")
            } else {
                format!("{scheme}://{host}{path}")
            }
        }
    }
}

/// What `git clone` takes for what an org says of a service: `acme/payments` means GitHub.
pub(crate) fn address(repository: &str) -> String {
    let is_short = !repository.starts_with('/') && !repository.contains([':', '@']);
    if is_short {
        format!("https://github.com/{repository}")
    } else {
        repository.to_owned()
    }
}

/// What is behind the path of an HTTP address, from `?` or `#` on. It can be a secret.
pub(crate) fn query(address: &str) -> &str {
    match address.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) => {
            rest.strip_prefix(without_query(rest)).unwrap_or_default()
        }
        _ => "",
    }
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"].contains(&scheme.to_lowercase().as_str())
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

fn without_user(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_many_addresses() {
        let same = [
            "git@github.com:acme/payments.git",
            "github.com:acme/payments",
            "git@GitHub.com:acme/payments/",
            "git@github.com:/acme/payments.git",
            "ssh://git@github.com/acme/payments",
            "ssh://git@github.com:22/acme/payments.git",
            "ssh://git:password@github.com/acme/payments.git/",
            "https://github.com/acme/payments",
            "https://github.com/acme/payments.git",
            "https://github.com/acme/payments.git/",
            "https://github.com/acme/payments//",
            "https://github.com:443/acme/payments",
            "https://ana:token@github.com/acme/payments.git",
            "https://token@GITHUB.COM/acme/payments",
            "https://github.com/acme/payments.git?access_token=secret",
            "git://github.com/acme/payments.git",
        ];
        for one in same {
            for other in same {
                assert!(is_same(one, other), "{one} {other}");
            }
        }
        for other in [
            "https://github.com/acme/payments2",
            "https://github.com/other/payments",
            "https://gitlab.com/acme/payments",
            "https://github.com:8443/acme/payments",
            "ssh://git@github.com:2222/acme/payments",
            "https://github.com/acme/Payments",
            "https://github.com/acme/payments/more",
            "/acme/payments",
            "acme/payments",
            "",
        ] {
            assert!(!is_same(same[0], other), "{other}");
        }
    }

    #[test]
    fn a_directory_is_itself_alone() {
        for (one, other, wanted) in [
            ("/srv/payments.git", "/srv/payments.git/", true),
            ("file:///srv/payments.git", "/srv/payments.git", true),
            ("/srv/payments.git", "/srv/payments", false),
            ("../a:b/payments", "../a:b/payments", true),
            ("../a:b/payments", "b/payments", false),
        ] {
            assert_eq!(is_same(one, other), wanted, "{one} {other}");
        }
    }

    #[test]
    fn two_words_mean_github() {
        for (repository, wanted) in [
            ("acme/payments", "https://github.com/acme/payments"),
            ("/srv/git/payments.git", "/srv/git/payments.git"),
            ("git@host:acme/payments.git", "git@host:acme/payments.git"),
            ("file:///srv/payments", "file:///srv/payments"),
        ] {
            assert_eq!(address(repository), wanted);
        }
    }

    #[test]
    fn secrets_leave_an_address() {
        for (address, wanted) in [
            ("https://u:p@host/a/b.git", "https://host/a/b.git"),
            ("https://token@host", "https://host"),
            (
                "https://host/org.git?access_token=t",
                "https://host/org.git",
            ),
            (
                "https://u:p@host/org?private_token=a/b@c#x",
                "https://host/org",
            ),
            ("http://host?token=a@b/c", "http://host"),
            ("HTTPS://host/org#t", "HTTPS://host/org"),
            ("https://host/a@b", "https://host/a@b"),
            ("ssh://git@host/a@b", "ssh://git@host/a@b"),
            ("ssh://git:p@host:22/a?b", "ssh://git@host:22/a?b"),
            ("file:///srv/a?b", "file:///srv/a?b"),
            ("git@host:a/b.git", "git@host:a/b.git"),
            ("/srv/repo", "/srv/repo"),
        ] {
            assert_eq!(without_secrets(address), wanted);
        }
    }
}
