"""The proxy of LiteLLM behind the gateway, as a provider with mock replies, and before it, as a client."""

import json
import os
import subprocess
import unittest
from pathlib import Path

import anthropic
import openai
from google import genai
from google.genai import errors, types

from support import (
    ANSWER, ASKS_BOTH, BINARY, CALLS, HAS_READ, KEY, PARAMETERS, PRICE, TOKEN, Server, answers, eventually, free_port,
    new_folder, program, provider, require_binary, start_gateway, unwrapped,
)
from upstream import Upstream
from wires import CHAT, GEMINI, MESSAGES, RESPONSES, WIRES

PROXY = program("RESEARCHGYM_LITELLM")
# Nothing is fetched and nothing is told to anybody.
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
SAID = "hello from the proxy"
QUESTION = [{"role": "user", "content": "hello"}]

MOCKS = {
    "mock-model": f'model: openai/mock-model, api_key: none, mock_response: "{SAID}"',
    "claude-mock": f'model: anthropic/claude-sonnet-4-5, api_key: none, mock_response: "{SAID}"',
    "limited": 'model: openai/limited, api_key: none, mock_response: "litellm.RateLimitError"',
}
# The address of the proxy that has these models.
MOCK = None


def setUpModule():
    if not PROXY:
        raise unittest.SkipTest("RESEARCHGYM_LITELLM does not name the program `litellm`")
    require_binary()
    global MOCK
    MOCK = start_proxy(unittest.addModuleCleanup, MOCKS)


def start_proxy(cleanup, models):
    """Starts the proxy with models, each a name with its parameters, and gives its address."""
    folder = new_folder(cleanup)
    served = "".join(f"  - model_name: {name}\n    litellm_params: {{{said}}}\n" for name, said in models.items())
    settings = f"general_settings: {{master_key: {KEY}}}\nlitellm_settings: {{drop_params: true, num_retries: 0}}\n"
    (folder / "config.yaml").write_text(f"model_list:\n{served}{settings}")
    port = free_port()
    command = [PROXY, "--config", "config.yaml", "--host", "127.0.0.1", "--port", port]
    server = Server(command, folder, {**os.environ, **ENVIRONMENT, "HOME": str(folder)})
    cleanup(server.end)
    url = f"http://127.0.0.1:{port}"
    eventually("the proxy is ready", lambda: answers(f"{url}/health/liveliness"), server)
    return url


