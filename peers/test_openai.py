"""The official Python SDK of OpenAI as a client of the gateway: chat completions and responses."""

import json
import unittest

import httpx2
import openai

from recorder import Recorder
from support import (
    ANSWER, ASKS_BOTH, BACKENDS, CALLS, HAS_READ, LATER, PARAMETERS, TOKEN, TOO_LITTLE, PeerCase, through,
)
from upstream import Broken, Refusal
from wires import CHAT, RESPONSES, WIRES

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the answer?"}]


class OpenAiCase(PeerCase):
    def client(self, service, token=TOKEN):
        """A client, with what it keeps of its HTTP layer."""
        self.recorder = Recorder()
        http = httpx2.Client(transport=self.recorder)
        client = openai.OpenAI(base_url=f"{service.url}/v1", api_key=token, http_client=http)
        self.addCleanup(client.close)
        return client


class ChatCompletions(OpenAiCase):
    TOOLS = [{"type": "function", "function": {"name": "read_file", "description": "Reads.", "parameters": PARAMETERS}}]

    def check_usage(self, usage, reply):
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
                         (reply.input, reply.output, reply.input + reply.output))
        self.assertEqual(usage.prompt_tokens_details.cached_tokens if reply.cached else 0, reply.cached)

    @through(*BACKENDS)
    def test_answer(self, backend):
        service = self.serving(backend, [ANSWER])
        client = self.client(service)
        answer = client.chat.completions.create(model=service.model, messages=QUESTION, max_tokens=500)
        self.assertEqual(answer.choices[0].message.content, ANSWER.text)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.check_usage(answer.usage, ANSWER)
        self.check_books(service, ANSWER)

    @through(*BACKENDS)
    def test_tools(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        first = client.chat.completions.create(model=service.model, messages=QUESTION, tools=self.TOOLS)
        message = first.choices[0].message
        self.assertEqual(first.choices[0].finish_reason, "tool_calls")
        self.assertEqual(message.content, ASKS_BOTH.text)
        called = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]
        self.assertEqual(called, CALLS)
        second = client.chat.completions.create(
            model=service.model, tools=self.TOOLS, messages=[*QUESTION, message, *self.results(message)],
        )
        self.assertEqual(second.choices[0].message.content, HAS_READ.text)
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    def results(self, message):
        return [{"role": "tool", "tool_call_id": call.id, "content": text}
                for call, text in zip(message.tool_calls, ("alpha", "beta"))]

    @through(*BACKENDS)
    def test_stream(self, backend):
        service = self.serving(backend, [ASKS_BOTH])
        chunks = list(self.client(service).chat.completions.create(
            model=service.model, messages=QUESTION, tools=self.TOOLS, stream=True,
            stream_options={"include_usage": True},
        ))
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        self.assertEqual("".join(delta.content or "" for delta in deltas), ASKS_BOTH.text)
        called = {}
        for piece in (piece for delta in deltas for piece in delta.tool_calls or []):
            one = called.setdefault(piece.index, ["", ""])
            one[0] += piece.function.name or ""
            one[1] += piece.function.arguments or ""
        self.assertEqual([(name, json.loads(arguments)) for name, arguments in called.values()], CALLS)
        finished = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
        self.assertEqual([reason for reason in finished if reason], ["tool_calls"])
        self.check_usage(chunks[-1].usage, ASKS_BOTH)
        self.check_books(service, ASKS_BOTH)

    @through(*BACKENDS)
    def test_stream_without_usage(self, backend):
        service = self.serving(backend, [ANSWER])
        chunks = list(self.client(service).chat.completions.create(
            model=service.model, messages=QUESTION, stream=True,
        ))
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), ANSWER.text)
        self.assertEqual([chunk.usage for chunk in chunks if chunk.usage], [])

    @through(*BACKENDS)
    def test_stream_helper(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        ask = {"model": service.model, "tools": self.TOOLS, "stream_options": {"include_usage": True}}
        with client.chat.completions.stream(messages=QUESTION, **ask) as stream:
            done = [one.name for one in stream if one.type == "tool_calls.function.arguments.done"]
            final = stream.get_final_completion()
        self.assertEqual(done, ["read_file", "read_file"])
        message = final.choices[0].message
        called = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]
        self.assertEqual((message.content, called), (ASKS_BOTH.text, CALLS))
        self.check_usage(final.usage, ASKS_BOTH)
        sent = {"role": "assistant", "content": message.content,
                "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}, "index": True})
                               for call in message.tool_calls]}
        messages = [*QUESTION, sent, *self.results(message)]
        with client.chat.completions.stream(messages=messages, **ask) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, HAS_READ.text)
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    def test_unknown_model(self):
        service = self.serving(CHAT, [ANSWER])
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client(service).chat.completions.create(model="no-such-model", messages=QUESTION)
        self.assertIn("no-such-model", raised.exception.message)
        self.check_asked(service, 1, 0)

    @through(*BACKENDS)
    def test_exhausted_budget(self, backend):
        for stream in (False, True):
            service = self.serving(backend, [ANSWER], limits=TOO_LITTLE)
            with self.assertRaises(openai.APIStatusError) as raised:
                self.client(service).chat.completions.create(
                    model=service.model, messages=QUESTION, stream=stream,
                )
            self.assertEqual(raised.exception.status_code, 402)
            self.check_asked(service, 1, 0)

    def test_wrong_token(self):
        service = self.serving(CHAT, [ANSWER])
        with self.assertRaises(openai.AuthenticationError):
            self.client(service, "other").chat.completions.create(model=service.model, messages=QUESTION)
        self.check_asked(service, 1, 0)

    @through(*WIRES)
    def test_rate_limit_of_the_provider_is_waited_for(self, backend):
        service = self.serving(backend, [LATER, ANSWER])
        answer = self.client(service).chat.completions.create(model=service.model, messages=QUESTION)
        self.assertEqual(answer.choices[0].message.content, ANSWER.text)
        self.check_waited(service)

    @through(*WIRES)
    def test_refusal_of_the_provider(self, backend):
        service = self.serving(backend, [Refusal(400, "no such parameter")])
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client(service).chat.completions.create(model=service.model, messages=QUESTION)
        self.assertIn("no such parameter", raised.exception.message)
        self.check_asked(service, 1, 1)

    @through(*WIRES)
    def test_error_in_a_stream(self, backend):
        for message in ("it is overloaded", None):
            service = self.serving(backend, [Broken(ANSWER, message)])
            with self.assertRaises((openai.APIError, httpx2.HTTPError)) as raised:
                list(self.client(service).chat.completions.create(
                    model=service.model, messages=QUESTION, stream=True,
                ))
            self.assertIn(message or "", str(raised.exception))
            self.check_asked(service, 1, 1)

    def test_bytes_are_relayed(self):
        service = self.serving(CHAT, [ANSWER, ASKS_BOTH])
        client = self.client(service)
        client.chat.completions.create(model=service.model, messages=QUESTION, extra_body={"unheard_of": [1.0]})
        list(client.chat.completions.create(
            model=service.model, messages=QUESTION, stream=True, stream_options={"include_usage": True},
        ))
        self.check_relayed(service)
        self.assertEqual(service.upstream.bill[0].body["unheard_of"], [1.0])

    def test_models(self):
        service = self.serving(CHAT, [])
        client = self.client(service)
        self.assertEqual([model.id for model in client.models.list()], [service.model])
        self.assertEqual(client.models.retrieve(service.model).id, service.model)


