"""What all tests with peers share: the gateway and other servers as processes, and what clients' HTTP layers see."""

import contextlib
import functools
import json
import os

import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import wires
from upstream import Refusal, Reply, Upstream



def program(variable):
    """The path of a program that the environment names, for a process in any folder."""
    named = os.environ.get(variable)
    return os.path.abspath(named) if named else None


BINARY = program("RESEARCHGYM_BINARY")
# What the client shows to the gateway, and what the gateway shows to the provider.
TOKEN = "client-token-of-the-peers-tests"
KEY = "sk-provider-key-of-the-peers-tests"
# More than this is set aside for any call.
TOO_LITTLE = ("--tokens", "10")
# How long anything on this machine may take to start or to end.
PATIENCE_S = 120

# US dollars per million tokens: what one token costs in millionths of a dollar.
PRICE = {"input": 4, "output": 20, "cache_read": 1}

SCRIPTED = "scripted"
BACKENDS = (SCRIPTED, *wires.WIRES)

# What is said in most tests: a tool with its calls, and answers.
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CALLS = [("read_file", {"path": "a.txt"}), ("read_file", {"path": "b.txt"})]
ASKS_BOTH = Reply("Let me look.", CALLS, input=40, output=20)
HAS_READ = Reply("They say alpha and beta.", input=60, output=9, expect=["alpha", "beta"])
ANSWER = Reply("The answer is forty-two.", input=11, output=7, cached=3)
# A refusal that asks for a little patience.
LATER_S = 0.5
LATER = Refusal(429, "slow down", {"retry-after": str(LATER_S)})

# No test reaches anything but this machine, whatever the environment says of proxies.
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)


def require_binary():
    """Skips what needs the binary if it is not named."""
    if not BINARY:
        raise unittest.SkipTest("RESEARCHGYM_BINARY does not name the binary")


def eventually(what, check, server):
    """Asks until the answer is neither None nor False, and gives it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        if server.process.poll() is not None:
            raise AssertionError(f"not {what}, and the process has ended:\n{server.output()}")
        time.sleep(0.02)
    raise AssertionError(f"not {what} within {PATIENCE_S} seconds:\n{server.output()}")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    """Whether a GET is answered well."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