class Behind(unittest.TestCase):
    """The proxy as a provider: its own chat completions and messages, asked for in all dialects."""

    CHAT_MODEL = "litellm/mock-model"
    MESSAGES_MODEL = "litellm-messages/claude-mock"
    # What the proxy says that its mock replies used.
    USED = {CHAT_MODEL: (10, 20), MESSAGES_MODEL: (2095, 503)}

    @classmethod
    def setUpClass(cls):
        settings = provider("litellm", f"{MOCK}/v1", CHAT, "mock-model", "limited")
        settings += provider("litellm-messages", f"{MOCK}/v1", MESSAGES, "claude-mock", "limited")
        models = [*cls.USED, "litellm/limited", "litellm-messages/limited"]
        cls.url = start_gateway(cls.addClassCleanup, new_folder(cls.addClassCleanup), models, settings).url
        # The gateway asks again by itself: more of it would only be slower.
        ours = {"api_key": TOKEN, "max_retries": 0}
        cls.openai = openai.OpenAI(base_url=f"{cls.url}/v1", **ours)
        cls.anthropic = anthropic.Anthropic(base_url=cls.url, **ours)
        cls.google = genai.Client(api_key=TOKEN, http_options=types.HttpOptions(base_url=cls.url))
        for client in (cls.openai, cls.anthropic, cls.google):
            cls.addClassCleanup(client.close)

    def answer(self, dialect, model):
        """The text of an answer and the tokens that it used."""
        if dialect == CHAT:
            answer = self.openai.chat.completions.create(model=model, messages=QUESTION)
            return answer.choices[0].message.content, (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        if dialect == RESPONSES:
            answer = self.openai.responses.create(model=model, input="hello")
            return answer.output_text, (answer.usage.input_tokens, answer.usage.output_tokens)
        if dialect == MESSAGES:
            answer = self.anthropic.messages.create(model=model, messages=QUESTION, max_tokens=100)
            return answer.content[0].text, (answer.usage.input_tokens, answer.usage.output_tokens)
        answer = self.google.models.generate_content(model=model, contents="hello")
        usage = answer.usage_metadata
        return answer.text, (usage.prompt_token_count, usage.candidates_token_count)

    def test_answers(self):
        for model, used in self.USED.items():
            for dialect in WIRES:
                with self.subTest(model=model, dialect=dialect):
                    self.assertEqual(self.answer(dialect, model), (SAID, used))

    def test_streams(self):
        with self.openai.chat.completions.stream(
            model=self.CHAT_MODEL, messages=QUESTION, stream_options={"include_usage": True},
        ) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, SAID)
        # Streams of mock replies are counted, not made up.
        used = (final.usage.prompt_tokens, final.usage.completion_tokens)
        with self.openai.responses.stream(model=self.CHAT_MODEL, input="hello") as stream:
            final = stream.get_final_response()
        self.assertEqual((final.output_text, final.usage.input_tokens, final.usage.output_tokens), (SAID, *used))
        with self.anthropic.messages.stream(model=self.CHAT_MODEL, messages=QUESTION, max_tokens=100) as stream:
            final = stream.get_final_message()
        said = (final.content[0].text, final.usage.input_tokens, final.usage.output_tokens)
        self.assertEqual(said, (SAID, *used))
        chunks = list(self.google.models.generate_content_stream(model=self.CHAT_MODEL, contents="hello"))
        usage = chunks[-1].usage_metadata
        self.assertEqual("".join(chunk.text or "" for chunk in chunks), SAID)
        self.assertEqual((usage.prompt_token_count, usage.candidates_token_count), used)

    def test_rate_limit(self):
        refused = {CHAT: openai.RateLimitError, RESPONSES: openai.RateLimitError,
                   MESSAGES: anthropic.RateLimitError, GEMINI: errors.ClientError}
        for name, dialects in (("litellm", (CHAT, MESSAGES)), ("litellm-messages", (MESSAGES, GEMINI))):
            for dialect in dialects:
                with self.subTest(provider=name, dialect=dialect):
                    with self.assertRaises(refused[dialect]) as raised:
                        self.answer(dialect, f"{name}/limited")
                    status = raised.exception.code if dialect == GEMINI else raised.exception.status_code
                    self.assertEqual(status, 429)
                    self.assertIn("this is a mock rate limit error", str(raised.exception))


