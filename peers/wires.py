"""The four forms in which providers are spoken to, as a provider writes and reads them.

Written from the providers' references, not from this repository's code: what it writes is what peers are tested with.
"""

import json

CHAT, RESPONSES, MESSAGES, GEMINI = WIRES = ("chat", "responses", "messages", "gemini")


def split(text):
    """A text in two pieces, as streams bring it."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def event(data, name=None):
    """A server-sent event as bytes."""
    head = f"event: {name}\n" if name else ""
    written = data if isinstance(data, str) else json.dumps(data)
    return f"{head}data: {written}\n\n".encode()


class Chat:
    """OpenAI's chat completions."""

    @staticmethod
    def whole(reply, number, model):
        message = {"role": "assistant", "content": reply.text or None}
        if reply.calls:
            message["tool_calls"] = [
                {"id": reply.call_id(number, at), "type": "function",
                 "function": {"name": name, "arguments": json.dumps(arguments)}}
                for at, (name, arguments) in enumerate(reply.calls)
            ]
        finish = "tool_calls" if reply.calls else "stop"
        return {
            "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1700000000, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": Chat.usage(reply),
        }

    @staticmethod
    def usage(reply):
        return {
            "prompt_tokens": reply.input, "completion_tokens": reply.output, "total_tokens": reply.input + reply.output,
            "prompt_tokens_details": {"cached_tokens": reply.cached},
        }

    @staticmethod
    def events(reply, number, model, body):
        def chunk(delta, finish=None, **more):
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            return event({
                "id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1700000000, "model": model,
                "choices": choices, **more,
            })

        yield chunk({"role": "assistant", "content": ""})
        for piece in split(reply.text):
            yield chunk({"content": piece})
        for at, (name, arguments) in enumerate(reply.calls):
            called = {"index": at, "id": reply.call_id(number, at), "type": "function"}
            yield chunk({"tool_calls": [{**called, "function": {"name": name, "arguments": ""}}]})
            for piece in split(json.dumps(arguments)):
                yield chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls" if reply.calls else "stop")
        if (body.get("stream_options") or {}).get("include_usage"):
            yield event({
                "id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1700000000, "model": model,
                "choices": [], "usage": Chat.usage(reply),
            })
        yield event("[DONE]")

    @staticmethod
    def error(status, message):
        kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    @staticmethod
    def error_event(message):
        return event({"error": {"message": message, "type": "server_error", "param": None, "code": None}})

    @staticmethod
    def results(body):
        return [(message["tool_call_id"], text_of(message["content"]))
                for message in body["messages"] if message["role"] == "tool"]


class Responses:
    """OpenAI's responses."""

    @staticmethod
    def whole(reply, number, model):
        return Responses.response(number, model, "completed", Responses.items(reply, number), Responses.usage(reply))

    @staticmethod
    def response(number, model, status, items, usage):
        return {
            "id": f"resp_{number}", "object": "response", "created_at": 1700000000, "status": status, "model": model,
            "output": items, "usage": usage, "error": None, "incomplete_details": None, "instructions": None,
            "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [],
            "top_p": 1.0,
        }

    @staticmethod
    def items(reply, number):
        items = []
        if reply.text:
            part = {"type": "output_text", "text": reply.text, "annotations": []}
            items.append({"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant",
                          "content": [part]})
        for at, (name, arguments) in enumerate(reply.calls):
            items.append({"type": "function_call", "id": f"fc_{number}_{at}", "status": "completed", "name": name,
                          "call_id": reply.call_id(number, at), "arguments": json.dumps(arguments)})
        return items

    @staticmethod
    def usage(reply):
        return {
            "input_tokens": reply.input, "input_tokens_details": {"cached_tokens": reply.cached},
            "output_tokens": reply.output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": reply.input + reply.output,
        }

    @staticmethod
    def events(reply, number, model, _body):
        sequence = iter(range(1000))

        def named(kind, **fields):
            return event({"type": kind, "sequence_number": next(sequence), **fields}, kind)

        begun = Responses.response(number, model, "in_progress", [], None)
        yield named("response.created", response=begun)
        yield named("response.in_progress", response=begun)
        for at, item in enumerate(Responses.items(reply, number)):
            place = {"output_index": at, "item_id": item["id"]}
            if item["type"] == "message":
                part = item["content"][0]
                yield named("response.output_item.added", output_index=at,
                            item={**item, "status": "in_progress", "content": []})
                yield named("response.content_part.added", content_index=0, part={**part, "text": ""}, **place)
                for piece in split(part["text"]):
                    yield named("response.output_text.delta", content_index=0, delta=piece, logprobs=[], **place)
                yield named("response.output_text.done", content_index=0, text=part["text"], logprobs=[], **place)
                yield named("response.content_part.done", content_index=0, part=part, **place)
            else:
                yield named("response.output_item.added", output_index=at,
                            item={**item, "status": "in_progress", "arguments": ""})
                for piece in split(item["arguments"]):
                    yield named("response.function_call_arguments.delta", delta=piece, **place)
                yield named("response.function_call_arguments.done", arguments=item["arguments"], name=item["name"],
                            **place)
            yield named("response.output_item.done", output_index=at, item=item)
        yield named("response.completed", response=Responses.whole(reply, number, model))

    error = Chat.error

    @staticmethod
    def error_event(message):
        failed = Responses.response(0, "m", "failed", [], None)
        failed["error"] = {"code": "server_error", "message": message}
        return event({"type": "response.failed", "sequence_number": 999, "response": failed}, "response.failed")

    @staticmethod
    def results(body):
        return [(item["call_id"], text_of(item["output"]))
                for item in body["input"] if item.get("type") == "function_call_output"]


