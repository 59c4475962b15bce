//! Invoke: chooses the version, really runs its code, counts and logs.

mod process;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::lambda::{Code, Function, conflict, missing};
use crate::metric::Counted;
use crate::request::{Reply, Request};
use crate::server::Shared;
use crate::world::{Identity, Region, World};
use process::{Outcome, Process, Program};

/// Idle processes by function, version and code.
#[derive(Default)]
pub(crate) struct Pool(BTreeMap<String, Vec<Process>>);

/// More idle processes than this are ended.
const IDLE: usize = 24;

/// gettingstarted-limits.html: "Invocation payload (request and response): 6 MB each for request and response".
const LARGEST_PAYLOAD: usize = 6_291_556;

/// Everything of one invocation that is known before it runs.
struct Chosen {
    function: String,
    qualifier: Option<String>,
    version: String,
    weighted: bool,
    program: Program,
    timeout: Duration,
    memory: u64,
    key: String,
    group: String,
    /// In the place that has the metrics.
    account: String,
    region: String,
}

pub(crate) async fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    id: &str,
    shared: &Arc<Shared>,
) -> Result<Reply, Failure> {
    let kind = request
        .header("x-amz-invocation-type")
        .unwrap_or("RequestResponse")
        .to_owned();
    if request.body.len() > LARGEST_PAYLOAD {
        return Err(Failure::new(
            413,
            "RequestEntityTooLargeException",
            format!(
                "{} byte payload is too large for the {kind} invocation type (limit 6291456 bytes)",
                request.body.len()
            ),
        ));
    }
    if !request.body.is_empty() && serde_json::from_slice::<Value>(&request.body).is_err() {
        return Err(Failure::new(
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload into json",
        )
        .with("Type", "User"));
    }
    let chosen = choose(request, operation, identity, &mut shared.world())?;
    if kind == "DryRun" {
        return Ok(Reply::empty(204));
    }
    let (payload, id, shared) = (request.body.clone(), id.to_owned(), shared.clone());
    if kind == "Event" {
        // The queue's retries are left out.
        tokio::spawn(async move { run(&chosen, &id, payload, &shared).await.map(|_| ()) });
        return Ok(Reply::empty(202));
    }
    let outcome = run(&chosen, &id, payload, &shared).await?;
    let mut reply = Reply::empty(200).with("X-Amz-Executed-Version", chosen.version.clone());
    if outcome.failed {
        reply = reply.with("X-Amz-Function-Error", "Unhandled");
    }
    if request.header("x-amz-log-type") == Some("Tail") {
        // API reference, Invoke, X-Amz-Log-Result: "The last 4 KB of the execution log, which is base64-encoded".
        let log = outcome.output.as_bytes();
        let tail = &log[log.len().saturating_sub(4096)..];
        reply = reply.with("X-Amz-Log-Result", STANDARD.encode(tail));
    }
    Ok(reply.with_body("application/json", outcome.payload))
}

/// configuration-aliases.html and configuring-alias-routing.html: "Lambda uses a simple probabilistic model to
/// distribute the traffic between the two function versions".
fn choose(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Chosen, Failure> {
    let now = clock::now();
    let World {
        settings,
        random,
        regions,
        ..
    } = world;
    let region = World::region_in(regions, &identity.account, &request.region);
    region.lambda.settle(now, random);
    let name = operation.text("FunctionName").unwrap_or("").to_owned();
    let qualifier = operation.text("Qualifier").map(str::to_owned);
    let arn = region.function_arn(&name);
    let shown = qualifier
        .as_ref()
        .map_or(arn.clone(), |qualifier| format!("{arn}:{qualifier}"));
    let absent = || missing(format!("Function not found: {shown}"));
    let function = region.lambda.by_name.get(&name).ok_or_else(absent)?;
    let mut version = function
        .resolve(qualifier.as_deref())
        .map_err(|_| absent())?;
    let alias = qualifier
        .as_ref()
        .and_then(|qualifier| function.aliases.get(qualifier));
    let mut weighted = settings.executed_version_always && alias.is_some();
    if alias.is_some() {
        let chance = random.fraction();
        let mut sum = 0.0;
        for (other, weight) in &function.weights_of(qualifier.as_deref().unwrap_or_default()) {
            weighted = true;
            sum += weight;
            if chance < sum {
                version.clone_from(other);
                break;
            }
        }
    }
    // functions-states.html: "When you try to invoke a function that is inactive, the invocation fails and Lambda sets the
    // function to pending state until the function resources are recreated." API reference, Invoke,
    // ResourceNotReadyException 502.
    if function.version(&version)?.state == "Inactive" {
        if let Some(function) = region.lambda.by_name.get_mut(&name) {
            function.wake(&version, now + settings.settle_ms);
        }
        return Err(Failure::new(
            502,
            "ResourceNotReadyException",
            "The function is inactive and its VPC connection is no longer available. Wait for the VPC connection to reestablish and try again.",
        ));
    }
    let found = function.version(&version)?;
    if found.state == "Pending" {
        return Err(conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        ));
    }
    if function.reserved == Some(0) {
        let counted = Counted {
            throttles: 1,
            ..counted(
                &name,
                qualifier.clone(),
                weighted.then(|| version.clone()),
                now,
            )
        };
        region.metrics.count(&counted);
        // API reference, Invoke, TooManyRequestsException, Reason.
        return Err(
            Failure::new(429, "TooManyRequestsException", "Rate Exceeded.")
                .with(
                    "Reason",
                    "ReservedFunctionConcurrentInvocationLimitExceeded",
                )
                .with("Type", "User"),
        );
    }
    chosen(
        region,
        function,
        (qualifier, version, weighted),
        random.next(),
    )
}

