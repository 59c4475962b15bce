//! Who calls, as STS `GetCallerIdentity` says.
//!
//! Reads an ARN; asks nobody.

use std::fmt;

/// What the credentials of this process are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Account id, 12 digits.
    pub(crate) account: String,
    /// Amazon Resource Name, such as `arn:aws:sts::123456789012:assumed-role/deployer/ana`.
    pub(crate) arn: String,
    /// Unique id of the principal; for a role followed by `:<session name>`.
    pub(crate) user_id: String,
}

impl Identity {
    /// The part of the ARN behind the account, cut at each `/` (IAM User Guide, "IAM ARNs").
    fn parts(&self) -> Vec<&str> {
        self.arn
            .splitn(6, ':')
            .nth(5)
            .unwrap_or_default()
            .split('/')
            .collect()
    }

    /// The name of the role, where one was assumed.
    pub(crate) fn role(&self) -> Option<&str> {
        match self.parts().as_slice() {
            ["assumed-role", role, ..] => Some(role),
            _ => None,
        }
    }

    /// The name of the role's session: often a person's mail address, or what a pipeline calls itself.
    pub(crate) fn session(&self) -> Option<&str> {
        match self.parts().as_slice() {
            ["assumed-role", _, session] => Some(session),
            _ => None,
        }
    }

    /// The name of the IAM user, where it is one. Its path is left out.
    pub(crate) fn user(&self) -> Option<&str> {
        match self.parts().as_slice() {
            ["user", .., name] | ["federated-user", name] => Some(name),
            _ => None,
        }
    }

    /// The permission set of IAM Identity Center (SSO) that made the role: it is called
    /// `AWSReservedSSO_<permission set>_<16 hex digits>`.
    pub(crate) fn permission_set(&self) -> Option<&str> {
        let name = self.role()?.strip_prefix("AWSReservedSSO_")?;
        name.rsplit_once('_').map(|(set, _)| set)
    }

    /// Whether it is the account's root user, who may do everything.
    pub(crate) fn is_root(&self) -> bool {
        self.parts() == ["root"]
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.role(), self.session(), self.user()) {
            (Some(role), Some(session), _) => {
                let role = self.permission_set().unwrap_or(role);
                write!(f, "{session} as {role}")
            }
            (.., Some(user)) => f.write_str(user),
            _ if self.is_root() => f.write_str("the root user"),
            _ => f.write_str(&self.arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(rest: &str) -> Identity {
        Identity {
            account: "123456789012".into(),
            arn: format!("arn:aws:{rest}"),
            user_id: "AIDA".into(),
        }
    }

    #[test]
    fn an_arn_says_who_it_is() {
        for (rest, spoken, role) in [
            ("iam::123456789012:user/ops/ana", "ana", None),
            ("iam::123456789012:root", "the root user", None),
            (
                "sts::123456789012:assumed-role/deployer/run-7",
                "run-7 as deployer",
                Some("deployer"),
            ),
            (
                "sts::123456789012:assumed-role/AWSReservedSSO_Power_User_0123456789abcdef/ana@acme.example",
                "ana@acme.example as Power_User",
                Some("AWSReservedSSO_Power_User_0123456789abcdef"),
            ),
            ("sts::123456789012:federated-user/bo", "bo", None),
            ("other", "arn:aws:other", None),
        ] {
            let identity = identity(rest);
            assert_eq!(identity.to_string(), spoken);
            assert_eq!(identity.role(), role);
        }
    }
}
