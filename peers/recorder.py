"""The HTTP layer of the official SDKs, with a record of what went through it."""

import httpx2


class Exchange:
    """One request and what came back."""

    def __init__(self, request):
        self.sent_headers = dict(request.headers)
        self.status = None
        self.headers = {}
        self.body = b""


class Recorder(httpx2.HTTPTransport):
    """Sends requests and keeps them, with the bytes of their answers as they come."""

    def __init__(self):
        super().__init__()
        self.exchanges = []

    def handle_request(self, request):
        exchange = Exchange(request)
        self.exchanges.append(exchange)
        answer = super().handle_request(request)
        exchange.status = answer.status_code
        exchange.headers = dict(answer.headers)
        answer.stream = Kept(answer.stream, exchange)
        return answer


class Kept(httpx2.SyncByteStream):
    """The bytes of an answer, kept as they pass."""

    def __init__(self, stream, exchange):
        self.stream = stream
        self.exchange = exchange

    def __iter__(self):
        for piece in self.stream:
            self.exchange.body += piece
            yield piece

    def close(self):
        self.stream.close()
