//! A tiny HTTP service in Python (standard library only) that behaves as a test tells it to.

use std::path::PathBuf;

use super::home::Home;

/// The program. `BEHAVE` in its environment:
/// `exit:<code>` writes a traceback and ends · `never-ready` · `no-port` never listens · `other-port` ·
/// `slow-start:<seconds>` · `ignore-term` · `crash-after:<requests>` · `fail` answers 500 everywhere ·
/// `everywhere` listens on all addresses · `slow:<seconds>` takes so long for each answer · `fail-post` answers 500 to POST alone · `fail-once-there:<path>` answers 500 from when that file is there.
const SERVE: &str = r#"import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "@VERSION@"
behave, _, value = os.environ.get("BEHAVE", "@BEHAVE@").partition(":")
# To standard error, as a traceback goes: two streams would have no order.
print(f"version {VERSION} starts, {behave or 'well'}", file=sys.stderr, flush=True)
if behave == "exit":
    print("app/config.py:12  KeyError: 'ACQUIRER_URL'", file=sys.stderr, flush=True)
    sys.exit(int(value or 1))
if behave == "slow-start":
    time.sleep(float(value))
if behave == "no-port":
    time.sleep(3600)
served = busy = 0
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        global busy
        with lock:
            busy += 1
        try:
            self.serve()
        finally:
            with lock:
                busy -= 1

    def serve(self):
        global served
        served += 1
        if behave == "crash-after" and served > int(value):
            os._exit(9)
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        path = self.path.split("?")[0]
        status, body = 200, f"version {VERSION}\n"
        if path == "/readyz":
            status = 503 if behave == "never-ready" else 200
        elif path == "/slow":
            time.sleep(float(self.path.partition("seconds=")[2] or 1))
        elif path == "/echo":
            body = json.dumps({
                "method": self.command, "path": self.path, "body": sent.decode(),
                "headers": {name.lower(): text for name, text in self.headers.items()},
            })
        elif behave == "fail" or (behave == "fail-post" and self.command == "POST"):
            status = 500
        elif behave == "fail-once-there" and os.path.exists(value):
            status = 500
        if behave == "slow" and path != "/readyz":
            time.sleep(float(value))
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    # Who asked and went away is no error of the service; by itself it writes a traceback.
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


port = 0 if behave == "other-port" else int(os.environ["PORT"])  # 0: a free one, and nobody else's
# As a service that is meant for a cluster too: open to all where nobody says where to listen.
address = "0.0.0.0" if behave == "everywhere" else os.environ.get("HOST", "0.0.0.0")
server = Server((address, port), Handler)


def stop(*_):
    print("stopping", flush=True)
    threading.Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, signal.SIG_IGN if behave == "ignore-term" else stop)
# It looks so often whether it is to end; the default of half a second is what a stop would take.
server.serve_forever(poll_interval=0.05)
server.socket.close()
# Idle kept-alive connections hold their threads; requests under way have the grace time to finish.
for _ in range(200):
    if busy == 0:
        break
    time.sleep(0.02)
os._exit(0)
"#;

/// A service's directory: `squad.toml`, `serve.py`, one git commit for each change.
#[derive(Debug, Clone)]
pub(crate) struct TestService {
    /// Its name.
    pub(crate) name: String,
    /// Its directory.
    pub(crate) directory: PathBuf,
    version: String,
    behave: String,
    more: String,
}

impl TestService {
    /// Writes and commits a service that answers `version 1`, in `~/w/<name>`.
    pub(crate) fn new(home: &Home, name: &str) -> Self {
        let service = Self {
            name: name.to_owned(),
            directory: home.work().join(name),
            version: "1".to_owned(),
            behave: String::new(),
            more: String::new(),
        };
        service.save(home);
        service
    }

    /// Changes what it answers (`version <version>`), and commits.
    pub(crate) fn version(&mut self, home: &Home, version: &str) -> &mut Self {
        version.clone_into(&mut self.version);
        self.save(home);
        self
    }

    /// Changes how it behaves (see `BEHAVE` above; "" = well), and commits.
    pub(crate) fn behave(&mut self, home: &Home, behave: &str) -> &mut Self {
        behave.clone_into(&mut self.behave);
        self.save(home);
        self
    }

    /// Puts more into its `squad.toml` (whole tables, such as `[[route]]`), and commits.
    pub(crate) fn toml(&mut self, home: &Home, more: &str) -> &mut Self {
        more.clone_into(&mut self.more);
        self.save(home);
        self
    }

    fn save(&self, home: &Home) {
        let write = |file: &str, text: &str| home.write(self.directory.join(file), text);
        // Only who never gets ready is waited for to the end; a busy machine may take long for the others.
        let never = ["no-port", "other-port", "never-ready"].contains(&self.behave.as_str());
        let start = if never { "start = \"5s\"\n" } else { "" };
        write(
            "squad.toml",
            &format!(
                "schema = 1\n\n[service]\nname = \"{}\"\nkind = \"http\"\n\n[run]\n\
                 command = [\"python3\", \"serve.py\"]\nready = \"/readyz\"\ngrace = \"5s\"\n{start}{}",
                self.name, self.more
            ),
        );
        let program = SERVE
            .replace("@VERSION@", &self.version)
            .replace("@BEHAVE@", &self.behave);
        write("serve.py", &program);
        let subject = format!("Serve version {} {}", self.version, self.behave);
        home.commit_all(&self.directory, subject.trim());
    }
}
