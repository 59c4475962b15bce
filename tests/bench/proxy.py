"""The local platform's proxy beside nginx with one worker, to the same backend over HTTP/1.1 keep-alive."""

import json
import os
import shutil
import statistics
import subprocess

from figures import figure, result
from tools import answers, free_port, load_generator, tool, wait_until

SECONDS = 5
ROUNDS = 3

NGINX = """
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  keepalive_requests 100000000;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def generate(*arguments):
    done = subprocess.run([load_generator(), *map(str, arguments)], capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    if measured["failed"]:
        raise RuntimeError(f"{measured['failed']} requests failed")
    return measured


def backend(workplace):
    port = free_port()
    workplace.start([load_generator(), "serve"], env={"PORT": str(port)})
    wait_until("the backend answers", lambda: answers(port))
    return port


def nginx(workplace, upstream):
    path = tool("nginx")
    port, place = free_port(), os.path.join(workplace.root, "nginx")
    os.makedirs(place, exist_ok=True)
    conf = os.path.join(place, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(NGINX.format(place=place, backend=upstream, port=port))
    process = workplace.start([path, "-p", place, "-c", conf])
    wait_until("nginx answers", lambda: answers(port))
    return process, port


def service(workplace):
    """The same backend as a service of the local platform; its port at the proxy."""
    if not getattr(workplace, "bench_service", None):
        directory = os.path.join(workplace.work, "bench")
        workplace.write("bench/squad.toml", 'schema = 1\n\n[service]\nname = "bench"\nkind = "http"\n\n'
                                            '[run]\ncommand = ["./load", "serve"]\nready = "/readyz"\n')
        shutil.copy(load_generator(), os.path.join(directory, "load"))
        workplace.commit(directory, "A backend")
        workplace.squad("deploy", "--env", "local", "--yes", cwd=directory)
        workplace.bench_service = workplace.port_of("bench")
    return workplace.bench_service


def in_turns(ports, *arguments, key):
    """Measures several ports in turns, so that a noisy moment hits all of them; the median of each."""
    seen = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name, port in ports.items():
            kind, path, *rest = arguments
            seen[name].append(generate(kind, port, path, *rest)[key])
    return {name: statistics.median(values) for name, values in seen.items()}


@figure("proxy: added p99 at 500 requests/s")
def added(workplace):
    ports = {"squad": service(workplace)}
    ports["direct"] = backend(workplace)
    process, ports["nginx"] = nginx(workplace, ports["direct"])
    seen = in_turns(ports, "rate", "/", 500, SECONDS, key="p99_ms")
    workplace.stop(process)
    own, other = (max(seen[name] - seen["direct"], 0.001) for name in ("squad", "nginx"))
    yield result("proxy: added p99 at 500 requests/s", own, "ms", peer=("nginx", other), at_most=1)


@figure("proxy: throughput")
def throughput(workplace):
    ports = {"squad": service(workplace)}
    upstream = backend(workplace)
    process, ports["nginx"] = nginx(workplace, upstream)
    seen = in_turns(ports, "most", "/", 32, SECONDS, key="per_second")
    workplace.stop(process)
    yield result("proxy: throughput", seen["squad"], "requests/s", peer=("nginx", seen["nginx"]),
                 ratio=seen["squad"] / seen["nginx"], at_least_times=0.5)
