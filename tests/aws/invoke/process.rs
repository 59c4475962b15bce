//! One execution environment: a process behind its own Runtime API.
//!
//! "Using the Lambda runtime API for custom runtimes" (runtimes-api.html): `invocation/next`,
//! `invocation/<id>/response`, `invocation/<id>/error`, `init/error`, below `/2018-06-01/runtime/`.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot};

/// What a function is run with.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) runtime: String,
    pub(crate) handler: String,
    pub(crate) arn: String,
    pub(crate) stream: String,
    /// All environment variables.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) package: Arc<Vec<u8>>,
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) payload: Bytes,
    /// `X-Amz-Function-Error`.
    pub(crate) failed: bool,
    /// Without the start of the process.
    pub(crate) took: Duration,
    /// The start of the process, the first time.
    pub(crate) init: Option<Duration>,
    /// What it wrote meanwhile.
    pub(crate) output: String,
    /// The process can take another one.
    pub(crate) reusable: bool,
}

struct Event {
    id: String,
    payload: Bytes,
    arn: String,
    timeout: Duration,
    taken: oneshot::Sender<()>,
    done: oneshot::Sender<(Bytes, bool)>,
}

#[derive(Default)]
struct Desk {
    waiting: Option<Event>,
    running: Option<(String, oneshot::Sender<(Bytes, bool)>)>,
    init_error: Option<Bytes>,
}

#[derive(Default)]
struct Api {
    desk: Mutex<Desk>,
    arrived: Notify,
    broken: Notify,
}

/// A process that is idle, or busy with one invocation.
pub(crate) struct Process {
    child: Child,
    api: Arc<Api>,
    arn: String,
    server: tokio::task::JoinHandle<()>,
    log: File,
    fresh: Option<Instant>,
    /// The code; gone with the process.
    _directory: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
        self.child.start_kill().ok();
    }
}

fn answer(status: u16, body: Bytes) -> hyper::Response<Full<Bytes>> {
    hyper::Response::builder()
        .status(status)
        .body(Full::new(body))
        .expect("a response")
}

async fn serve(
    api: Arc<Api>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let rest = path.strip_prefix("/2018-06-01/runtime/").unwrap_or("");
    if rest == "invocation/next" {
        return Ok(next(&api).await);
    }
    let mut desk = api.desk.lock().expect("the desk");
    if rest == "init/error" {
        desk.init_error = Some(body);
        api.broken.notify_one();
        return Ok(answer(202, Bytes::new()));
    }
    let parts: Vec<&str> = rest.split('/').collect();
    if let ["invocation", id, end @ ("response" | "error")] = parts.as_slice()
        && let Some((_, done)) = desk.running.take_if(|(running, _)| running == id)
    {
        // Nobody waits any more after a timeout.
        done.send((body, *end == "error")).ok();
        return Ok(answer(202, Bytes::new()));
    }
    Ok(answer(404, Bytes::new()))
}

async fn next(api: &Api) -> hyper::Response<Full<Bytes>> {
    loop {
        let arrived = api.arrived.notified();
        if let Some(event) = take(api) {
            return event;
        }
        arrived.await;
    }
}

