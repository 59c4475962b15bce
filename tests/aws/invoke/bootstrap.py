"""Runs a Python handler through Lambda's Runtime API, as the managed runtimes do (for `aws-stand-in` only)."""

import http.client
import importlib
import json
import os
import sys
import time
import traceback


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body=body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.headers, data


def described(error):
    trace = traceback.format_exception(type(error), error, error.__traceback__)
    print("[ERROR] %s: %s\nTraceback (most recent call last):\n%s" % (type(error).__name__, error, "".join(trace[1:-1])))
    return json.dumps({
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": trace[1:-1],
    })


def main():
    root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path.insert(0, root)
    try:
        module, name = os.environ["_HANDLER"].rsplit(".", 1)
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except BaseException as error:
        if isinstance(error, ImportError):
            error = type("Runtime.ImportModuleError", (Exception,), {})(
                "Unable to import module '%s': %s" % (os.environ["_HANDLER"].rsplit(".", 1)[0], error))
        call("POST", "init/error", described(error))
        sys.exit(1)
    while True:
        headers, event = call("GET", "invocation/next")
        request = headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            answer = json.dumps(handler(json.loads(event or b"null"), Context(headers)))
        except Exception as error:
            call("POST", "invocation/%s/error" % request, described(error))
        else:
            sys.stdout.flush()
            call("POST", "invocation/%s/response" % request, answer)


try:
    main()
except (ConnectionError, http.client.HTTPException, KeyboardInterrupt):
    sys.exit(0)