class Responses(OpenAiCase):
    TOOLS = [{"type": "function", "name": "read_file", "description": "Reads.", "parameters": PARAMETERS,
              "strict": False}]

    def check_usage(self, usage, reply):
        self.assertEqual((usage.input_tokens, usage.output_tokens, usage.total_tokens),
                         (reply.input, reply.output, reply.input + reply.output))
        self.assertEqual(usage.input_tokens_details.cached_tokens, reply.cached)

    def check_calls(self, response):
        items = [item for item in response.output if item.type == "function_call"]
        self.assertEqual([(item.name, json.loads(item.arguments)) for item in items], CALLS)
        return items

    @through(*BACKENDS)
    def test_answer(self, backend):
        service = self.serving(backend, [ANSWER])
        answer = self.client(service).responses.create(
            model=service.model, instructions="Be brief.", input="What is the answer?", max_output_tokens=500,
        )
        self.assertEqual((answer.output_text, answer.status), (ANSWER.text, "completed"))
        self.check_usage(answer.usage, ANSWER)
        self.check_books(service, ANSWER)

    @through(*BACKENDS)
    def test_tools(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        ask = {"model": service.model, "tools": self.TOOLS, "store": False}
        first = client.responses.create(input=QUESTION, **ask)
        self.assertEqual(first.output_text, ASKS_BOTH.text)
        results = self.results(self.check_calls(first))
        second = client.responses.create(input=[*QUESTION, *first.output, *results], **ask)
        self.assertEqual(second.output_text, HAS_READ.text)
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    def results(self, items):
        return [{"type": "function_call_output", "call_id": item.call_id, "output": text}
                for item, text in zip(items, ("alpha", "beta"))]

    @through(*BACKENDS)
    def test_stream(self, backend):
        service = self.serving(backend, [ASKS_BOTH])
        events = list(self.client(service).responses.create(
            model=service.model, input=QUESTION, tools=self.TOOLS, stream=True,
        ))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        self.assertEqual(text, ASKS_BOTH.text)
        numbers = [event.sequence_number for event in events]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual((events[0].type, events[-1].type), ("response.created", "response.completed"))
        self.check_calls(events[-1].response)
        self.check_usage(events[-1].response.usage, ASKS_BOTH)
        self.check_books(service, ASKS_BOTH)

    @through(*BACKENDS)
    def test_stream_helper(self, backend):
        service = self.serving(backend, [ASKS_BOTH, HAS_READ])
        client = self.client(service)
        ask = {"model": service.model, "tools": self.TOOLS}
        with client.responses.stream(input=QUESTION, **ask) as stream:
            first = stream.get_final_response()
        self.assertEqual(first.output_text, ASKS_BOTH.text)
        self.check_usage(first.usage, ASKS_BOTH)
        items = self.check_calls(first)
        called = [{"type": "function_call", "call_id": item.call_id, "name": item.name,
                   "arguments": item.arguments} for item in items]
        with client.responses.stream(input=[*QUESTION, *called, *self.results(items)], **ask) as stream:
            self.assertEqual(stream.get_final_response().output_text, HAS_READ.text)
        self.check_results(service)
        self.check_books(service, ASKS_BOTH, HAS_READ)

    def test_unknown_model(self):
        service = self.serving(RESPONSES, [ANSWER])
        with self.assertRaises(openai.NotFoundError):
            self.client(service).responses.create(model="no-such-model", input="x")
        self.check_asked(service, 1, 0)

    @through(*BACKENDS)
    def test_exhausted_budget(self, backend):
        for stream in (False, True):
            service = self.serving(backend, [ANSWER], limits=TOO_LITTLE)
            with self.assertRaises(openai.RateLimitError) as raised:
                self.client(service).responses.create(model=service.model, input="x", stream=stream)
            self.assertEqual(raised.exception.code, "insufficient_quota")
            self.check_asked(service, 1, 0)

    def test_wrong_token(self):
        service = self.serving(RESPONSES, [ANSWER])
        with self.assertRaises(openai.AuthenticationError):
            self.client(service, "other").responses.create(model=service.model, input="x")
        self.check_asked(service, 1, 0)

    @through(*WIRES)
    def test_rate_limit_of_the_provider_is_waited_for(self, backend):
        service = self.serving(backend, [LATER, ANSWER])
        answer = self.client(service).responses.create(model=service.model, input="x")
        self.assertEqual(answer.output_text, ANSWER.text)
        self.check_waited(service)

    @through(*WIRES)
    def test_error_in_a_stream(self, backend):
        service = self.serving(backend, [Broken(ANSWER, "it is overloaded")])
        # The SDK gives errors of this form as events and raises none.
        events = list(self.client(service).responses.create(model=service.model, input="x", stream=True))
        expected = "response.failed" if service.wire == RESPONSES else "error"
        self.assertEqual(events[-1].type, expected)
        told = events[-1].response.error if service.wire == RESPONSES else events[-1]
        self.assertIn("it is overloaded", told.message)
        self.check_asked(service, 1, 1)

    def test_stream_that_breaks_off(self):
        service = self.serving(RESPONSES, [Broken(ANSWER, None)])
        with self.assertRaises((openai.APIError, httpx2.HTTPError)):
            list(self.client(service).responses.create(model=service.model, input="x", stream=True))
        self.check_asked(service, 1, 1)

    def test_bytes_are_relayed(self):
        service = self.serving(RESPONSES, [ANSWER, ASKS_BOTH])
        client = self.client(service)
        client.responses.create(model=service.model, input="x", extra_body={"unheard_of": [1.0]})
        list(client.responses.create(model=service.model, input="x", stream=True))
        self.check_relayed(service)
        self.assertEqual(service.upstream.bill[0].body["unheard_of"], [1.0])


if __name__ == "__main__":
    unittest.main()