class Server:
    """A process that serves, with everything it starts. What it says goes to files."""

    def __init__(self, command, folder, environment):
        self.out, self.talk = folder / "stdout", folder / "stderr"
        with self.out.open("wb") as out, self.talk.open("wb") as talk:
            self.process = subprocess.Popen(
                [str(word) for word in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=talk, start_new_session=True,
            )

    def output(self):
        return "".join(file.read_text(errors="replace") for file in (self.out, self.talk))

    def end(self):
        """Asks it to end, and makes it end."""
        try:
            self.signal(signal.SIGTERM)
            self.process.wait(PATIENCE_S)
        finally:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def signal(self, number):
        """Signals its process group; one that is gone is as good."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Service:
    """A gateway with what stands behind it."""

    def __init__(self, gateway, model, wire=None, upstream=None):
        self.gateway = gateway
        self.url = gateway.url
        self.model = model
        self.wire = wire
        self.upstream = upstream


def new_folder(cleanup):
    """A folder that is gone after the test. `cleanup` is what registers that."""
    path = Path(tempfile.mkdtemp(prefix="peers-"))
    cleanup(shutil.rmtree, path, ignore_errors=True)
    return path


class Gateway(Server):
    """The gateway, with models that its settings file tells of. Ready when it is made."""

    def __init__(self, folder, models, settings="", limits=()):
        (folder / "researchgym.toml").write_text(settings)
        (folder / "token").write_text(TOKEN)
        served = [word for model in models for word in ("--model", model)]
        places = ["--listen", "127.0.0.1:0", "--token-file", "token"]
        command = [BINARY, "gateway", "--output", "json", *places, *served, *limits]
        super().__init__(command, folder, {"HOME": str(folder), "PATH": os.environ["PATH"], "PEERS_KEY": KEY})
        try:
            self.url = eventually("listening", self.objects, self)[0]["listening"]["url"]
        except BaseException:
            self.end()
            raise

    def objects(self):
        """What it has printed: one object at its beginning, one at its end."""
        text = self.out.read_text().strip()
        objects = []
        while text:
            try:
                one, end = json.JSONDecoder().raw_decode(text)
            except json.JSONDecodeError:
                # It is being written just now.
                break
            objects.append(one)
            text = text[end:].strip()
        return objects

    def books(self):
        """Ends it and gives calls, tokens and money."""
        self.end()
        return self.objects()[1]


def start_gateway(cleanup, folder, models, settings="", limits=()):
    """Starts a gateway that ends with the test."""
    gateway = Gateway(folder, models, settings, limits)
    cleanup(gateway.end)
    return gateway


def through(*backends):
    """Runs a test once for each backend, with everything it started ended in between."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for backend in backends:
                with self.subTest(backend=backend):
                    try:
                        test(self, backend)
                    finally:
                        self.doCleanups()

        return run

    return decorate


class PeerCase(unittest.TestCase):
    """A test of a client of the gateway."""

    @classmethod
    def setUpClass(cls):
        require_binary()

    def serving(self, backend, script, limits=()):
        """Starts a gateway before a backend that answers from a script, and gives it."""
        folder = new_folder(self.addCleanup)
        if backend == SCRIPTED:
            # A script holds at least one answer.
            lines = [line(reply) for reply in script or [ANSWER]]
            lines = [{"script": 1, "price": PRICE}, *lines]
            (folder / "script.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
            model = f"scripted/{folder}/script.jsonl"
            return Service(start_gateway(self.addCleanup, folder, [model], limits=limits), model)
        upstream = Upstream(script, KEY)
        self.addCleanup(upstream.close)
        settings = provider("upstream", upstream.base_url(backend), backend, "tested")
        gateway = start_gateway(self.addCleanup, folder, ["upstream/tested"], settings, limits)
        return Service(gateway, "upstream/tested", backend, upstream)

    def check_results(self, service, *expected):
        """The results of both tools have reached the provider, each with its call."""
        if service.upstream:
            first, second = service.upstream.bill
            names = ("read_file", "read_file") if service.wire == wires.GEMINI else ("call_1_1", "call_1_2")
            results = [(name, unwrapped(result)) for name, result in second.results()]
            self.assertEqual(results, list(zip(names, expected or ("alpha", "beta"))))

    def check_asked(self, service, client, provider):
        """How many requests the client has sent, and how many have reached the provider."""
        bill = service.upstream.bill if service.upstream else []
        self.assertEqual((len(self.recorder.exchanges), len(bill)), (client, provider))

    def check_books(self, service, *replies):
        """The gateway has ended well, and its books say what the provider's bill says."""
        used = {"input": 0, "output": 0, "cache_read": 0}
        for reply in replies:
            for key, tokens in (("input", reply.input), ("output", reply.output), ("cache_read", reply.cached)):
                used[key] += tokens
        full = {**used, "input": used["input"] - used["cache_read"]}
        books = service.gateway.books()
        self.assertEqual({key: books["usage"].get(key, 0) for key in used}, used)
        spent = sum(PRICE[key] * tokens for key, tokens in full.items())
        self.assertEqual((books["calls"], books["failed"], books["spent_micro_usd"]), (len(replies), 0, spent))
        self.assertEqual((books["held_micro_usd"], service.gateway.process.returncode), (0, 0))

    def check_waited(self, service):
        """The gateway has done by itself what the provider asked for, and the client has not noticed."""
        self.check_asked(service, 1, 2)
        first, second = service.upstream.bill
        self.assertGreaterEqual(second.time - first.time, LATER_S)
        self.assertEqual(first.body, second.body)

    def check_relayed(self, service):
        """The client's HTTP layer has got the provider's own bytes; keys have not crossed the gateway."""
        self.assertEqual([one.body for one in self.recorder.exchanges], [one.answer for one in service.upstream.bill])
        for one in service.upstream.bill:
            self.assertTrue(one.holds(KEY))
            self.assertFalse(one.holds(TOKEN))
        for one in self.recorder.exchanges:
            self.assertNotIn(KEY, f"{one.headers} {one.body}")


def provider(name, base_url, wire, *models):
    """A provider with its models for the settings file."""
    price = "".join(f"{key} = {usd}\n" for key, usd in PRICE.items())
    prices = "".join(f'[models."{name}/{model}"]\n{price}' for model in models)
    where = f'base_url = "{base_url}"\nwire = "{wire}"\nkey_env = "PEERS_KEY"\n'
    return f"[providers.{name}]\n{where}{prices}"


def unwrapped(result):
    """A tool's result: a text, or an object in which there is more than a text."""
    result = json.loads(result) if isinstance(result, str) and result.startswith("{") else result
    return result["output"] if isinstance(result, dict) and list(result) == ["output"] else result


def line(reply):
    """A line of a scripted model's file."""
    said = {"text": reply.text} if reply.text else {}
    if reply.calls:
        said["calls"] = [{"name": name, "arguments": arguments} for name, arguments in reply.calls]
    if reply.expect:
        said["expect"] = {"contains": reply.expect}
    return {**said, "usage": {"input": reply.input, "output": reply.output, "cache_read": reply.cached}}
