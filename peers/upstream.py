"""A provider on this machine that speaks all four wires from a script and keeps a bill of what it was asked."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wires


@dataclass
class Reply:
    """An answer: what is said and called, and what it used. `input` counts cached tokens in."""

    text: str = ""
    calls: list = field(default_factory=list)
    input: int = 11
    output: int = 7
    cached: int = 0
    # Texts that a scripted model wants to find in the request. A provider does not mind.
    expect: list = field(default_factory=list)

    @staticmethod
    def call_id(number, at):
        """The id of a call, as this provider makes it."""
        return f"call_{number}_{at + 1}"


@dataclass
class Refusal:
    """An answer that is an error."""

    status: int
    message: str
    headers: dict = field(default_factory=dict)


@dataclass
class Broken:
    """A stream whose first half is followed by an error of the provider, or by nothing at all if `message` is None."""

    reply: Reply
    message: str


@dataclass
class Billed:
    """One request as it arrived, and the bytes that answered it."""

    wire: str
    path: str
    headers: dict
    raw: bytes
    body: dict
    time: float = field(default_factory=time.monotonic)
    answer: bytes = b""

    def results(self):
        """What tools have answered, in order, with the id (Gemini: the name) of the call."""
        return wires.BY_NAME[self.wire].results(self.body)

    def holds(self, text):
        """Whether a text stands anywhere in the request."""
        heads = [f"{name}: {value}" for name, value in self.headers.items()]
        return any(text in part for part in [self.path, self.raw.decode(), *heads])


class Upstream:
    """The provider. Use it with `with`, or call `close`."""

    def __init__(self, script, key):
        self.script = list(script)
        self.key = key
        self.bill = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"upstream": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        # The short interval is how fast it notices that it is to end.
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def base_url(self, wire):
        """The address for the settings file."""
        return f"http://127.0.0.1:{self.port}/{'v1beta' if wire == wires.GEMINI else 'v1'}"

    def book(self, billed):
        """Books a request and gives its number."""
        with self.lock:
            self.bill.append(billed)
            return len(self.bill)

    def next(self):
        """What answers the next request for an answer."""
        with self.lock:
            return self.script.pop(0) if self.script else Refusal(500, "the script is at its end")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    upstream = None

    def log_message(self, *_arguments):
        pass

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        wire = wire_of(path)
        billed = Billed(wire, self.path, headers, raw, json.loads(raw))
        shown = headers.get("x-goog-api-key") or headers.get("x-api-key") or headers.get("authorization", "")[7:]
        number = self.upstream.book(billed)
        if shown != self.upstream.key:
            return self.answer(billed, 401, {}, wires.BY_NAME[wire].error(401, "the key is wrong"))
        if path.endswith("/count_tokens"):
            return self.answer(billed, 200, {}, {"input_tokens": 42})
        if path.endswith(":countTokens"):
            return self.answer(billed, 200, {}, {"totalTokens": 42})
        said = self.upstream.next()
        model = path.split("/models/")[1].split(":")[0] if wire == wires.GEMINI else billed.body["model"]
        is_stream = "alt=sse" in query or billed.body.get("stream", False)
        form = wires.BY_NAME[wire]
        if isinstance(said, Refusal):
            self.answer(billed, said.status, said.headers, form.error(said.status, said.message))
        elif not is_stream:
            self.answer(billed, 200, {"x-request-id": f"req-{number}"}, form.whole(said, number, model))
        else:
            self.stream(billed, said, number, model)

    def answer(self, billed, status, headers, body):
        # Not as compact as a program would write it: whoever passes it on must not write it anew.
        billed.answer = json.dumps(body, indent=1).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(billed.answer)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(billed.answer)

    def stream(self, billed, said, number, model):
        form = wires.BY_NAME[billed.wire]
        reply = said.reply if isinstance(said, Broken) else said
        events = list(form.events(reply, number, model, billed.body))
        if isinstance(said, Broken):
            events = events[: (len(events) + 1) // 2]
            events += [form.error_event(said.message)] if said.message else []
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for one in events:
            billed.answer += one
            # Pieces that are not events: a relay must not take one for the other.
            for piece in (one[:5], one[5:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        if isinstance(said, Broken) and said.message is None:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def wire_of(path):
    """The wire that a path belongs to."""
    ends = {"/chat/completions": wires.CHAT, "/responses": wires.RESPONSES, "/messages": wires.MESSAGES,
            "/messages/count_tokens": wires.MESSAGES}
    return next((wire for end, wire in ends.items() if path.endswith(end)), wires.GEMINI)
