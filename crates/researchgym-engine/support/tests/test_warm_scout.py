"""Tests of the pages that processes take before they need them."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import researchgym_warm_scout as warm_scout


def in_a_fork(work) -> str:
    """What a forked process has to say."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, work().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


class Scouting(unittest.TestCase):
    def setUp(self) -> None:
        self.pages = warm_scout.scout()
        if not self.pages.runs:
            self.skipTest("processes cannot read here which of their pages are their own")

    def test_what_is_found_is_memory_of_this_process(self) -> None:
        runs = self.pages.runs
        ends = [start + length for start, length in runs]
        self.assertTrue(all(start % warm_scout.PAGE == length % warm_scout.PAGE == 0 for start, length in runs))
        self.assertTrue(all(end <= start for end, (start, _) in zip(ends, runs[1:])))
        self.assertEqual(sum(length for _, length in runs), self.pages.length)
        self.assertGreater(self.pages.length, 100 * warm_scout.PAGE)

    def test_a_fork_that_takes_them_has_them_in_one_call_or_in_many(self) -> None:
        def own() -> set:
            pages = warm_scout._own_pages()
            return {at for start, length in pages for at in range(start, start + length, warm_scout.PAGE)}

        runs = self.pages.runs
        wanted = {at for start, length in runs for at in range(start, start + length, warm_scout.PAGE)}
        without = int(in_a_fork(lambda: str(len(wanted - own()))))
        for pages in (self.pages, self.pages._replace(vector=None)):
            having = int(in_a_fork(lambda: (warm_scout.take(pages), str(len(wanted - own())))[1]))
            # Some have gone since.
            self.assertLess(having, len(wanted) / 4)
            self.assertLess(having, without / 2)

    def test_the_sample_leaves_nothing_in_who_sends_the_scout(self) -> None:
        before = (set(sys.modules), sorted(os.listdir("/proc/self/fd")), dict(os.environ))
        warm_scout.scout()
        self.assertEqual((set(sys.modules), sorted(os.listdir("/proc/self/fd")), dict(os.environ)), before)

    def test_pages_that_are_not_there_are_passed_over(self) -> None:
        gone = (1 << 46, warm_scout.PAGE)
        vector = warm_scout.RUN.pack(*gone) + (bytes(self.pages.vector)[:-1] if self.pages.vector else b"")
        pages = warm_scout.Pages([gone, *self.pages.runs], vector, self.pages.length + gone[1])
        self.assertEqual(in_a_fork(lambda: (warm_scout.take(pages), "over")[1]), "over")
        self.assertEqual(in_a_fork(lambda: (warm_scout.take(warm_scout.NO_PAGES), "over")[1]), "over")


if __name__ == "__main__":
    unittest.main()
