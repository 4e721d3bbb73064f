"""The official Python SDK of Google for Gemini as a client of the gateway, with every version that it puts in paths."""

import unittest

import httpx2
from google import genai
from google.genai import errors, types

from recorder import Recorder
from support import (
    ANSWER, ASKS_BOTH, BACKENDS, CALLS, HAS_READ, LATER, PARAMETERS, TOKEN, TOO_LITTLE, PeerCase, through,
)
from upstream import Broken, Refusal
from wires import GEMINI, WIRES

QUESTION = "What is the answer?"


class Gemini(PeerCase):
    CONFIG = types.GenerateContentConfig(
        system_instruction="Be brief.",
        max_output_tokens=500,
        tools=[types.Tool(function_declarations=[
            types.FunctionDeclaration(name="read_file", description="Reads.", parameters_json_schema=PARAMETERS),
        ])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )

    def client(self, service, token=TOKEN, version=None):
        """A client, with what it keeps of its HTTP layer."""
        self.recorder = Recorder()
        options = types.HttpOptions(base_url=service.url, api_version=version,
                                    client_args={"transport": self.recorder})
        client = genai.Client(api_key=token, http_options=options)
        self.addCleanup(client.close)
        return client

    def check_usage(self, usage, reply):
        counted = (usage.prompt_token_count, usage.cached_content_token_count or 0, usage.candidates_token_count)
        self.assertEqual(counted, (reply.input, reply.cached, reply.output))
        self.assertEqual(usage.total_token_count, reply.input + reply.output)

    def with_results(self, content):
        """The conversation with an answer's calls and what they led to."""
        calls = [part.function_call for part in content.parts if part.function_call]
        self.assertEqual([(call.name, call.args) for call in calls], CALLS)
        results = [types.Part(function_response=types.FunctionResponse(
            id=call.id, name=call.name, response={"output": text},
        )) for call, text in zip(calls, ("alpha", "beta"))]
        question = types.Content(role="user", parts=[types.Part(text=QUESTION)])
        return [question, content, types.Content(role="user", parts=results)]

    @through(*BACKENDS)
    def test_answer(self, backend):
        service = self.serving(backend, [ANSWER])
        answer = self.client(service).models.generate_content(
            model=service.model, contents=QUESTION, config=self.CONFIG,
        )
        self.assertEqual((answer.text, answer.candidates[0].finish_reason), (ANSWER.text, types.FinishReason.STOP))
        self.check_usage(answer.usage_metadata, ANSWER)
        self.check_books(service, ANSWER)

    @through(*BACKENDS)
    def test_tools(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        ask = {"model": service.model, "config": self.CONFIG}
        first = client.models.generate_content(contents=QUESTION, **ask)
        content = first.candidates[0].content
        self.assertEqual(content.parts[0].text, ASKS_BOTH.text)
        second = client.models.generate_content(contents=self.with_results(content), **ask)
        self.assertEqual(second.text, HAS_READ.text)
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    @through(*BACKENDS)
    def test_stream(self, backend):
        service = self.serving(backend, [ASKS_BOTH])
        chunks = list(self.client(service).models.generate_content_stream(
            model=service.model, contents=QUESTION, config=self.CONFIG,
        ))
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        self.assertEqual("".join(part.text or "" for part in parts), ASKS_BOTH.text)
        called = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        self.assertEqual(called, CALLS)
        self.check_usage(chunks[-1].usage_metadata, ASKS_BOTH)
        self.check_books(service, ASKS_BOTH)

    @through(*BACKENDS)
    def test_chat(self, backend):
        """The SDK's own loop: it calls the functions itself and sends the results back, in a stream."""

        def read_file(path: str) -> str:
            """Reads."""
            return {"a.txt": "alpha", "b.txt": "beta"}[path]

        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        config = types.GenerateContentConfig(tools=[read_file])
        chat = self.client(service).chats.create(model=service.model, config=config)
        said = "".join(chunk.text or "" for chunk in chat.send_message_stream(QUESTION))
        self.assertTrue(said.endswith(HAS_READ.text), said)
        # It wraps what functions return: as an object it is as good.
        self.check_results(service, {"result": "alpha"}, {"result": "beta"})
        self.check_asked(service, 2, 2 if service.upstream else 0)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    def test_unknown_model(self):
        service = self.serving(GEMINI, [ANSWER])
        with self.assertRaises(errors.ClientError) as raised:
            self.client(service).models.generate_content(model="no-such-model", contents=QUESTION)
        self.assertEqual((raised.exception.code, raised.exception.status), (404, "NOT_FOUND"))
        self.check_asked(service, 1, 0)

    @through(*BACKENDS)
    def test_exhausted_budget(self, backend):
        service = self.serving(backend, [ANSWER], limits=TOO_LITTLE)
        for stream in (False, True):
            client = self.client(service)
            with self.assertRaises(errors.ClientError) as raised:
                if stream:
                    list(client.models.generate_content_stream(model=service.model, contents=QUESTION))
                else:
                    client.models.generate_content(model=service.model, contents=QUESTION)
            self.assertEqual((raised.exception.code, raised.exception.status), (402, "RESOURCE_EXHAUSTED"))
            self.check_asked(service, 1, 0)

    def test_wrong_token(self):
        service = self.serving(GEMINI, [ANSWER])
        with self.assertRaises(errors.ClientError) as raised:
            self.client(service, "other").models.generate_content(model=service.model, contents=QUESTION)
        self.assertEqual((raised.exception.code, raised.exception.status), (401, "UNAUTHENTICATED"))
        self.check_asked(service, 1, 0)

    @through(*WIRES)
    def test_rate_limit_of_the_provider_is_waited_for(self, backend):
        service = self.serving(backend, [LATER, ANSWER])
        answer = self.client(service).models.generate_content(model=service.model, contents=QUESTION)
        self.assertEqual(answer.text, ANSWER.text)
        self.check_waited(service)

    @through(*WIRES)
    def test_refusal_of_the_provider(self, backend):
        service = self.serving(backend, [Refusal(400, "no such parameter")])
        with self.assertRaises(errors.ClientError) as raised:
            self.client(service).models.generate_content(model=service.model, contents=QUESTION)
        self.assertEqual((raised.exception.code, raised.exception.status), (400, "INVALID_ARGUMENT"))
        self.assertIn("no such parameter", raised.exception.message)
        self.check_asked(service, 1, 1)

    @through(*WIRES)
    def test_error_in_a_stream(self, backend):
        service = self.serving(backend, [Broken(ANSWER, "it is overloaded")])
        with self.assertRaises(errors.ServerError) as raised:
            list(self.client(service).models.generate_content_stream(model=service.model, contents=QUESTION))
        self.assertIn("it is overloaded", str(raised.exception))
        self.check_asked(service, 1, 1)

    def test_stream_that_breaks_off(self):
        service = self.serving(GEMINI, [Broken(ANSWER, None)])
        with self.assertRaises(httpx2.HTTPError):
            list(self.client(service).models.generate_content_stream(model=service.model, contents=QUESTION))
        self.check_asked(service, 1, 1)

    def test_bytes_are_relayed(self):
        service = self.serving(GEMINI, [ANSWER, ASKS_BOTH])
        client = self.client(service)
        client.models.generate_content(model=service.model, contents=QUESTION, config=self.CONFIG)
        list(client.models.generate_content_stream(model=service.model, contents=QUESTION, config=self.CONFIG))
        self.check_relayed(service)

    def test_every_version_in_the_path(self):
        for version in (None, "v1", "v1beta", "v1alpha"):
            service = self.serving(GEMINI, [ANSWER, ANSWER])
            models = self.client(service, version=version).models
            ask = {"model": service.model, "contents": QUESTION}
            with self.subTest(version=version):
                self.assertEqual(models.generate_content(**ask).text, ANSWER.text)
                streamed = "".join(chunk.text for chunk in models.generate_content_stream(**ask))
                self.assertEqual(streamed, ANSWER.text)
                self.assertEqual(models.count_tokens(**ask).total_tokens, 42)
                self.assertEqual([model.name for model in models.list()], [f"models/{service.model}"])
                self.assertEqual(models.get(model=service.model).name, f"models/{service.model}")

    @through(*(backend for backend in BACKENDS if backend != GEMINI))
    def test_tokens_are_bounded_where_the_provider_has_no_such_count(self, backend):
        service = self.serving(backend, [])
        counted = self.client(service).models.count_tokens(model=service.model, contents=QUESTION)
        self.assertGreater(counted.total_tokens, 3)
        self.check_asked(service, 1, 0)


if __name__ == "__main__":
    unittest.main()