fn take(api: &Api) -> Option<hyper::Response<Full<Bytes>>> {
    let mut desk = api.desk.lock().expect("the desk");
    let event = desk.waiting.take()?;
    event.taken.send(()).ok();
    let deadline = crate::clock::now() + event.timeout.as_millis() as u64;
    let response = hyper::Response::builder()
        .header("Lambda-Runtime-Aws-Request-Id", &event.id)
        .header("Lambda-Runtime-Deadline-Ms", deadline.to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", &event.arn)
        .header("content-type", "application/json")
        .body(Full::new(event.payload));
    desk.running = Some((event.id, event.done));
    response.ok()
}

fn command(program: &Program, directory: &Path) -> Result<Command, String> {
    let code = directory.join("task");
    if program.runtime.starts_with("python") {
        let bootstrap = directory.join("bootstrap.py");
        std::fs::write(&bootstrap, include_str!("bootstrap.py"))
            .map_err(|error| error.to_string())?;
        let mut command = Command::new("python3");
        command.arg("-u").arg(bootstrap);
        return Ok(command);
    }
    if program.runtime.starts_with("nodejs") {
        let bootstrap = directory.join("bootstrap.js");
        std::fs::write(&bootstrap, include_str!("bootstrap.js"))
            .map_err(|error| error.to_string())?;
        let mut command = Command::new("node");
        command.arg(bootstrap);
        return Ok(command);
    }
    if program.runtime.starts_with("provided") {
        return Ok(Command::new(code.join("bootstrap")));
    }
    Err(format!("the stand-in does not run {}", program.runtime))
}

impl Process {
    /// Unpacks the code and starts it.
    pub(crate) async fn start(program: &Program) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let directory = tempfile::tempdir().map_err(|error| text(&error))?;
        let code = directory.path().join("task");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(program.package.as_slice()))
            .map_err(|error| text(&error))?;
        zip.extract(&code).map_err(|error| text(&error))?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| text(&error))?;
        let address = listener.local_addr().map_err(|error| text(&error))?;
        let path = directory.path().join("log");
        let out = File::create(&path).map_err(|error| text(&error))?;
        let log = File::open(&path).map_err(|error| text(&error))?;
        let api = Arc::new(Api::default());
        let shared = api.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = shared.clone();
                let service = service_fn(move |request| serve(api.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let child = command(program, directory.path())?
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "en_US.UTF-8")
            .env("TZ", ":UTC")
            .envs(program.variables.iter().cloned())
            .env("LAMBDA_TASK_ROOT", &code)
            .env("_HANDLER", &program.handler)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .current_dir(&code)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(|error| text(&error))?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| text(&error))?;
        Ok(Self {
            child,
            api,
            arn: program.arn.clone(),
            server,
            log,
            fresh: Some(Instant::now()),
            _directory: directory,
        })
    }

    /// Runs one event; ends the process when it does not answer in time ("Timeout", configuration-timeout.html).
    pub(crate) async fn invoke(&mut self, id: &str, payload: Bytes, timeout: Duration) -> Outcome {
        let (taken, was_taken) = oneshot::channel();
        let (done, was_done) = oneshot::channel();
        let event = Event {
            id: id.to_owned(),
            payload,
            arn: self.arn.clone(),
            timeout,
            taken,
            done,
        };
        self.api.desk.lock().expect("the desk").waiting = Some(event);
        self.api.arrived.notify_one();
        let api = self.api.clone();
        // "The Init phase is limited to 10 seconds" (lambda-runtime-environment.html).
        let began = tokio::select! {
            biased;
            _ = was_taken => Ok(()),
            () = api.broken.notified() => Err(self.init_error(id)),
            _ = self.child.wait() => Err(self.init_error(id)),
            () = tokio::time::sleep(Duration::from_secs(10)) => Err(timed_out(id, Duration::from_secs(10))),
        };
        let init = self.fresh.take().map(|since| since.elapsed());
        let start = Instant::now();
        let (payload, failed, reusable) = match began {
            Err(payload) => (payload, true, false),
            Ok(()) => tokio::select! {
                biased;
                answered = was_done => match answered {
                    Ok((payload, failed)) => (payload, failed, true),
                    Err(_) => (exited(id), true, false),
                },
                _ = self.child.wait() => (exited(id), true, false),
                () = tokio::time::sleep(timeout) => (timed_out(id, timeout), true, false),
            },
        };
        let took = start.elapsed();
        if !reusable {
            self.child.kill().await.ok();
        }
        Outcome {
            payload,
            failed,
            took,
            init,
            output: self.output(),
            reusable,
        }
    }

    fn init_error(&self, id: &str) -> Bytes {
        let found = self.api.desk.lock().expect("the desk").init_error.take();
        found.unwrap_or_else(|| exited(id))
    }

    fn output(&mut self) -> String {
        let mut bytes = Vec::new();
        let at = self.log.stream_position().unwrap_or(0);
        if self.log.seek(SeekFrom::Start(at)).is_ok() {
            // Without its output an invocation is still an invocation.
            self.log.read_to_end(&mut bytes).ok();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn error(kind: &str, message: String) -> Bytes {
    serde_json::json!({ "errorType": kind, "errorMessage": message })
        .to_string()
        .into()
}

fn timed_out(id: &str, timeout: Duration) -> Bytes {
    let seconds = timeout.as_secs_f64();
    error(
        "Sandbox.Timedout",
        format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds"),
    )
}

fn exited(id: &str) -> Bytes {
    error(
        "Runtime.ExitError",
        format!("RequestId: {id} Error: Runtime exited without providing a reason"),
    )
}