fn counted(
    function: &str,
    qualifier: Option<String>,
    executed: Option<String>,
    at: u64,
) -> Counted {
    Counted {
        function: function.to_owned(),
        qualifier,
        executed,
        at,
        visible: None,
        invocations: 0,
        errors: 0,
        throttles: 0,
        durations: Vec::new(),
    }
}

fn chosen(
    region: &Region,
    function: &Function,
    (qualifier, version, weighted): (Option<String>, String, bool),
    unique: u64,
) -> Result<Chosen, Failure> {
    let found = function.version(&version)?.serving();
    let Code::Zip(package) = &found.code else {
        return Err(Failure::new(
            502,
            "InvalidRuntimeException",
            "the stand-in does not run images",
        ));
    };
    let text = |name: &str| {
        found
            .configuration
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let number = |name: &str| {
        found
            .configuration
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    let group = found.configuration["LoggingConfig"]["LogGroup"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let day = clock::iso_time(clock::now())[..10].replace('-', "/");
    let stream = format!("{day}/[{version}]{unique:032x}");
    let memory = number("MemorySize");
    let mut variables = vec![
        ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION".to_owned(), version.clone()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(),
            memory.to_string(),
        ),
        ("AWS_LAMBDA_LOG_GROUP_NAME".to_owned(), group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), stream.clone()),
        (
            "AWS_EXECUTION_ENV".to_owned(),
            format!("AWS_Lambda_{}", text("Runtime")),
        ),
        ("AWS_REGION".to_owned(), region.name.clone()),
        ("AWS_DEFAULT_REGION".to_owned(), region.name.clone()),
    ];
    let given = found
        .configuration
        .get("Environment")
        .and_then(|environment| environment["Variables"].as_object());
    for (name, value) in given.into_iter().flatten() {
        variables.push((name.clone(), value.as_str().unwrap_or("").to_owned()));
    }
    let arn = match &qualifier {
        Some(qualifier) => format!("{}:{qualifier}", function.arn),
        None => function.arn.clone(),
    };
    Ok(Chosen {
        function: function.name.clone(),
        version: version.clone(),
        weighted,
        program: Program {
            runtime: text("Runtime"),
            handler: text("Handler"),
            arn: arn.clone(),
            stream,
            variables,
            package: package.clone(),
        },
        timeout: Duration::from_secs(number("Timeout")),
        memory,
        key: format!("{arn} {version} {} {}", found.sha256, found.modified),
        group,
        qualifier,
        account: region.account.clone(),
        region: region.name.clone(),
    })
}

async fn run(
    chosen: &Chosen,
    id: &str,
    payload: Bytes,
    shared: &Arc<Shared>,
) -> Result<Outcome, Failure> {
    let at = clock::now();
    let broken = |reason: String| {
        Failure::new(502, "InvalidRuntimeException", reason).with("Type", "Server")
    };
    let warm = shared
        .pool
        .lock()
        .expect("the pool")
        .0
        .get_mut(&chosen.key)
        .and_then(Vec::pop);
    let mut process = match warm {
        Some(process) => process,
        None => Process::start(&chosen.program).await.map_err(broken)?,
    };
    let mut outcome = process.invoke(id, payload, chosen.timeout).await;
    let milliseconds = outcome.took.as_secs_f64() * 1000.0;
    outcome.output = log(chosen, id, &outcome, milliseconds);
    if outcome.reusable {
        let mut pool = shared.pool.lock().expect("the pool");
        if pool.0.values().map(Vec::len).sum::<usize>() >= IDLE {
            pool.0.clear();
        }
        pool.0.entry(chosen.key.clone()).or_default().push(process);
    }
    let mut world = shared.world();
    let region = world.region(&chosen.account, &chosen.region);
    let executed = chosen.weighted.then(|| chosen.version.clone());
    region.metrics.count(&Counted {
        invocations: 1,
        errors: u64::from(outcome.failed),
        durations: vec![(milliseconds, 1.0)],
        ..counted(&chosen.function, chosen.qualifier.clone(), executed, at)
    });
    for line in outcome.output.lines() {
        region.logs.push(
            &chosen.group,
            &chosen.program.stream,
            clock::now(),
            &format!("{line}\n"),
        );
    }
    Ok(outcome)
}

/// "Working with Lambda function logs" (python-logging.html, "Using the Lambda console"): START, the output, END and
/// REPORT. `LogFormat: JSON` changes nothing here.
fn log(chosen: &Chosen, id: &str, outcome: &Outcome, milliseconds: f64) -> String {
    let mut output = outcome.output.clone();
    if !output.is_empty() && !output.ends_with('\n') {
        output.push('\n');
    }
    let init = outcome
        .init
        .map(|init| format!("\tInit Duration: {:.2} ms", init.as_secs_f64() * 1000.0))
        .unwrap_or_default();
    format!(
        "START RequestId: {id} Version: {}\n{output}END RequestId: {id}\nREPORT RequestId: {id}\tDuration: {milliseconds:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: 40 MB{init}\n",
        chosen.version,
        milliseconds.ceil(),
        chosen.memory,
    )
}

/// `GET /_code/<account>/<region>/<function>/<version>`: what `Code.Location` of GetFunction points to.
pub(crate) fn download(request: &Request, world: &mut World) -> Reply {
    let [_, account, region, name, version] = request.path.as_slice() else {
        return Reply::empty(404);
    };
    let functions = &world.region(account, region).lambda.by_name;
    let found = functions
        .get(name)
        .and_then(|function| function.version(version).ok());
    match found.map(|version| &version.code) {
        Some(Code::Zip(data)) => Reply::empty(200).with_body("application/zip", data.to_vec()),
        _ => Reply::json(404, &json!({})),
    }
}
