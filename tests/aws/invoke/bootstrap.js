// Runs a Node handler through Lambda's Runtime API, as the managed runtimes do (for `aws-stand-in` only).
// What of an error is reported: Lambda guide, "AWS Lambda function errors in Node.js" (nodejs-exceptions.html), with `trace`;
// what is no Error is told by its JavaScript type, and a rejection that nobody waits for ends the process.
"use strict";
const http = require("http");
const path = require("path");

function call(method, where, body) {
  const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path: "/2018-06-01/runtime/" + where }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve([answer.headers, Buffer.concat(parts).toString()]));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function described(error) {
  if (error instanceof Error) {
    return { errorType: error.name, errorMessage: error.message, trace: error.stack.split("\n") };
  }
  try {
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return { errorType: "handled", errorMessage: "there was a problem while reading the error" };
  }
}

let request = "";
// A rejection that nobody waited for is being told: no answer may overtake it.
let ending = false;

async function fail(where, error) {
  const report = described(error);
  console.log(new Date().toISOString() + "\t" + request + "\tERROR\tInvoke Error \t" + JSON.stringify(report));
  await call("POST", where, JSON.stringify(report));
}

process.on("unhandledRejection", async (reason) => {
  ending = true;
  const error = new Error(String(reason));
  error.name = "Runtime.UnhandledPromiseRejection";
  error.stack = error.name + ": " + error.message + "\n    at process.emit (node:events)";
  await fail("invocation/" + request + "/error", error);
  process.exit(128);
});

async function main() {
  const [file, name] = process.env._HANDLER.split(".");
  let handler;
  try {
    handler = require(path.join(process.env.LAMBDA_TASK_ROOT, file))[name];
  } catch (error) {
    if (error instanceof SyntaxError) {
      error.name = "Runtime.UserCodeSyntaxError";
    } else if (error && error.code === "MODULE_NOT_FOUND") {
      error.name = "Runtime.ImportModuleError";
      error.message = "Error: " + error.message;
    }
    await fail("init/error", error);
    process.exit(1);
  }
  for (;;) {
    const [headers, event] = await call("GET", "invocation/next");
    request = headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await handler(JSON.parse(event || "null"), {});
      // Whatever the handler left undone is told before the next event.
      await new Promise((resolve) => setImmediate(resolve));
      if (ending) return;
      await call("POST", "invocation/" + request + "/response", JSON.stringify(answer ?? null));
    } catch (error) {
      await fail("invocation/" + request + "/error", error);
    }
  }
}

main().catch(() => process.exit(0));
