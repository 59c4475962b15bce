//! The command that runs a function's runtime on this machine.

use crate::domain::service::{Function, Run};

/// A runtime that this machine cannot run by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the local platform does not know how to run `{runtime}`: {what_to_do}")]
pub(crate) struct Unsupported {
    /// As the `squad.toml` names it.
    pub(crate) runtime: String,
    /// In words, with the setting to make.
    pub(crate) what_to_do: &'static str,
}

/// The argv of one process, started in the artifact's directory. A `[run] command` always wins: it is how a
/// runtime that needs an interface client of its own is run.
pub(crate) fn start_command(function: &Function, run: &Run) -> Result<Vec<String>, Unsupported> {
    if !run.command.is_empty() {
        return Ok(run.command.clone());
    }
    let runtime = function.runtime.as_str();
    if runtime.starts_with("python") {
        return Ok(["python", "-m", "awslambdaric", &function.handler]
            .map(str::to_owned)
            .to_vec());
    }
    // Lambda Developer Guide, "Building a custom runtime": "The runtime … bootstrap … is the entry point".
    if runtime.starts_with("provided") {
        return Ok(vec!["./bootstrap".to_owned()]);
    }
    let what_to_do = if runtime.starts_with("nodejs") {
        "install `aws-lambda-ric` from npm into the artifact and set `[run] command = [\"npx\", \"aws-lambda-ric\", \"<handler>\"]`"
    } else if runtime.starts_with("java") {
        "put `aws-lambda-java-runtime-interface-client` into the artifact and set `[run] command = [\"java\", \"-cp\", \"*\", \"com.amazonaws.services.lambda.runtime.api.client.AWSLambda\", \"<handler>\"]`"
    } else if runtime.starts_with("go") {
        "AWS has retired `go1.x`; build a `bootstrap` and set `runtime = \"provided.al2023\"`"
    } else if runtime.starts_with("dotnet") || runtime.starts_with("ruby") {
        "set `[run] command` to the command of its Lambda runtime interface client"
    } else {
        "bring a `bootstrap` and set `runtime = \"provided.al2023\"`, or set `[run] command`; PHP is run this way too"
    };
    Err(Unsupported {
        runtime: runtime.to_owned(),
        what_to_do,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(runtime: &str) -> Function {
        Function {
            name: "f".into(),
            runtime: runtime.into(),
            handler: "app.handler".into(),
            role: None,
            unsaid: Vec::new(),
            memory_mb: 512,
            timeout_seconds: 30,
            architecture: "arm64".into(),
            alias: "live".into(),
            concurrency: 2,
            layers: None,
            env_remove: Vec::new(),
            smoke: None,
            provisioned_concurrency: None,
        }
    }

    fn run(command: &[&str]) -> Run {
        Run {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            port: 8080,
            ready: "/readyz".into(),
            grace_seconds: 20,
            start_seconds: 60,
            env: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn commands_by_runtime() {
        for (runtime, command, wanted) in [
            ("python3.13", &[][..], "python -m awslambdaric app.handler"),
            ("provided.al2023", &[], "./bootstrap"),
            (
                "nodejs22.x",
                &["npx", "aws-lambda-ric", "a.b"],
                "npx aws-lambda-ric a.b",
            ),
            (
                "python3.13",
                &["python3.13", "main.py"],
                "python3.13 main.py",
            ),
        ] {
            let argv = start_command(&function(runtime), &run(command)).unwrap();
            assert_eq!(argv.join(" "), wanted, "{runtime}");
        }
    }

    #[test]
    fn what_cannot_be_run_says_what_to_do() {
        for (runtime, part) in [
            ("nodejs22.x", "aws-lambda-ric"),
            ("java21", "aws-lambda-java-runtime-interface-client"),
            ("go1.x", "provided.al2023"),
            ("dotnet8", "interface client"),
            ("ruby3.4", "interface client"),
            ("php-84", "bootstrap"),
        ] {
            let error = start_command(&function(runtime), &run(&[])).unwrap_err();
            assert_eq!(error.runtime, runtime);
            assert!(error.what_to_do.contains(part), "{runtime}: {error}");
        }
    }
}
