"""The grader's end of a socket against a hostile player, in one process: the reply lies ready before the question."""

from __future__ import annotations

import json
import socket
import struct
import sys
import unittest
from typing import Any
from unittest import mock

import harness

sys.path.insert(0, str(harness.SUPPORT))

import researchgym_channel as channel  # noqa: E402


def frame(text: str) -> bytes:
    body = text.encode("utf-8", "surrogatepass")
    return struct.pack(">I", len(body)) + body


class Channel(unittest.TestCase):
    def setUp(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)
        self.cpu_s = 0.5
        self.player = channel.Player("submission", ours, lambda name: self.cpu_s)

    def ask(self, reply: bytes, **limits: Any) -> Any:
        self.theirs.sendall(reply)
        return self.player.ask({"question": 1}, **{"deadline_s": 10, "max_bytes": 100, **limits})

    def refused(self, reply: bytes, **limits: Any) -> str:
        with self.assertRaises(channel.PlayerError) as caught:
            self.ask(reply, **limits)
        self.assertEqual(caught.exception.player, "submission")
        return caught.exception.reason

    def test_question_and_answer(self) -> None:
        self.assertEqual(self.ask(frame('{"id":1,"answer":[1,2.5,null]}')), [1, 2.5, None])
        self.assertEqual(self.theirs.recv(1000), frame('{"id":1,"ask":{"question":1}}'))
        self.assertEqual(self.ask(frame('{"id":2,"answer":true}')), True)
        self.assertEqual(self.player.cpu_seconds(), 0.5)

    def test_oversize_frame_is_refused_unread(self) -> None:
        reason = self.refused(struct.pack(">I", 2**32 - 1))
        self.assertEqual(reason, "sent a message of 4294967295 bytes; at most 100 are allowed here")

    def test_too_many_values(self) -> None:
        many = json.dumps({"id": 1, "answer": [0] * 5000})
        self.assertEqual(
            self.refused(frame(many), max_bytes=100_000, max_values=1000), "sent a message of more than 1000 values"
        )

    def test_too_deep(self) -> None:
        deep = '{"id":1,"answer":' + "[" * 20 + "]" * 20 + "}"
        self.assertEqual(self.refused(frame(deep)), "sent a message nested deeper than 16 levels")
        very_deep = '{"id":1,"answer":' + "[" * 50_000
        self.assertEqual(self.refused(frame(very_deep), max_bytes=100_000), "sent a message that is not valid JSON")

    def test_not_json(self) -> None:
        for text in ("", "{", "NaN", '{"id":1,"answer":NaN}', '{"id":1,"answer":-Infinity}'):
            with self.subTest(text):
                self.setUp()
                self.assertEqual(self.refused(frame(text)), "sent a message that is not valid JSON")
        self.setUp()
        self.assertEqual(self.refused(struct.pack(">I", 2) + b"\xff\xfe"), "sent a message that is not valid JSON")

    def test_very_long_number(self) -> None:
        number = '{"id":1,"answer":' + "9" * 60 + "}"
        self.assertEqual(self.refused(frame(number)), "sent a number of 40 digits or more")

    def test_not_a_reply(self) -> None:
        replies = ("[]", "1", "{}", '{"id":true,"answer":1}', '{"id":1}', '{"id":1,"answer":1,"error":"x"}')
        for text in replies:
            with self.subTest(text):
                self.setUp()
                self.assertEqual(self.refused(frame(text)), "sent a message that is not a reply")

    def test_answer_to_a_question_not_yet_asked(self) -> None:
        first = frame('{"id":1,"answer":0}')
        self.assertEqual(self.ask(first + first), 0)
        self.assertEqual(self.refused(b""), "sent a message that was not asked for")

    def test_more_after_the_last_answer(self) -> None:
        self.assertEqual(self.ask(frame('{"id":1,"answer":0}') + b"x"), 0)
        with self.assertRaisesRegex(channel.PlayerError, "sent a message that was not asked for"):
            self.player.finish(deadline_s=10)

    def test_end_without_more(self) -> None:
        self.assertEqual(self.ask(frame('{"id":1,"answer":0}')), 0)
        self.theirs.recv(1000)
        self.theirs.close()
        self.player.finish(deadline_s=10)

    def test_player_that_does_not_hang_up(self) -> None:
        with self.assertRaisesRegex(channel.PlayerError, "took too long to answer"):
            self.player.finish(deadline_s=0.02)

    def test_error_of_the_player(self) -> None:
        reason = self.refused(frame('{"id":1,"error":"failed:\\u001b[31m \\ud800\\n"}'))
        self.assertEqual(reason, "failed: [31m   ")
        self.assertEqual(self.refused(frame('{"id":2,"error":[1]}')), "[1]")

    def test_silence_and_half_a_frame(self) -> None:
        self.assertEqual(self.refused(b"", deadline_s=0.02), "took too long to answer")
        self.assertEqual(self.refused(frame('{"id":2,"answer":0}')[:-1], deadline_s=0.02), "took too long to answer")

    def test_player_that_does_not_read(self) -> None:
        with self.assertRaisesRegex(channel.PlayerError, "took too long to answer"):
            self.player.ask("x" * 10_000_000, deadline_s=0.05)

    def test_death_of_the_player(self) -> None:
        self.theirs.shutdown(socket.SHUT_WR)
        with self.assertRaisesRegex(channel.PlayerError, "ended without answering"):
            self.player.ask(1, deadline_s=10)
        self.theirs.close()
        with self.assertRaisesRegex(channel.PlayerError, "ended before it was asked everything"):
            self.player.ask(1, deadline_s=10)

    def test_cpu_limit(self) -> None:
        self.cpu_s = 3.0
        late = self.refused(frame('{"id":1,"answer":0}'), cpu_limit_s=2)
        self.assertEqual(late, "used more than 2 s of CPU time")
        with mock.patch.object(channel, "_CPU_CHECK_S", 0.01):
            self.assertEqual(self.refused(b"", cpu_limit_s=2.5), "used more than 2.5 s of CPU time")


if __name__ == "__main__":
    unittest.main()