class Agent(unittest.TestCase):
    """The proxy as the provider of our own agent, which ends by itself since mock replies never call a tool."""

    TURNS = 20

    def result(self, settings, model):
        """The result of a run."""
        folder = new_folder(self.addCleanup)
        (folder / "researchgym.toml").write_text(settings)
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PEERS_KEY": KEY,
                       "RESEARCHGYM_TASKS": str(Path(__file__).parent.parent / "tasks")}
        limits = ["--steps", "5", "--hours", "0.1"]
        done = subprocess.run(
            [BINARY, "run", "battle-of-sexes", "basic-agent", "--model", model, *limits, "--output", "json"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout)

    def check(self, result, used_input, used_output):
        said = {key: result[key] for key in ("state", "ending", "error", "model_calls", "tokens")}
        self.assertEqual(said, {"state": "ended", "ending": "gave_up", "error": None, "model_calls": self.TURNS,
                                "tokens": used_input + used_output})
        spent = used_input * PRICE["input"] + used_output * PRICE["output"]
        self.assertEqual(round(result["cost_usd"] * 1_000_000), spent)

    def test_run_with_messages(self):
        settings = provider("litellm", f"{MOCK}/v1", MESSAGES, "claude-mock")
        result = self.result(settings, "litellm/claude-mock")
        self.check(result, self.TURNS * 2095, self.TURNS * 503)

    def test_run_with_chat_completions(self):
        settings = provider("litellm", f"{MOCK}/v1", CHAT, "mock-model")
        result = self.result(settings, "litellm/mock-model")
        # The proxy counts the tokens of prompts itself; its reply has four.
        self.assertGreater(result["tokens"], self.TURNS * 1000)
        self.check(result, result["tokens"] - self.TURNS * 4, self.TURNS * 4)


class Before(unittest.TestCase):
    """The proxy as a client: it streams messages and chat completions through the gateway, from all four wires."""

    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream([], KEY)
        cls.addClassCleanup(cls.upstream.close)
        names = {wire: f"upstream-{wire}" for wire in WIRES}
        settings = "".join(provider(name, cls.upstream.base_url(wire), wire, "tested") for wire, name in names.items())
        models = [f"{name}/tested" for name in names.values()]
        gateway = start_gateway(cls.addClassCleanup, new_folder(cls.addClassCleanup), models, settings).url
        served = {}
        for wire, name in names.items():
            served[f"messages-{wire}"] = f"model: anthropic/{name}/tested, api_key: {TOKEN}, api_base: {gateway}"
            served[f"chat-{wire}"] = f"model: openai/{name}/tested, api_key: {TOKEN}, api_base: {gateway}/v1"
        proxy = start_proxy(cls.addClassCleanup, served)
        cls.anthropic = anthropic.Anthropic(base_url=proxy, api_key=KEY, max_retries=0)
        cls.openai = openai.OpenAI(base_url=f"{proxy}/v1", api_key=KEY, max_retries=0)
        for client in (cls.openai, cls.anthropic):
            cls.addClassCleanup(client.close)

    def setUp(self):
        self.upstream.bill.clear()

    def check_results(self, wire):
        """The results of the tools have come to the provider, and no key but its own."""
        results = [unwrapped(result) for _, result in self.upstream.bill[-1].results()]
        self.assertEqual(results, ["alpha", "beta"])
        self.assertEqual([one.wire for one in self.upstream.bill], [wire, wire])
        self.assertEqual([one.holds(TOKEN) for one in self.upstream.bill], [False, False])

    def test_streamed_messages(self):
        tools = [{"name": "read_file", "description": "Reads.", "input_schema": PARAMETERS}]
        for wire in WIRES:
            with self.subTest(wire=wire):
                self.upstream.bill.clear()
                self.upstream.script = [ASKS_BOTH, HAS_READ]
                ask = {"model": f"messages-{wire}", "max_tokens": 500, "tools": tools}
                with self.anthropic.messages.stream(messages=QUESTION, **ask) as stream:
                    first = stream.get_final_message()
                calls = [block for block in first.content if block.type == "tool_use"]
                self.assertEqual(first.content[0].text, ASKS_BOTH.text)
                self.assertEqual([(block.name, block.input) for block in calls], CALLS)
                used = (first.usage.input_tokens, first.usage.output_tokens)
                self.assertEqual(used, (ASKS_BOTH.input, ASKS_BOTH.output))
                results = [{"type": "tool_result", "tool_use_id": block.id, "content": text}
                           for block, text in zip(calls, ("alpha", "beta"))]
                said = [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
                with self.anthropic.messages.stream(messages=[*QUESTION, *said], **ask) as stream:
                    self.assertEqual(stream.get_final_text(), HAS_READ.text)
                self.check_results(wire)

    def test_streamed_chat_completions(self):
        for wire in WIRES:
            with self.subTest(wire=wire):
                self.upstream.script = [ANSWER]
                with self.openai.chat.completions.stream(
                    model=f"chat-{wire}", messages=QUESTION, stream_options={"include_usage": True},
                ) as stream:
                    final = stream.get_final_completion()
                self.assertEqual(final.choices[0].message.content, ANSWER.text)
                used = (final.usage.prompt_tokens, final.usage.completion_tokens)
                self.assertEqual(used, (ANSWER.input, ANSWER.output))


if __name__ == "__main__":
    unittest.main()