class Messages:
    """Anthropic's messages."""

    @staticmethod
    def whole(reply, number, model):
        content = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [{"type": "tool_use", "id": reply.call_id(number, at), "name": name, "input": arguments}
                    for at, (name, arguments) in enumerate(reply.calls)]
        return {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": "tool_use" if reply.calls else "end_turn", "stop_sequence": None,
            "usage": Messages.usage(reply),
        }

    @staticmethod
    def usage(reply):
        return {"input_tokens": reply.input - reply.cached, "output_tokens": reply.output,
                "cache_read_input_tokens": reply.cached, "cache_creation_input_tokens": 0}

    @staticmethod
    def events(reply, number, model, _body):
        def named(kind, **fields):
            return event({"type": kind, **fields}, kind)

        message = Messages.whole(reply, number, model)
        usage = message["usage"]
        yield named("message_start", message={**message, "content": [], "stop_reason": None,
                                              "usage": {**usage, "output_tokens": 1}})
        yield named("ping")
        for at, block in enumerate(message["content"]):
            if block["type"] == "text":
                yield named("content_block_start", index=at, content_block={**block, "text": ""})
                deltas = [{"type": "text_delta", "text": piece} for piece in split(block["text"])]
            else:
                yield named("content_block_start", index=at, content_block={**block, "input": {}})
                pieces = split(json.dumps(block["input"]))
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            for delta in deltas:
                yield named("content_block_delta", index=at, delta=delta)
            yield named("content_block_stop", index=at)
        yield named("message_delta", delta={"stop_reason": message["stop_reason"], "stop_sequence": None},
                    usage={"output_tokens": usage["output_tokens"]})
        yield named("message_stop")

    @staticmethod
    def error(status, message):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
                 429: "rate_limit_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}

    @staticmethod
    def error_event(message):
        return event(Messages.error(529, message), "error")

    @staticmethod
    def results(body):
        blocks = [block for message in body["messages"] if isinstance(message["content"], list)
                  for block in message["content"]]
        return [(block["tool_use_id"], text_of(block["content"])) for block in blocks if block["type"] == "tool_result"]


class Gemini:
    """Google's generateContent."""

    @staticmethod
    def parts(reply):
        text = [{"text": reply.text}] if reply.text else []
        return text + [{"functionCall": {"name": name, "args": arguments}} for name, arguments in reply.calls]

    @staticmethod
    def chunk(number, model, parts, **candidate):
        content = {"role": "model", "parts": parts}
        return {"candidates": [{"content": content, "index": 0, **candidate}], "modelVersion": model,
                "responseId": f"gemini-{number}"}

    @staticmethod
    def usage(reply):
        return {"promptTokenCount": reply.input, "candidatesTokenCount": reply.output,
                "cachedContentTokenCount": reply.cached, "totalTokenCount": reply.input + reply.output}

    @staticmethod
    def whole(reply, number, model):
        answer = Gemini.chunk(number, model, Gemini.parts(reply), finishReason="STOP")
        return {**answer, "usageMetadata": Gemini.usage(reply)}

    @staticmethod
    def events(reply, number, model, _body):
        pieces = [[{"text": piece}] for piece in split(reply.text)]
        pieces += [[part] for part in Gemini.parts(reply) if "functionCall" in part]
        for piece in pieces[:-1]:
            yield event(Gemini.chunk(number, model, piece))
        last = Gemini.chunk(number, model, pieces[-1], finishReason="STOP")
        yield event({**last, "usageMetadata": Gemini.usage(reply)})

    @staticmethod
    def error(status, message):
        states = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        return {"error": {"code": status, "message": message, "status": states.get(status, "INTERNAL")}}

    @staticmethod
    def error_event(message):
        return event(Gemini.error(500, message))

    @staticmethod
    def results(body):
        parts = [part for content in body["contents"] for part in content["parts"]]
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        return [(response["name"], response["response"]) for response in responses]


BY_NAME = dict(zip(WIRES, (Chat, Responses, Messages, Gemini)))


def text_of(content):
    """The text in a tool's result, whatever it is wrapped in."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    return content["text"]
