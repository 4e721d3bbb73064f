"""The official Python SDK of Anthropic as a client of the gateway."""

import unittest

import anthropic
import httpx2

from recorder import Recorder
from support import (
    ANSWER, ASKS_BOTH, BACKENDS, CALLS, HAS_READ, LATER, PARAMETERS, TOKEN, TOO_LITTLE, PeerCase, through,
)
from upstream import Broken, Refusal
from wires import MESSAGES, WIRES

QUESTION = [{"role": "user", "content": "What is the answer?"}]


class Messages(PeerCase):
    TOOLS = [{"name": "read_file", "description": "Reads.", "input_schema": PARAMETERS}]

    def client(self, service, token=TOKEN):
        """A client, with what it keeps of its HTTP layer."""
        self.recorder = Recorder()
        http = httpx2.Client(transport=self.recorder)
        client = anthropic.Anthropic(base_url=service.url, api_key=token, http_client=http)
        self.addCleanup(client.close)
        return client

    def ask(self, service, **more):
        """What a request of most tests says."""
        return {"model": service.model, "max_tokens": 500, "system": "Be brief.", "messages": QUESTION, **more}

    def check_usage(self, usage, reply):
        counted = (usage.input_tokens, usage.cache_read_input_tokens or 0, usage.output_tokens)
        self.assertEqual(counted, (reply.input - reply.cached, reply.cached, reply.output))

    def check_calls(self, message):
        blocks = [block for block in message.content if block.type == "tool_use"]
        self.assertEqual([(block.name, block.input) for block in blocks], CALLS)
        text = "".join(block.text for block in message.content if block.type == "text")
        self.assertEqual((text, message.stop_reason), (ASKS_BOTH.text, "tool_use"))
        return blocks

    def with_results(self, message):
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": text}
                   for block, text in zip(self.check_calls(message), ("alpha", "beta"))]
        return [*QUESTION, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]

    @through(*BACKENDS)
    def test_answer(self, backend):
        service = self.serving(backend, [ANSWER])
        answer = self.client(service).messages.create(**self.ask(service))
        self.assertEqual([block.text for block in answer.content], [ANSWER.text])
        self.assertEqual((answer.stop_reason, answer.role, answer.type), ("end_turn", "assistant", "message"))
        self.check_usage(answer.usage, ANSWER)
        self.check_books(service, ANSWER)

    @through(*BACKENDS)
    def test_tools(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        ask = self.ask(service, tools=self.TOOLS)
        first = client.messages.create(**ask)
        self.check_usage(first.usage, ASKS_BOTH)
        second = client.messages.create(**{**ask, "messages": self.with_results(first)})
        self.assertEqual([block.text for block in second.content], [HAS_READ.text])
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    @through(*BACKENDS)
    def test_stream(self, backend):
        service = self.serving(backend, [ASKS_BOTH])
        events = list(self.client(service).messages.create(**self.ask(service, tools=self.TOOLS), stream=True))
        self.assertEqual((events[0].type, events[-1].type), ("message_start", "message_stop"))
        texts = [event.delta.text for event in events
                 if event.type == "content_block_delta" and event.delta.type == "text_delta"]
        self.assertEqual("".join(texts), ASKS_BOTH.text)
        ended = [event for event in events if event.type == "message_delta"]
        self.assertEqual([event.delta.stop_reason for event in ended], ["tool_use"])
        self.assertEqual(ended[-1].usage.output_tokens, ASKS_BOTH.output)
        self.check_books(service, ASKS_BOTH)

    @through(*BACKENDS)
    def test_stream_helper(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ, ANSWER])
        client = self.client(service)
        ask = self.ask(service, tools=self.TOOLS)
        with client.messages.stream(**ask) as stream:
            self.assertEqual("".join(stream.text_stream), ASKS_BOTH.text)
            first = stream.get_final_message()
        self.check_usage(first.usage, ASKS_BOTH)
        messages = self.with_results(first)
        with client.messages.stream(**{**ask, "messages": messages}) as stream:
            self.assertEqual(stream.get_final_text(), HAS_READ.text)
        self.check_results(service)
        with client.messages.stream(**ask) as stream:
            self.check_usage(stream.get_final_message().usage, ANSWER)
        self.check_books(service, ASKS_BOTH, HAS_READ, ANSWER)

    def test_unknown_model(self):
        service = self.serving(MESSAGES, [ANSWER])
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.client(service).messages.create(**self.ask(service, model="no-such-model"))
        self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")
        self.assertIn("no-such-model", raised.exception.message)
        self.check_asked(service, 1, 0)

    @through(*BACKENDS)
    def test_exhausted_budget(self, backend):
        for stream in (False, True):
            service = self.serving(backend, [ANSWER], limits=TOO_LITTLE)
            with self.assertRaises(anthropic.PaymentRequiredError) as raised:
                self.client(service).messages.create(**self.ask(service, stream=stream))
            self.assertEqual(raised.exception.body["error"]["type"], "billing_error")
            self.check_asked(service, 1, 0)

    def test_wrong_token(self):
        service = self.serving(MESSAGES, [ANSWER])
        with self.assertRaises(anthropic.AuthenticationError) as raised:
            self.client(service, "other").messages.create(**self.ask(service))
        self.assertEqual(raised.exception.body["error"]["type"], "authentication_error")
        self.check_asked(service, 1, 0)

    @through(*WIRES)
    def test_rate_limit_of_the_provider_is_waited_for(self, backend):
        service = self.serving(backend, [LATER, ANSWER])
        answer = self.client(service).messages.create(**self.ask(service))
        self.assertEqual(answer.content[0].text, ANSWER.text)
        self.check_waited(service)

    @through(*WIRES)
    def test_refusal_of_the_provider(self, backend):
        service = self.serving(backend, [Refusal(400, "no such parameter")])
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.client(service).messages.create(**self.ask(service))
        self.assertIn("no such parameter", raised.exception.body["error"]["message"])
        self.check_asked(service, 1, 1)

    @through(*WIRES)
    def test_error_in_a_stream(self, backend):
        for message in ("it is overloaded", None):
            service = self.serving(backend, [Broken(ANSWER, message)])
            with self.assertRaises((anthropic.APIError, httpx2.HTTPError)) as raised:
                list(self.client(service).messages.create(**self.ask(service, stream=True)))
            self.assertIn(message or "", str(raised.exception))
            self.check_asked(service, 1, 1)

    def test_bytes_are_relayed(self):
        service = self.serving(MESSAGES, [ANSWER, ASKS_BOTH])
        client = self.client(service)
        client.messages.create(**self.ask(service), extra_body={"unheard_of": [1.0]},
                               extra_headers={"anthropic-beta": "one-2025-01-01,two-2025-01-01"})
        list(client.messages.create(**self.ask(service, stream=True)))
        self.check_relayed(service)
        billed, sent = service.upstream.bill[0], self.recorder.exchanges[0].sent_headers
        self.assertEqual(billed.body["unheard_of"], [1.0])
        self.assertEqual(billed.headers["anthropic-beta"], "one-2025-01-01,two-2025-01-01")
        self.assertEqual(billed.headers["anthropic-version"], sent["anthropic-version"])

    def test_models(self):
        service = self.serving(MESSAGES, [])
        client = self.client(service)
        self.assertEqual([model.id for model in client.models.list()], [service.model])
        self.assertEqual(client.models.retrieve(service.model).id, service.model)

    def test_tokens_are_counted_by_the_provider(self):
        service = self.serving(MESSAGES, [])
        counted = self.client(service).messages.count_tokens(model=service.model, messages=QUESTION)
        self.assertEqual(counted.input_tokens, 42)
        self.check_relayed(service)

    @through(*(backend for backend in BACKENDS if backend != MESSAGES))
    def test_tokens_are_bounded_where_the_provider_has_no_such_count(self, backend):
        service = self.serving(backend, [])
        counted = self.client(service).messages.count_tokens(model=service.model, messages=QUESTION)
        self.assertGreater(counted.input_tokens, 3)
        self.check_asked(service, 1, 0)


if __name__ == "__main__":
    unittest.main()
