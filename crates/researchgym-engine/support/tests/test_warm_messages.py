"""Tests of what the host, a warm Python and its forks say to each other."""

import os
import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import researchgym_warm_messages as messages


def request(content: bytes) -> bytes:
    return messages.HEADER.pack(len(content)) + content


class Requests(unittest.TestCase):
    def setUp(self) -> None:
        self.host, self.waiting = socket.socketpair()

    def tearDown(self) -> None:
        self.host.close()
        self.waiting.close()

    def test_a_request_comes_whole_with_its_descriptors(self) -> None:
        reader, writer = os.pipe()
        socket.send_fds(self.host, [request(b"{}")], [reader, writer])
        os.close(reader)
        os.close(writer)
        content, descriptors = messages.receive(self.waiting)
        self.assertEqual((content, len(descriptors)), (b"{}", 2))
        self.assertFalse(any(map(os.get_inheritable, descriptors)))
        os.write(descriptors[1], b"x")
        self.assertEqual(os.read(descriptors[0], 2), b"x")
        for descriptor in descriptors:
            os.close(descriptor)

    def test_it_may_come_in_pieces_and_be_longer_than_one(self) -> None:
        wanted = bytes(range(256)) * 300
        pieces = request(wanted)
        self.host.sendall(pieces[:3])
        pid = os.fork()
        if pid == 0:
            self.host.sendall(pieces[3:])
            os._exit(0)
        self.assertEqual(messages.receive(self.waiting), (wanted, []))
        os.waitpid(pid, 0)

    def test_there_is_none_if_the_host_has_gone_before_its_end(self) -> None:
        self.host.sendall(request(b"half of it")[:-1])
        self.host.close()
        self.assertIsNone(messages.receive(self.waiting))
        self.assertIsNone(messages.receive(self.waiting))

    def test_more_descriptors_than_there_may_be_make_it_none(self) -> None:
        many = [0] * (messages.MOST_DESCRIPTORS + 1)
        socket.send_fds(self.host, [request(b"{}")], many)
        self.assertIsNone(messages.receive(self.waiting))


class Words(unittest.TestCase):
    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()

    def tearDown(self) -> None:
        os.close(self.reader)
        if self.writer is not None:
            os.close(self.writer)

    def hang_up(self) -> None:
        os.close(self.writer)
        self.writer = None

    def test_what_is_told_is_heard_in_order_until_the_end(self) -> None:
        messages.tell(self.writer, messages.TAKEN, b"request")
        messages.tell(self.writer, messages.REFUSED)
        self.hang_up()
        heard = [messages.told(self.reader) for _ in range(3)]
        self.assertEqual(heard, [(messages.TAKEN, b"request"), (messages.REFUSED, b""), None])

    def test_half_a_word_is_none(self) -> None:
        for length in range(1, messages.WORD.size + 3):
            reader, writer = os.pipe()
            os.write(writer, (messages.WORD.pack(messages.FAILED, 3) + b"why")[:length])
            os.close(writer)
            self.assertIsNone(messages.told(reader), length)
            os.close(reader)

    def test_a_last_word_says_how_a_program_ends(self) -> None:
        word = messages.LastWord.of_this_process(3)
        self.assertEqual((word.status, word.cpu_ns > 0, word.peak_kib > 1000), (3, True, True))
        messages.tell(self.writer, messages.ENDS, word.content())
        kind, content = messages.told(self.reader)
        self.assertEqual((kind, messages.LastWord.parse(content)), (messages.ENDS, word))
        for other in (b"", content[:-1], content + b"x"):
            self.assertIsNone(messages.LastWord.parse(other))

    def test_where_nobody_waits_half_a_word_is_none_too(self) -> None:
        os.set_blocking(self.reader, False)
        self.assertIsNone(messages.told(self.reader))
        for content in (b"e", messages.WORD.pack(messages.ENDS, 20), b"\xff" * 4000):
            os.write(self.writer, content)
            self.assertIsNone(messages.told(self.reader), content)


if __name__ == "__main__":
    unittest.main()
